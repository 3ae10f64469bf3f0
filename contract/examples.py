"""Examples of answers, made by a sample signup that walks through the domain, and of problems."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from contract.samples import AT, CHANNEL_ID, CLIENT_ID, PHONE_NUMBER_ID, TENANT, WABA_ID
from onramp.domain import number as life
from onramp.domain.errors import PROBLEMS, Problem
from onramp.domain.facts import FactType
from onramp.domain.launch import STANDARD, Flow, launch_of
from onramp.domain.link import Link
from onramp.domain.number import ChannelKey, Number, WabaOf, Wish
from onramp.domain.records import Fact
from onramp.domain.signup import Client, ListedNumber, Signup, Waba
from onramp.domain.states import Progress, Step
from onramp.inbound.models import (
    CURSOR,
    LINK_ID,
    SIGNUP_ID,
    ConfigAnswer,
    KeyAnswer,
    LinkedSignupView,
    LinkList,
    LinkView,
    MadeLinkView,
    NumberList,
    NumberView,
    PageView,
    SignupList,
    SignupSummary,
    SignupView,
)
from onramp.inbound.problems import content_of
from onramp.usecases.links import MadeLink
from onramp.usecases.read import Whole

type Json = dict[str, Any]

ADDRESS: Final = "https://waba-v2.360dialog.io"
REQUEST_ID: Final = "sample00EAMFiA="
_FLOW: Final = Flow("9876543210", {"setup": {"solutionID": "123456789012345"}})
_LISTED: Final = (
    ListedNumber(
        phone_number_id=PHONE_NUMBER_ID,
        display_phone_number="+1 555-010-0123",
        verified_name="Example Bakery",
        verification="VERIFIED",
    ),
    ListedNumber(
        phone_number_id="106540352242923",
        display_phone_number="+1 555-010-0124",
        verified_name="Example Café",
        verification="NOT_VERIFIED",
    ),
)


class _Sample:
    """One signup, and the time at which it stands."""

    def __init__(self) -> None:
        self.now = AT
        self.facts: list[Fact] = []
        self.listed: Sequence[ListedNumber] = ()
        self.signup = Signup.open(
            signup_id=SIGNUP_ID,
            tenant=TENANT,
            client=Client(name="Example Bakery", email="owner@bakery.example.com", user_name="Alex Example"),
            plan_tier="regular",
            reference="customer-4711",
            now=AT,
        )
        self.number = Number(
            phone_number_id=PHONE_NUMBER_ID,
            tenant=TENANT,
            signup_id=SIGNUP_ID,
            waba=WabaOf(id=WABA_ID),
            display_phone_number=_LISTED[0].display_phone_number,
            verified_name=_LISTED[0].verified_name,
            verification=_LISTED[0].verification,
            created_at=AT + timedelta(seconds=22),
        )

    def after(self, seconds: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def authorize(self) -> None:
        """Meta has proved the WABA."""
        now = self.after(20)
        self.signup.waba = Waba(
            id=WABA_ID, name="Example Bakery", business_id="2729063490586005", proof="granted_ids"
        )
        self.listed = _LISTED
        self.signup.tell(FactType.SIGNUP_AUTHORIZED, now, waba_id=WABA_ID, proof="granted_ids")

    def submit(self) -> None:
        """The number is pending."""
        now = self.after(2)
        life.submit(self.number, now)
        self.signup.gain(PHONE_NUMBER_ID, self.number.standing, now)

    def connect(self) -> None:
        """The number goes through all states."""
        number = self.number
        number.client_id, number.channel_id = CLIENT_ID, CHANNEL_ID
        before = number.standing
        for progress in list(Progress)[1:-1]:
            life.advance(number, progress, self.after(3))
        number.key = ChannelKey(secret="", address=ADDRESS, made_at=self.now)
        life.connected(number, 0, self.after(3))
        number.due_at = None
        self.signup.count(before, number.standing, self.now)

    @property
    def whole(self) -> Whole:
        """What a reader is given."""
        for record in (self.signup, self.number):
            self.facts += record.told
            record.told.clear()
        numbers = {PHONE_NUMBER_ID: self.number} if self.signup.submitted else {}
        open_ = self.signup.waba is None
        launch = launch_of({STANDARD: _FLOW}, self.signup.flow, self.signup.prefill) if open_ else None
        return Whole(self.signup, self.listed, numbers, self.facts, launch)

    @property
    def shown(self) -> SignupView:
        """What a reader sees."""
        return SignupView.of(self.whole, self.now)

    @property
    def shown_by_link(self) -> LinkedSignupView:
        """What its customer sees, who has come by a link."""
        return LinkedSignupView.behind(self.whole, _link(), self.now)

    @property
    def number_shown(self) -> NumberView:
        """What a reader sees of its number."""
        return NumberView.of(self.number, self.now)


def answers() -> dict[str, Json]:
    """The examples of good answers, by the names that `contract.operations` uses."""
    sample = _Sample()
    shown = {"opened": sample.shown}
    linked = {}
    sample.authorize()
    shown["authorized"] = sample.shown
    linked["linked_authorized"] = sample.shown_by_link
    sample.submit()
    shown["onboarding"] = sample.shown
    linked["linked_onboarding"] = sample.shown_by_link
    pending = sample.number_shown
    sample.connect()
    shown["connected"] = sample.shown
    linked["linked_connected"] = sample.shown_by_link
    number = sample.number_shown
    made = {
        **shown,
        **linked,
        **_links(),
        "signups": SignupList(signups=[SignupSummary.of(sample.whole, sample.now)], cursor=CURSOR),
        "pending_number": pending,
        "failed_number": _failed(),
        **{f"{word}_number": _wished(action) for word, action in _WISHED.items()},
        "number": number,
        "numbers": NumberList(numbers=[number], cursor=None),
        "config": ConfigAnswer(
            app_id="1234567890",
            config_id="9876543210",
            graph_version="v26.0",
            extras=dict(_FLOW.extras),
            sdk_url="https://connect.facebook.net/en_US/sdk.js",
            dialog_url="https://www.facebook.com/v26.0/dialog/oauth",
            redirect_uris=["https://app.example.com/connect"],
            flows=[STANDARD, "coexistence"],
            page=PageView(
                name="Example Partner",
                logo_url="https://www.example.com/logo.svg",
                accent="#0b7a4b",
                accent_dark="#5fd39b",
                support_url="mailto:help@example.com",
            ),
        ),
        "key": KeyAnswer(channel_id=CHANNEL_ID, address=ADDRESS, api_key="the-key"),
    }
    return {name: model.model_dump(mode="json") for name, model in made.items()} | {"empty": {}}


def _link() -> Link:
    return Link(
        id=LINK_ID,
        tenant=TENANT,
        signup_id=SIGNUP_ID,
        reference="customer-4711",
        language="en",
        success_url="https://app.example.com/done?plan=2",
        failure_url="https://app.example.com/failed",
        created_at=AT,
        expires_at=AT + timedelta(days=7),
    )


def _links() -> dict[str, LinkView | LinkList]:
    taken_back = _link()
    taken_back.revoke(AT + timedelta(hours=1))
    made = MadeLink(_link(), f"{LINK_ID}.c2FtcGxlLXNlY3JldC10aGF0LW9wZW5zLW5vdGhpbmc")
    return {
        "made_link": MadeLinkView.at(made, "https://api.example.com/signup", AT),
        "revoked_link": LinkView.of(taken_back, AT + timedelta(hours=1)),
        "links": LinkList(links=[LinkView.of(_link(), AT)], cursor=CURSOR),
    }


def _failed() -> NumberView:
    sample = _Sample()
    sample.authorize()
    sample.submit()
    life.fail(sample.number, "submission_rejected", Step.SUBMIT, sample.after(5), 400)
    return sample.number_shown


_WISHED: Final = {"cancelling": Step.CANCEL, "reactivating": Step.REACTIVATE}


def _wished(action: Step) -> NumberView:
    sample = _Sample()
    sample.authorize()
    sample.submit()
    sample.connect()
    if action is Step.REACTIVATE:
        sample.number.ending_at = sample.after(3_600)
    sample.number.wish = Wish(action=action, at=sample.after(60))
    return sample.number_shown


def problem(code: str) -> Json:
    """An answer with a problem; the real `detail` says more."""
    return content_of(Problem(code, f"{PROBLEMS[code].title}.", **_MORE.get(code, {})), REQUEST_ID)


_MORE: Final[Mapping[str, Json]] = {
    "invalid_request": {"errors": [{"field": "client.email", "message": "is required"}]},
    "number_not_in_waba": {
        "errors": [{"field": "phone_number_ids.0", "message": "is not a number of the WABA"}]
    },
    "waba_ambiguous": {
        "candidates": [
            {"waba_id": WABA_ID, "name": "Example Bakery"},
            {"waba_id": "102290129340399", "name": "Example Café"},
        ]
    },
    "number_ambiguous": {
        "candidates": [
            {
                "phone_number_id": number.phone_number_id,
                "display_phone_number": number.display_phone_number,
            }
            for number in _LISTED
        ]
    },
    "number_taken": {"phone_number_id": PHONE_NUMBER_ID},
    **{
        code: {"refresh_url": f"https://app.example.com/new-link?link={LINK_ID}&reference=customer-4711"}
        for code in ("link_expired", "link_revoked", "link_used")
    },
    "exchange_in_progress": {"retry_after": 2},
}
