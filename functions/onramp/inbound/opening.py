"""What opens a signup or a link to one, and what its customer's browser brings.

Apart from `onramp.inbound.models`, for only one function takes these, and the others start without.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final, NamedTuple, Self

from pydantic import AfterValidator, Discriminator, Field, JsonValue, StringConstraints, Tag, model_validator

from onramp.domain.launch import STANDARD
from onramp.domain.link import LONGEST
from onramp.domain.outcome import OutcomeType, PopupOutcome, cleaned
from onramp.domain.records import HUB
from onramp.inbound.models import Body, Language, Line, MetaId, OutcomeWord, ReturnUrl, Tier, about, word_of

SESSION_INFO_LENGTH: Final = 16_384
"""Characters of a session info as JSON; Meta's have a few hundred."""
SESSION_INFO_DEPTH: Final = 20
"""Levels of nesting: what is stored must be readable again, and pydantic reads less deep than it writes."""
_PLAIN: Final = r'[^\s\x00-\x1f\x7f@<>",;:]'


def _limited(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(value)) > SESSION_INFO_LENGTH:
        raise ValueError(f"must have at most {SESSION_INFO_LENGTH} characters")
    level: list[JsonValue] = [value]
    for _ in range(SESSION_INFO_DEPTH):
        level = [inner for outer in level for inner in _members(outer)]
    if level:
        raise ValueError(f"must have at most {SESSION_INFO_DEPTH} levels")
    return value


def _members(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


Email = Annotated[str, StringConstraints(max_length=254, pattern=rf"^{_PLAIN}{{1,64}}@{_PLAIN}+\.{_PLAIN}+$")]
ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]
Short = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Description = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
DialCode = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}$")]
LocalNumber = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9 .\-]{1,28}[0-9]$")]
Website = Annotated[
    str, StringConstraints(max_length=255, pattern=r"^https?://[A-Za-z0-9._~:\/?#@!$&'*+,;=%\-]+$")
]
Category = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,39}$")]
PrefillIds = Annotated[list[MetaId], Field(min_length=1, max_length=20)]
FlowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]{0,39}$")]
HubName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9\-]{0,30}$")]
WebhookName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]{0,39}$")]
Word = Annotated[str, StringConstraints(max_length=200)]
Days = Annotated[int, Field(ge=1, le=LONGEST.days)]
SessionInfo = Annotated[dict[str, JsonValue], AfterValidator(_limited)]


class NewClient(Body):
    """A customer that 360dialog may not know yet; it is looked up by its email first."""

    name: Annotated[Line, about("The customer's company, as 360dialog shall show it.", "Example Ltd")]
    email: Annotated[Email, about("The customer's email; one client for each.", "owner@example.com")]
    user_name: Annotated[Line, about("The person behind the email.", "Ada Example")]


class KnownClient(Body):
    """A customer by 360dialog's client id, which is asked for at 360dialog before its first use."""

    client_id: Annotated[ClientId, about("360dialog's id of the client.", "abc123CL")]
    email: Annotated[
        Email | None, about("If given, it must be the client's own at 360dialog.", "owner@example.com")
    ] = None


def _form(value: object) -> str:
    """Which form a client is given in, so that a mistake is told about that form alone."""
    known = isinstance(value, KnownClient) or (isinstance(value, dict) and "client_id" in value)
    return "KnownClient" if known else "NewClient"


AnyClient = Annotated[
    Annotated[NewClient, Tag("NewClient")] | Annotated[KnownClient, Tag("KnownClient")], Discriminator(_form)
]


class Way(NamedTuple):
    """One of the ways in which a request can be made: the field it needs, those it must not have."""

    about: str
    needs: str
    without: tuple[str, ...]


class PrefillAddress(Body):
    """Where the business is."""

    street_address1: Annotated[Line | None, about("Street and number.", "1 Example Street")] = None
    street_address2: Annotated[Line | None, about("What comes behind them.", "2nd floor")] = None
    city: Annotated[Line | None, about("The city.", "Berlin")] = None
    state: Annotated[Line | None, about("The state or province.", "Berlin")] = None
    zip_postal: Annotated[Short | None, about("The postal code.", "10115")] = None
    country: Annotated[Country | None, about("Two letters of ISO 3166.", "DE")] = None


class PrefillPhone(Body):
    """A phone number in two parts."""

    code: Annotated[DialCode, about("The country's code, digits only.", "49")]
    number: Annotated[LocalNumber, about("The rest of the number.", "30 5550100")]


class PrefillBusiness(Body):
    """The business portfolio, as the customer would type it."""

    name: Annotated[Line | None, about("Its legal name.", "Example Ltd")] = None
    email: Annotated[Email | None, about("Its email.", "owner@example.com")] = None
    phone: Annotated[PrefillPhone | None, about("Its phone, not the one for WhatsApp.")] = None
    website: Annotated[Website | None, about("Its website.", "https://www.example.com")] = None
    address: Annotated[PrefillAddress | None, about("Its address.")] = None
    timezone: Annotated[Short | None, about("Its time zone.", "UTC+01:00")] = None


class PrefillProfile(Body):
    """The WhatsApp profile of the number."""

    display_name: Annotated[Line | None, about("The name that people shall see.", "Example Bakery")] = None
    category: Annotated[Category | None, about("Meta's word for the line of business.", "FOOD")] = None
    description: Annotated[Description | None, about("What people read of it.", "Bread and cakes")] = None


