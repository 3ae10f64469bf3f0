"""A number's whole life: what can happen to it, what the tenant sees, what 360dialog has, and the way out.

`make life` writes `docs/life.md`; `test_life.py` plays every row and compares.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.world import TENANT, Options
from onramp.domain.states import Attention, Status
from tests.faults.matrix import played
from tests.faults.stage import (
    OTHER_TENANT,
    Scene,
    Stage,
    Step,
    add_number,
    ask,
    at_channel,
    channel_is,
    channel_shows_number,
    client_there,
    customer,
    customer_is,
    dialog_options,
    earlier,
    fault,
    foreign,
    hub,
    hub_second,
    keep_second,
    known_client,
    meta_says,
    move_number,
    other_tenant,
    popup_again,
    popup_of_new_waba,
    remove_client,
    retry_all,
    same_call,
    same_email_of_other_tenant,
    second,
    seconds,
    send,
    submit,
    unheard,
    wait,
)

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "life.md"

NONE_NEEDED: Final = "none needed"
CONNECTED: Final = "connected"
ENDED: Final = "ended"
THEIRS: Final = "theirs"


@dataclass(frozen=True)
class Row:
    """One thing that can happen. `given` is what was before, `happens` what is counted and shown.

    `way` says what leads on and `out` does it; `end` is where that has to lead. `second_made`: others made a
    second channel, so that two may live.
    """

    group: str
    name: str
    given: Sequence[Step]
    happens: Sequence[Step]
    way: str = NONE_NEEDED
    out: Sequence[Step] = ()
    end: str = CONNECTED
    second_made: bool = False
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Result:
    """What came of a row: right after it (`then`) and at the end of the way out (`last`)."""

    row: Row
    told: str
    calls: int
    then: Scene
    last: Scene

    @property
    def broken(self) -> list[str]:
        """What the row promised and did not hold."""
        row = self.row
        wrong = [*_doubled(row, self.then, "then"), *_doubled(row, self.last, "at the end")]
        if row.way == NONE_NEEDED and not self.then.well:
            wrong.append(f"not connected and well: {self.then}")
        if not _END[row.end](self.last):
            wrong.append(f"the way out does not lead to {row.end}: {self.last}")
        return wrong


def _doubled(row: Row, scene: Scene, when: str) -> list[str]:
    wrong = [f"two clients of one email, {when}"] if scene.doubled_clients else []
    many = max(scene.channels, default=0)
    shown = row.second_made and Attention.SECOND_CHANNEL in scene.attentions
    if many > 1 and not shown:
        wrong.append(f"{many} living channels of one number, {when}: {scene}")
    return wrong


_END: Final[Mapping[str, Callable[[Scene], bool]]] = {
    CONNECTED: lambda scene: scene.well and scene.owner == TENANT and set(scene.channels) == {1},
    ENDED: lambda scene: set(scene.statuses) == {Status.CANCELLED} and set(scene.channels) == {0},
    THEIRS: lambda scene: scene.well and scene.owner == OTHER_TENANT and set(scene.channels) == {1},
}

BEFORE: Final = (customer(), submit)
"""A number that is connected and well."""
POPUP: Final = "popup again"
RETRY: Final = "retry"

_BACK: Final = "Coming back"
_THERE: Final = "There before"
_WHOSE: Final = "Whose is it"
_DRIFT: Final = "Drift"
_RESTRICTED: Final = "Restrictions"
_NEVER_SAID: Final = "Never said"
_CLIENTS: Final = "Clients"
_ENDING: Final = "Ending"
_OTHERS: Final = "Another tenant"
_PERMISSION: Final = "Permission"
_SILENCE: Final = "Webhooks stop for a day"

MEXICAN: Final = [{"numbers": [{"display_phone_number": "+52 1 55 1234 5678"}]}]

COMING_BACK: Final = (
    Row(_BACK, "second popup while pending", (customer(), send), (popup_again,)),
    Row(
        _BACK,
        "second popup while submitted, and 360dialog has lost the submission",
        (customer(), send, seconds(0.5), hub("remove"), wait(1)),
        (popup_again,),
    ),
    Row(
        _BACK,
        "second popup while created, and 360dialog does not go on",
        (dialog_options(stop_at="created"), customer(), submit),
        (popup_again,),
        "the channel goes live",
        (channel_is(state="live", status="live"), wait(12)),
    ),
    Row(_BACK, "second popup while connected, all well", BEFORE, (popup_again,)),
    Row(_BACK, "second popup while connected, key dead", (*BEFORE, hub("make_key")), (popup_again,)),
    Row(
        _BACK,
        "second popup while connected, webhook elsewhere",
        (*BEFORE, hub("set_webhook", url="https://elsewhere.example.com/")),
        (popup_again,),
    ),
    Row(
        _BACK,
        "second popup while connected, channel ended unheard",
        (*BEFORE, unheard(hub("process_cancellation"))),
        (popup_again,),
    ),
    Row(_BACK, "second popup while connected, channel removed", (*BEFORE, hub("remove")), (popup_again,)),
    Row(
        _BACK,
        "second popup while restricted, forgiven unheard",
        (*BEFORE, at_channel("restrict"), at_channel("forgive", silent=True)),
        (popup_again,),
    ),
    Row(
        _BACK,
        "second popup while restricted, and it still is",
        (*BEFORE, at_channel("restrict")),
        (popup_again,),
        "Meta forgives: event",
        (at_channel("forgive"),),
    ),
    Row(
        _BACK,
        "second popup after a failed submission, cause mended",
        (customer(solution=False), submit, customer_is(solution=True)),
        (popup_again,),
    ),
    Row(
        _BACK,
        "second popup after a failure for want of permission",
        (dialog_options(client_pays=True), customer(), submit, wait(72)),
        (popup_again,),
        "permission granted: event",
        (at_channel("grant-permission"),),
    ),
    Row(
        _BACK,
        "second popup after an end that was asked for and taken back unheard",
        (*BEFORE, hub("request_cancellation"), wait(24), unheard(hub("revoke_cancellation"))),
        (popup_again,),
    ),
    Row(
        _BACK,
        "second popup after the end",
        (*BEFORE, hub("process_cancellation")),
        (popup_again,),
    ),
    Row(
        _BACK,
        "WABA taken from the partner (`bsp_removed`)",
        BEFORE,
        (channel_is(waba_status="bsp_removed"), wait(24)),
        "WABA added again, popup again",
        (channel_is(waba_status="active"), popup_again),
    ),
    Row(
        _BACK,
        "WABA taken from the partner and added again, no popup",
        (*BEFORE, channel_is(waba_status="bsp_removed"), wait(24)),
        (channel_is(waba_status="active"), wait(24)),
    ),
    Row(
        _BACK,
        "second popup after cancel, before 360dialog has processed it",
        (*BEFORE, ask("cancel")),
        (popup_again,),
    ),
    Row(
        _BACK,
        "the same, then the old channel's end is taken back in the Hub",
        (*BEFORE, keep_second, ask("cancel"), popup_again),
        (hub_second("revoke_cancellation"), wait(48)),
        "the old channel is ended in the Hub",
        (hub_second("process_cancellation"), wait(24)),
        second_made=True,
    ),
    Row(
        _BACK,
        "second popup after cancel, and no read shows that it was asked for",
        (dialog_options(cancellation_shows="nothing"), *BEFORE, ask("cancel")),
        (popup_again,),
        "reactivate",
        (ask("reactivate"),),
    ),
    Row(
        _BACK,
        "second popup while connected, number moved to another WABA of the customer",
        BEFORE,
        (popup_of_new_waba,),
    ),
)

THERE_BEFORE: Final = (
    Row(_THERE, "living channel, same client", (customer(), earlier()), (submit,)),
    Row(
        _THERE,
        "living channel, another client of the partner",
        (customer(), earlier(email="before@example.com")),
        (submit,),
    ),
    Row(_THERE, "its `external_id` is missing", (customer(), earlier(external_id="")), (submit,)),
    Row(_THERE, "its `external_id` is wrong", (customer(), earlier(external_id="987654321")), (submit,)),
    Row(
        _THERE,
        "spelled with 00, no `external_id`",
        (customer(), earlier(external_id="", spelling="zeros")),
        (submit,),
    ),
    Row(
        _THERE,
        "spelled with the other double of Mexico, no `external_id`",
        (customer(wabas=MEXICAN), earlier(external_id="", spelling="double")),
        (submit,),
    ),
    Row(
        _THERE,
        "spelled in another script, no `external_id`",
        (customer(), earlier(external_id="", spelling="script")),
        (submit,),
    ),
    Row(
        _THERE,
        "channel list without WABA ids, no `external_id`",
        (dialog_options(hide_external_id_in_list=True), customer(), earlier(external_id="")),
        (submit,),
    ),
    Row(
        _THERE,
        "two living channels",
        (customer(), earlier(), second),
        (submit, wait(24)),
        "the second one is ended in the Hub",
        (hub_second("process_cancellation"), wait(24)),
        second_made=True,
    ),
    Row(
        _THERE,
        "a channel that is not live yet",
        (customer(), earlier(state="running")),
        (submit,),
        "the channel goes live",
        (channel_is(state="live", status="live"), wait(24)),
    ),
    Row(
        _THERE,
        "a channel whose end was asked for",
        (customer(), earlier(), hub("request_cancellation")),
        (submit,),
    ),
    Row(
        _THERE,
        "an ended channel",
        (customer(), earlier(), hub("process_cancellation")),
        (submit,),
    ),
    Row(
        _THERE,
        "living channel that no list shows yet; 360dialog refuses a second submission",
        (
            dialog_options(duplicate_submission="refuse", channel_list_lag_seconds=600),
            customer(),
            earlier(),
        ),
        (submit,),
        RETRY,
        (wait(1), ask("retry")),
    ),
    Row(
        _THERE,
        "client of the WABA under another email",
        (customer(2, only=1), earlier(1, email="before@example.com")),
        (submit,),
    ),
    Row(
        _THERE,
        "living channel among more than 200 at the hub",
        (customer(), foreign(205), earlier()),
        (submit,),
    ),
    Row(
        _THERE,
        "the same, no `external_id`; 360dialog refuses a second submission",
        (
            dialog_options(duplicate_submission="refuse"),
            customer(),
            foreign(205),
            earlier(external_id=""),
        ),
        (submit,),
    ),
)

WHOSE_IS_IT: Final = (
    Row(
        _WHOSE,
        "the WABA's only stray channel shows no phone number, one number has none",
        (customer(), earlier(external_id=""), channel_is(phone_digits="")),
        (submit,),
    ),
    Row(
        _WHOSE,
        "one stray channel shows no phone number, two numbers have none",
        (customer(2), earlier(external_id=""), channel_is(phone_digits="")),
        (submit,),
        "the channel shows its number",
        (channel_shows_number, wait(24)),
    ),
    Row(
        _WHOSE,
        "the same, for more than a week",
        (customer(2), earlier(external_id=""), channel_is(phone_digits="")),
        (submit, wait(9 * 24)),
        "the channel shows its number, retry of both",
        (channel_shows_number, retry_all, wait(24)),
    ),
    Row(
        _WHOSE,
        "a channel has the digits of one and the `external_id` of its sibling",
        (customer(2), earlier(1, phone_number="12015550100")),
        (submit,),
    ),
)

DRIFT: Final = (
    Row(
        _DRIFT,
        "key dead, found by the daily check (`mend_keys = report`)",
        BEFORE,
        (hub("make_key"), wait(24)),
        RETRY,
        (ask("retry"),),
    ),
    Row(
        _DRIFT,
        "key dead, found by the daily check (`mend_keys = mend`)",
        BEFORE,
        (hub("make_key"), wait(24)),
        options=Options(mend_keys=True),
    ),
    Row(
        _DRIFT,
        "webhook elsewhere, found by the daily check (`mend_webhooks = report`)",
        BEFORE,
        (hub("set_webhook", url="https://elsewhere.example.com/"), wait(24)),
        RETRY,
        (ask("retry"),),
        options=Options(mend_webhooks=False),
    ),
    Row(
        _DRIFT,
        "webhook elsewhere, found by the daily check (`mend_webhooks = mend`)",
        BEFORE,
        (hub("set_webhook", url="https://elsewhere.example.com/"), wait(24)),
    ),
    Row(
        _DRIFT,
        "webhook elsewhere twice a day, found by `check`",
        (*BEFORE, hub("set_webhook", url="https://elsewhere.example.com/"), ask("check")),
        (hub("set_webhook", url="https://elsewhere.example.com/"), ask("check")),
        "the next daily checks",
        (wait(48),),
    ),
    Row(
        _DRIFT,
        "channel ended unheard, found by the census",
        BEFORE,
        (unheard(hub("process_cancellation")), wait(24)),
        POPUP,
        (popup_again,),
    ),
    Row(
        _DRIFT,
        "channel removed",
        BEFORE,
        (hub("remove"), wait(72)),
        POPUP,
        (popup_again,),
    ),
    Row(
        _DRIFT,
        "channel removed before it was live",
        (dialog_options(stop_at="created"), customer(), submit, dialog_options(stop_at=None)),
        (hub("remove"), wait(9 * 24)),
        RETRY,
        (ask("retry"), wait(1)),
    ),
    Row(
        _DRIFT,
        "key dead while restricted",
        BEFORE,
        (at_channel("restrict"), hub("make_key"), wait(24)),
        "retry, and Meta forgives: event",
        (ask("retry"), at_channel("forgive")),
    ),
    Row(
        _DRIFT,
        "channel removed, retried",
        (*BEFORE, hub("remove"), wait(72)),
        (ask("retry"),),
    ),
    Row(
        _DRIFT,
        "channel removed, and there again",
        BEFORE,
        (hub("remove"), wait(72), hub("return"), wait(48)),
    ),
    Row(
        _DRIFT,
        "second channel made in the Hub",
        BEFORE,
        (second, wait(24)),
        "the second one is ended in the Hub",
        (hub_second("process_cancellation"), wait(24)),
        second_made=True,
    ),
    Row(
        _DRIFT,
        "second channel made in the Hub, then the first ends",
        (*BEFORE, second, wait(24)),
        (hub("process_cancellation"), wait(24)),
        second_made=True,
    ),
    Row(
        _DRIFT,
        "error on the channel",
        BEFORE,
        (hub("error", error={"code": "E1042", "message": "x"}), wait(24)),
        "360dialog clears it",
        (hub("error", error=None), wait(24)),
    ),
)

RESTRICTIONS: Final = (
    Row(
        _RESTRICTED,
        "restricted, the event names the channel",
        BEFORE,
        (at_channel("restrict"),),
        "Meta forgives: event",
        (at_channel("forgive"),),
    ),
    Row(
        _RESTRICTED,
        "violation, the event names only the phone number",
        BEFORE,
        (at_channel("restrict", event="account_violation", names="phone"),),
        "Meta forgives: event",
        (at_channel("forgive", names="phone"),),
    ),
    Row(
        _RESTRICTED,
        "the event names only the WABA, which has two numbers",
        (customer(2), submit),
        (at_channel("restrict", names="waba"),),
        "Meta forgives: event",
        (at_channel("forgive", names="waba"),),
    ),
    Row(
        _RESTRICTED,
        "with an end",
        BEFORE,
        (at_channel("restrict", seconds=7_200),),
        "the end passes",
        (wait(4),),
    ),
    Row(
        _RESTRICTED,
        "forgiven by event",
        (*BEFORE, at_channel("restrict")),
        (at_channel("forgive"),),
    ),
    Row(
        _RESTRICTED,
        "forgiven unheard, read by the census",
        (*BEFORE, at_channel("restrict"), wait(1)),
        (at_channel("forgive", silent=True), wait(24)),
    ),
    Row(
        _RESTRICTED,
        "restricted unheard, read by the census",
        BEFORE,
        (unheard(at_channel("restrict")), wait(24)),
        "forgiven, read by the census",
        (at_channel("forgive", silent=True), wait(24)),
    ),
)


def _refused(name: str, way: str, *, now: Mapping[str, str], mended: Step) -> Row:
    """A number that Meta lists as unfit, and is fit later: no new popup."""
    return Row(
        _NEVER_SAID,
        name,
        (customer(wabas=[{"numbers": [dict(now)]}]),),
        (submit,),
        f"{way}, same call again",
        (mended, same_call),
    )


NEVER_SAID: Final = (
    _refused(
        "number not verified",
        "verified",
        now={"code_verification_status": "NOT_VERIFIED"},
        mended=meta_says(code_verification_status="VERIFIED"),
    ),
    _refused("number banned", "unbanned", now={"status": "BANNED"}, mended=meta_says(status="CONNECTED")),
    _refused(
        "number deleted", "added again", now={"status": "DELETED"}, mended=meta_says(status="CONNECTED")
    ),
    Row(
        _NEVER_SAID,
        "number moved to another WABA before its submission",
        (customer(wabas=[{"numbers": [{"status": "MIGRATED"}]}]),),
        (submit,),
        "popup with the other WABA",
        (popup_of_new_waba,),
    ),
    Row(
        _NEVER_SAID,
        "verification expired",
        (customer(wabas=[{"numbers": [{"code_verification_status": "EXPIRED"}]}]),),
        (submit,),
        "verified, popup again",
        (meta_says(code_verification_status="VERIFIED"), popup_again),
    ),
    Row(
        _NEVER_SAID,
        "number listed two seconds late",
        (customer(wabas=[{"numbers": [{"listed_after_seconds": 2}]}]),),
        (submit,),
    ),
    Row(
        _NEVER_SAID,
        "number listed a minute late",
        (customer(wabas=[{"numbers": [{"listed_after_seconds": 60}]}]),),
        (submit,),
        "same call again",
        (seconds(60), same_call),
    ),
    Row(
        _NEVER_SAID,
        "popup ended without a number",
        (customer(wabas=[{"numbers": []}], finish="FINISH_ONLY_WABA"),),
        (submit,),
        "number added, same call again",
        (add_number, same_call),
    ),
    Row(
        _NEVER_SAID,
        "Meta has locked the account",
        (customer(waba_error=131031),),
        (submit,),
        "unlocked, same call again",
        (customer_is(waba_error=None), same_call),
    ),
    Row(
        _NEVER_SAID,
        "Meta has blocked the account",
        (customer(waba_error=368),),
        (submit,),
        "appeal granted, same call again",
        (customer_is(waba_error=None), same_call),
    ),
    Row(
        _NEVER_SAID,
        "token of a person in place of the business",
        (customer(token_type="USER"),),
        (submit,),
        "operator mends the login configuration, popup again",
        (customer_is(token_type="SYSTEM_USER"), popup_again),
    ),
    Row(
        _NEVER_SAID,
        "no registration for more than a day",
        (dialog_options(stop_at="created"), customer()),
        (submit, wait(30)),
        "the channel goes live",
        (channel_is(state="live", status="live"), wait(24)),
    ),
    Row(
        _NEVER_SAID,
        "no live channel for more than a week",
        (dialog_options(stop_at="created"), customer()),
        (submit, wait(8 * 24)),
        "the channel goes live, retry",
        (channel_is(state="live", status="live"), ask("retry")),
    ),
)

CLIENTS: Final = (
    Row(
        _CLIENTS,
        "client removed at 360dialog before the submission",
        (known_client, remove_client, customer()),
        (submit,),
    ),
    Row(
        _CLIENTS,
        "client there, email in another case",
        (client_there("Owner@Example.COM"), customer()),
        (submit,),
    ),
    Row(
        _CLIENTS,
        "email of a client of another tenant",
        (known_client, customer()),
        (same_email_of_other_tenant,),
        "popup with another email",
        (other_tenant,),
        THEIRS,
    ),
    Row(
        _CLIENTS,
        "client removed while connected",
        (*BEFORE, remove_client),
        (popup_again, wait(24)),
    ),
)

ENDING: Final = (
    Row(
        _ENDING,
        "cancel, confirmed by reading",
        BEFORE,
        (ask("cancel"),),
        "reactivate",
        (ask("reactivate"),),
    ),
    Row(
        _ENDING,
        "cancel, no read shows it before it is processed",
        (dialog_options(cancellation_shows="nothing"), *BEFORE),
        (ask("cancel"),),
        "360dialog processes it: the end that was wished",
        (hub("process_cancellation"),),
        ENDED,
    ),
    Row(
        _ENDING,
        "the same, processed unheard",
        (dialog_options(cancellation_shows="nothing"), *BEFORE, ask("cancel")),
        (unheard(hub("process_cancellation")), wait(24)),
        POPUP,
        (popup_again,),
    ),
    Row(
        _ENDING,
        "cancel refused",
        (*BEFORE, fault("error_before", r"cancellation_request$", status=400)),
        (ask("cancel"),),
        "cancel again: the end that was wished",
        (ask("cancel"),),
        ENDED,
    ),
    Row(
        _ENDING,
        "cancel before anything was handed in",
        (customer(), send),
        (ask("cancel"),),
        POPUP,
        (popup_again,),
    ),
    Row(
        _ENDING,
        "cancel after a failed submission",
        (customer(solution=False), submit, customer_is(solution=True)),
        (ask("cancel"),),
        POPUP,
        (popup_again,),
    ),
    Row(
        _ENDING,
        "cancel after a failure for want of permission",
        (dialog_options(client_pays=True), customer(), submit, wait(72)),
        (ask("cancel"),),
        "reactivate, permission granted: event",
        (ask("reactivate"), at_channel("grant-permission")),
    ),
    Row(
        _ENDING,
        "cancel while restricted",
        (*BEFORE, at_channel("restrict")),
        (ask("cancel"),),
        "reactivate, Meta forgives: event",
        (ask("reactivate"), at_channel("forgive")),
    ),
    Row(
        _ENDING,
        "cancel of a number that 360dialog has removed",
        (*BEFORE, hub("remove")),
        (ask("cancel"),),
        "the end that was wished",
        end=ENDED,
    ),
    Row(
        _ENDING,
        "cancel while on its way",
        (dialog_options(stop_at="created"), customer(), submit),
        (ask("cancel"),),
        "reactivate, and 360dialog goes on",
        (ask("reactivate"), channel_is(state="live", status="live"), wait(24)),
    ),
    Row(
        _ENDING,
        "cancel, no read shows it, taken back in the Hub",
        (dialog_options(cancellation_shows="nothing"), *BEFORE, ask("cancel")),
        (hub("revoke_cancellation"),),
    ),
    *(
        Row(
            _ENDING,
            f"reactivate, 360dialog takes only {word}",
            (dialog_options(reactivate_by=way), *BEFORE, ask("cancel")),
            (ask("reactivate"),),
        )
        for way, word in (("enabled_false", "`enabled: false`"), ("reactivate", "`/reactivate`"))
    ),
    Row(
        _ENDING,
        "reactivate refused: the end has come",
        (*BEFORE, ask("cancel"), hub("process_cancellation")),
        (ask("reactivate"),),
        POPUP,
        (popup_again,),
    ),
    Row(
        _ENDING,
        "end asked for in the Hub",
        BEFORE,
        (hub("request_cancellation"), wait(24)),
        "reactivate",
        (ask("reactivate"),),
    ),
    Row(
        _ENDING,
        "end asked for in the Hub, and taken back there",
        BEFORE,
        (hub("request_cancellation"), wait(24), hub("revoke_cancellation"), wait(24)),
    ),
    Row(
        _ENDING,
        "the same, all webhooks lost",
        BEFORE,
        (unheard(hub("request_cancellation"), wait(24), hub("revoke_cancellation")), wait(48)),
    ),
)

OTHERS: Final = (
    Row(
        _OTHERS,
        "proves a number whose submission failed",
        (customer(solution=False), submit, customer_is(solution=True)),
        (other_tenant,),
        end=THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number that has ended",
        (*BEFORE, hub("process_cancellation")),
        (other_tenant,),
        end=THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number whose end was asked for",
        (*BEFORE, ask("cancel")),
        (other_tenant,),
        end=THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number whose end no read shows yet",
        (dialog_options(cancellation_shows="nothing"), *BEFORE, ask("cancel")),
        (other_tenant,),
        "360dialog processes it, same call again",
        (hub("process_cancellation"), same_call),
        THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number that failed for want of permission",
        (dialog_options(client_pays=True), customer(), submit, wait(72)),
        (other_tenant,),
        "permission granted, its owner cancels, same call again",
        (dialog_options(client_pays=False), ask("cancel"), same_call),
        THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number that is connected",
        BEFORE,
        (other_tenant,),
        "its owner cancels, same call again",
        (ask("cancel"), hub("process_cancellation"), same_call),
        THEIRS,
    ),
    Row(
        _OTHERS,
        "proves a number that its customer has moved to another WABA",
        (*BEFORE, move_number),
        (other_tenant,),
        end=THEIRS,
    ),
)

PERMISSION: Final = (
    Row(
        _PERMISSION,
        "given before the key is tried",
        (dialog_options(client_pays=True, stop_at="running"), customer(), submit),
        (at_channel("grant-permission"), channel_is(state="live", status="live"), wait(24)),
    ),
    Row(
        _PERMISSION,
        "given while the key is tried",
        (dialog_options(client_pays=True, permission_after_seconds=600), customer()),
        (submit,),
    ),
    Row(
        _PERMISSION,
        "missing for more than a day",
        (dialog_options(client_pays=True), customer()),
        (submit, wait(30)),
        "permission granted: event",
        (at_channel("grant-permission"),),
    ),
    Row(
        _PERMISSION,
        "given after it failed, unheard",
        (dialog_options(client_pays=True), customer(), submit, wait(72)),
        (unheard(at_channel("grant-permission")),),
        RETRY,
        (ask("retry"),),
    ),
    Row(
        _PERMISSION,
        "given again when connected",
        BEFORE,
        (at_channel("grant-permission"),),
    ),
    Row(
        _PERMISSION,
        "given again when connected, key dead",
        (*BEFORE, hub("make_key")),
        (at_channel("grant-permission"),),
    ),
)

SILENCE: Final = (
    Row(_SILENCE, "during onboarding", (customer(),), (unheard(submit, wait(24)),)),
    Row(
        _SILENCE,
        "in which a restriction begins and ends",
        BEFORE,
        (unheard(at_channel("restrict"), wait(24), at_channel("forgive")), wait(24)),
    ),
    Row(
        _SILENCE,
        "in which the channel ends",
        BEFORE,
        (unheard(hub("process_cancellation"), wait(24)),),
        POPUP,
        (popup_again,),
    ),
)

ROWS: Final = (
    *COMING_BACK,
    *THERE_BEFORE,
    *WHOSE_IS_IT,
    *DRIFT,
    *RESTRICTIONS,
    *NEVER_SAID,
    *CLIENTS,
    *ENDING,
    *OTHERS,
    *PERMISSION,
    *SILENCE,
)


def run(row: Row) -> Result:
    """Play one row: what was before, what happens, and the way out."""
    with Stage(row.options) as stage:
        for step in row.given:
            step(stage)
        stage.mark()
        for step in row.happens:
            step(stage)
        told, calls, then = stage.told(), stage.calls(), stage.scene()
        for step in row.out:
            step(stage)
        return Result(row, told, calls, then, stage.scene() if row.out else then)


_HEAD: Final = """# A number's life

