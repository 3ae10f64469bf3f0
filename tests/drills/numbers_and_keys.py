"""Troubles with numbers and their channels, with keys, and with what the secret holds."""

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx

from harness.waiting import eventually
from local import deploy
from local.journey import read_channel_key
from tests.drills.stage import Drill
from tests.drills.steps import (
    CANCEL,
    ROTATE,
    ROTATED,
    attention,
    census,
    comes_as,
    connect,
    is_checked,
    is_in,
    is_well,
    no_recent_census,
    nothing,
    popup_again,
    webhooks_come_again,
    well,
)
from tests.drills.trouble import Counted, Trouble, Type

FAILED: Final = "A number that failed"
DEAD: Final = "Connected, but its key is dead"


# --- what stands in the secret --------------------------------------------------------------------------


def secret_emptied(drill: Drill) -> None:
    """Somebody has put `{}` in. Functions remember what they have read for five minutes: the receiver looks
    sooner, when a signature is wrong."""
    deploy.put_secret(drill.run.aws, drill.run.secret_id, {})

    def is_read() -> bool:
        sent = drill.dialog.post_event(event="channel_live", data={}, signature="wrong")
        return bool(sent["status"] == HTTPStatus.SERVICE_UNAVAILABLE)

    eventually(is_read, "the receiver has read the secret")


def partner_key_mistyped(drill: Drill) -> None:
    """The worker remembers the good key for five minutes: one refusal makes it look sooner."""
    wrong = drill.stage.keys.as_secret() | {"partner_api_key": secrets.token_hex(24)}
    deploy.put_secret(drill.run.aws, drill.run.secret_id, wrong)
    drill.dialog.call("POST", "faults", {"kind": "error_before", "status": 401, "times": 1})


# --- the envelope key -----------------------------------------------------------------------------------


def enable_envelope_key(drill: Drill) -> None:
    drill.run.aws.kms.enable_key(KeyId=drill.run.deployed.outputs["EnvelopeKeyArn"])


def envelope_key_disabled(drill: Drill) -> None:
    drill.run.aws.kms.disable_key(KeyId=drill.run.deployed.outputs["EnvelopeKeyArn"])
    drill.exits.callback(enable_envelope_key, drill)


def nobody_is_served(drill: Drill) -> None:
    """Servers cannot fetch their key, and a customer's token cannot be stored: all are told to try again."""
    for _ in range(4):
        channel_id = drill.own["channel_id"]
        is_unavailable(read_channel_key(drill.run.api_url, channel_id, drill.run.aws, http=drill.run.http))
    drill.open()
    is_unavailable(drill.send_code())


def is_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    assert answer.json()["code"] == "unavailable"


# --- a channel's key ------------------------------------------------------------------------------------


def another_key_in_the_hub(drill: Drill) -> None:
    drill.dialog.call("POST", f"channels/{drill.own['channel_id']}/hub", {"action": "make_key"})


# --- the solution ---------------------------------------------------------------------------------------


def solution_is_not_active(drill: Drill) -> None:
    drill.stage.meta("PATCH", "options", {"solution_status": "DEACTIVATED"})


def submits_outside_of_it(drill: Drill) -> None:
    """A popup that does not share the account under the solution."""
    drill.own["business_id"] = business_id()
    drill.submit(business_id=drill.own["business_id"], solution=False)


def business_id() -> str:
    """One that no other drill has."""
    return f"99{secrets.randbelow(10**13):013d}"


def active_again(drill: Drill) -> bool:
    """Both sides have accepted the solution, and the account is shared under it."""
    drill.stage.meta("PATCH", "options", {"solution_status": "ACTIVE"})
    drill.stage.meta("PATCH", f"customers/{drill.own['business_id']}", {"solution": True})
    return True


# --- a second channel -----------------------------------------------------------------------------------


def second_channel(drill: Drill) -> None:
    no_recent_census(drill)
    kept = drill.own["channel_id"]
    made = drill.dialog.call("POST", f"channels/{kept}/second", {})
    drill.memory["kept"] = kept
    drill.own["channel_id"] = made["id"]


def second_has_ended(drill: Drill) -> None:
    """360dialog ends what was cancelled; the next check sees it."""
    second = drill.own["channel_id"]
    assert drill.dialog.channel(second)["cancellation_requested_at"]
    drill.dialog.call("POST", f"channels/{second}/hub", {"action": "process_cancellation"})
    drill.is_connected()
    assert drill.own["channel_id"] == drill.memory["kept"]
    eventually(lambda: is_well(drill), "the second channel is forgotten")


# --- another owner --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """What a customer's page is answered: the first to see it is the customer."""

    code: str

    @property
    def told(self) -> str:
        return f"a customer: `{self.code}`"

    def appears(self, drill: Drill) -> None:
        answer = submits_again(drill)
        assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, self.code)

    def ends(self, drill: Drill) -> None:
        """Once it is connected, nobody asks again."""


def submits_again(drill: Drill) -> httpx.Response:
    path = f"/v1/signups/{drill.own['signup_id']}/numbers"
    return drill.tenant.front_end.call("POST", path, body={})


def agency_connects_it(drill: Drill) -> None:
    """An agency that nobody reaches any more has connected its customer's number."""
    drill.own["business_id"] = business_id()
    drill.connect(business_id=drill.own["business_id"])