class Prefill(Body):
    """What is known of this customer: Meta's popup shows it instead of asking. All of it is optional."""

    business: Annotated[PrefillBusiness | None, about("The business.")] = None
    phone: Annotated[PrefillProfile | None, about("The number's profile.")] = None
    pre_verified_phone_ids: Annotated[
        PrefillIds | None, about("Meta's ids of numbers that you have verified.", ["106540352242922"])
    ] = None
    waba_ids: Annotated[
        PrefillIds | None, about("Meta's ids of WABAs to choose from.", ["102290129340398"])
    ] = None

    def stored(self) -> dict[str, JsonValue] | None:
        """What was given, without what was left out; None for nothing."""
        return self.model_dump(exclude_none=True) or None


class OpenSignupBody(Body):
    """The customer by its data or by its client id, exactly one of them."""

    WAYS: ClassVar[Mapping[str, Way]] = {
        "OpenSignupForClient": Way("The customer in either form.", "client", ("client_id",)),
        "OpenSignupForClientId": Way("The customer by 360dialog's client id.", "client_id", ("client",)),
    }

    client: Annotated[AnyClient | None, about("The customer.")] = None
    client_id: Annotated[ClientId | None, about("Short for client.client_id.", "abc123CL")] = None
    plan_tier: Annotated[
        Tier | None, about("The price plan of the numbers; the stage has a default.", "regular")
    ] = None
    reference: Annotated[Line | None, about("Yours; it comes back in answers and events.", "order-17")] = None
    # No default in words of the contract: generated clients would ask every caller for it.
    flow: Annotated[
        FlowName | None,
        about(f"One of the flows of `GET /v1/config`; `{STANDARD}` when none is given.", STANDARD),
    ] = None
    prefill: Annotated[Prefill | None, about("What the popup need not ask.")] = None
    hub: Annotated[HubName | None, about(f"The hub it goes to; `{HUB}` when none is given.", HUB)] = None
    messaging: Annotated[
        WebhookName | None,
        about("One of the stage's messaging webhooks, where the numbers' messages shall go.", "crm"),
    ] = None

    @model_validator(mode="after")
    def _one_client(self) -> Self:
        if (self.client is None) == (self.client_id is None):
            raise ValueError("give either client or client_id")
        return self


class MakeLinkBody(OpenSignupBody):
    """The signup that the link leads to, as `POST /v1/signups` takes it, and what the link itself is like."""

    WAYS: ClassVar[Mapping[str, Way]] = {
        "MakeLinkForClient": Way("The customer in either form.", "client", ("client_id",)),
        "MakeLinkForClientId": Way("The customer by 360dialog's client id.", "client_id", ("client",)),
    }

    language: Annotated[
        Language | None, about("Of the page behind it; without one, the browser's decides.", "en")
    ] = None
    success_url: Annotated[
        ReturnUrl | None,
        about("Where the customer goes back to when it went well.", "https://app.example.com/done?plan=2"),
    ] = None
    failure_url: Annotated[ReturnUrl | None, about("Where else.", "https://app.example.com/failed")] = None
    expires_in_days: Annotated[Days | None, about("How long it lives; the stage has a default.", 7)] = None


class CodeBody(Body):
    """The popup's code, or the answer to `waba_ambiguous`; exactly one of them."""

    WAYS: ClassVar[Mapping[str, Way]] = {
        "ExchangedCode": Way("The code of the popup, as soon as it is there.", "code", ("waba_id",)),
        "ChosenWaba": Way(
            "The answer to `waba_ambiguous`.", "waba_id", ("code", "session_info", "redirect_uri")
        ),
    }

    code: Annotated[Code | None, about("The code of FB.login, unchanged.", "AQBsampleCodeFromThePopup")] = (
        None
    )
    session_info: Annotated[
        SessionInfo | None,
        about(
            "The message of the popup, verbatim, if it came.", {"event": "FINISH", "data": {"waba_id": "1"}}
        ),
    ] = None
    redirect_uri: Annotated[
        ReturnUrl | None,
        about(
            "Of a code that came by an address, without a popup: the page it came to, one of"
            " `redirect_uris` of `GET /v1/config`. A code of FB.login goes without.",
            "https://app.example.com/connect",
        ),
    ] = None
    waba_id: Annotated[MetaId | None, about("The WABA that was chosen.", "102290129340398")] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.code is None) == (self.waba_id is None):
            raise ValueError("give either code or waba_id")
        if self.session_info is not None and self.code is None:
            raise ValueError("session_info goes with a code")
        if self.redirect_uri is not None and self.code is None:
            raise ValueError("redirect_uri goes with a code")
        return self


class OutcomeBody(Body):
    """What became of a popup that brought no code. Words are cut and cleaned before they are kept."""

    outcome: Annotated[
        Annotated[OutcomeWord, word_of("PopupOutcome")],
        about("How it ended.", OutcomeType.CANCELLED),
    ]
    step: Annotated[
        Word | None, about("`current_step` of the popup's message.", "PHONE_NUMBER_VERIFICATION")
    ] = None
    error_code: Annotated[Word | None, about("`error_code` of the popup's message.", "524126")] = None
    session_id: Annotated[
        Word | None, about("`session_id` of the popup's message, for Meta's support.", "f34b51dab5e0498")
    ] = None

    @property
    def told(self) -> PopupOutcome:
        """What is kept of it."""
        return PopupOutcome(
            OutcomeType(self.outcome), cleaned(self.step), cleaned(self.error_code), cleaned(self.session_id)
        )