Made by `make life` from the same runs that the tests check: one customer through the whole product, in one
process, between the simulators, and one thing that happens. Time is simulated and seeds are fixed. Each way
out was taken in the run, and led to a connected number with its own living key and webhook unless it says
otherwise.

- *sees*: status, with what covers it or asks for a person, and the code of a refused call;
- *told*: the facts of the timeline that it brought, without those of the way to `connected`;
- *channels*, *clients*, *key*, *webhook*: at 360dialog afterwards: living channels of the number in its WABA
  (`1 + 1`: of two numbers), clients of the WABA, the stored key, where the channel's messages go;
- *calls*: to the Partner API, without the pages of the daily census, which all numbers share.
"""
_COLUMNS: Final = (
    *("what happened", "sees", "told", "channels", "clients", "key", "webhook", "calls", "way out"),
)
_WORDS: Final = {CONNECTED: "", ENDED: " → cancelled", THEIRS: " → connected for the other tenant"}


def render(results: Sequence[Result]) -> str:
    """The document."""
    lines = _HEAD.splitlines()
    group = ""
    for result in results:
        if result.row.group != group:
            group = result.row.group
            lines += ["", f"## {group}", "", _line(_COLUMNS), "|" + "---|" * len(_COLUMNS)]
        row, then = result.row, result.then
        way = row.way + _WORDS[row.end] + (" **(does not hold yet)**" if result.broken else "")
        lines.append(_line((row.name, then.seen, result.told, *then.there, str(result.calls), way)))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    DOCUMENT.write_text(render(played("life", ROWS, run)), encoding="utf-8")