def customer_comes_alone(drill: Drill) -> None:
    """The customer proves the number as another tenant."""
    drill.memory["agency"] = drill.tenant
    comes_as(drill, f"{drill.tenant.name}-alone")
    signup_id, shared = drill.open(), drill.tenant.popup_again(drill.own["business_id"])
    drill.tenant.front_end.send_code(signup_id, shared["code"], shared["session_info"])


def agency_has_ended(drill: Drill) -> None:
    """360dialog ends the channel, the record says so, and the customer's submission is taken."""
    agency, former = drill.memory["agency"].front_end, drill.own["channel_id"]
    drill.dialog.call("POST", f"channels/{former}/hub", {"action": "process_cancellation"})
    eventually(
        lambda: agency.read_number(drill.own["phone_number_id"])["status"] == "cancelled", "it is cancelled"
    )
    assert submits_again(drill).status_code == HTTPStatus.ACCEPTED
    drill.is_connected()
    assert drill.own["channel_id"] != former


TROUBLES: Final[tuple[Trouble, ...]] = (
    Trouble(
        name="secret emptied",
        broken=secret_emptied,
        sign=Counted("WebhooksRefused", "webhooks-refused"),
        typed=(
            Type(
                section="webhooks-refused",
                command='onramp logs webhook_receiver --since 1h --where message="webhook refused" '
                "--by reason",
                shows="platform_secrets",
            ),
            Type(
                section="services-unavailable",
                command="onramp doctor --only secret table",
                status=1,
            ),
            Type(section=ROTATE, command="onramp secret undo"),
            ROTATED,
        ),
        healed=webhooks_come_again,
        ends="the number is connected, and what was refused has been sent again and taken",
    ),
    Trouble(
        name="partner key mistyped",
        broken=partner_key_mistyped,
        meanwhile=connect,
        sign=Counted("PartnerConfigurationErrors", "partner-configuration"),
        typed=(
            Type(
                section="partner-configuration",
                command="onramp doctor --only partner-key partner-webhook hubs",
                status=1,
                shows="refuses the key",
            ),
            Type(section=ROTATE, command="onramp secret undo"),
            ROTATED,
        ),
        ends="the number is connected all the while, with the key before it",
    ),
    Trouble(
        name="envelope key disabled",
        before=connect,
        broken=envelope_key_disabled,
        meanwhile=nobody_is_served,
        sign=Counted("ServicesUnavailable", "services-unavailable", times=5),
        typed=(
            Type(
                section="services-unavailable",
                command='onramp logs --since 1h --where message="a service does not answer" '
                "--by of,unavailable",
                shows="unavailable=keys",
            ),
            Type(section="key-in-danger", command="onramp encryption show", status=1, shows="Disabled"),
            Type(
                section="key-in-danger",
                command="onramp encryption enable",
                shows="enabled: envelope",
            ),
        ),
        healed=popup_again,
        ends="the customer goes through the popup again, on the same signup, and the number is connected",
    ),
    Trouble(
        name="second key made in the Hub",
        before=connect,
        broken=another_key_in_the_hub,
        meanwhile=is_checked,
        sign=Counted("NumbersAttention", "numbers-attention"),
        typed=(
            attention("key_dead"),
            Type(
                section=DEAD,
                command="onramp doctor --only channel-keys --number 106540352242922",
                status=1,
                shows="is dead",
            ),
            Type(section=DEAD, command="onramp numbers show 106540352242922", shows="key_dead"),
            Type(
                section=DEAD,
                command="onramp wake number 106540352242922 --retry",
                until=is_well,
            ),
            Type(section=DEAD, command="onramp doctor --only channel-keys --number 106540352242922"),
        ),
        healed=well,
        ends="the number is connected with a new key",
    ),
    Trouble(
        name="solution not active",
        broken=solution_is_not_active,
        meanwhile=submits_outside_of_it,
        sign=Counted("NumbersFailed", "numbers-failed"),
        typed=(
            Type(
                section="numbers-failed",
                command='onramp logs onboarding_worker --since 2h --where message="refused for good" '
                "--by number,step,code,status,reference",
                shows="submission_rejected",
            ),
            Type(
                section="numbers-failed",
                command="onramp logs onboarding_worker --since 2h --where metric=NumbersFailed --by code",
                shows="submission_rejected",
            ),
            Type(
                section=FAILED,
                command="onramp doctor --only solution",
                status=1,
                shows="DEACTIVATED, not ACTIVE",
            ),
            Type(section=FAILED, command="onramp doctor --only solution", when=active_again),
            Type(
                section=FAILED,
                command="onramp wake number 106540352242922 --retry",
                until=is_in("connected"),
            ),
        ),
    ),
    Trouble(
        name="second channel of a number",
        before=connect,
        broken=second_channel,
        meanwhile=census,
        sign=Counted("NumbersAttention", "numbers-attention"),
        typed=(
            attention("second_channel"),
            Type(
                section="numbers-attention",
                command="onramp numbers show 106540352242922",
                shows="second_channel",
            ),
            CANCEL,
        ),
        healed=second_has_ended,
        ends="the number is connected by the channel that was kept, and the other one has ended",
    ),
    Trouble(
        name="number that belongs to somebody else",
        before=agency_connects_it,
        broken=customer_comes_alone,
        meanwhile=nothing,
        sign=Answered("number_taken"),
        typed=(
            Type(
                section="A number that belongs to somebody else",
                command="onramp numbers show 106540352242922",
                shows="tenant",
            ),
            CANCEL,
        ),
        healed=agency_has_ended,
        ends="the former owner's channel has ended, and the number is connected for the one who proved it",
    ),
)
