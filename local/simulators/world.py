"""Meta's side of the world: customers, their WhatsApp Business Accounts, codes and tokens.

360dialog's simulator reads it too, so that a submitted WABA has the numbers Meta shows.
"""

import random
import string
from dataclasses import dataclass, field
from typing import Literal

from local.simulators.clock import Now

type Grants = Literal["target_ids", "events_scope", "other_scope", "scopes_only", "no_entries"]
type TokenMode = Literal["valid", "expired", "invalid", "other_app", "error"]
type Finish = Literal[
    "FINISH",
    "FINISH_ONLY_WABA",
    "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING",
    "FINISH_OBO_MIGRATION",
    "FINISH_GRANT_ONLY_API_ACCESS",
]
type TokenType = Literal["SYSTEM_USER", "USER"]
type WabaError = Literal[131031, 368]
type CodeState = Literal["unknown", "used", "expired", "good"]


@dataclass(slots=True, kw_only=True)
class PhoneNumber:
    """A business phone number as Meta shows it, once it is `listed` and not before `listed_from`.

    `listed_from` is in epoch seconds. A word that is None is left out, as Meta does. `former_wabas` are
    the accounts that it was moved out of.
    """

    id: str
    display_phone_number: str
    verified_name: str
    is_on_biz_app: bool = False
    quality_rating: str = "GREEN"
    code_verification_status: str | None = "VERIFIED"
    status: str | None = "PENDING"
    name_status: str | None = "APPROVED"
    listed: bool = True
    listed_from: float = 0.0
    former_wabas: list[str] = field(default_factory=list)

    def shown(self, now: float) -> bool:
        """Whether Meta shows it at `now` (epoch seconds)."""
        return self.listed and now >= self.listed_from

    @property
    def digits(self) -> str:
        """The number without anything but its digits."""
        return "".join(filter(str.isdigit, self.display_phone_number))


@dataclass(slots=True, kw_only=True)
class Waba:
    """A WhatsApp Business Account."""

    id: str
    name: str
    numbers: list[PhoneNumber]


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """What Meta answers about one customer's token; can be changed while the customer lives."""

    grants: Grants = "target_ids"
    token: TokenMode = "valid"
    scopes_listed: bool = True
    owner_mismatch: bool = False
    owner_hidden: bool = False
    solution: bool = True
    expires_in: int | None = None
    revoked_waba_ids: list[str] = field(default_factory=list)
    token_type: TokenType = "SYSTEM_USER"
    waba_error: WabaError | None = None


@dataclass(slots=True, kw_only=True)
class Customer:
    """A business portfolio with what it granted. `decoys` are granted too, but not signed up now."""

    business_id: str
    business_name: str
    user_id: str
    wabas: list[Waba]
    decoys: list[Waba]
    finish: Finish
    behaviour: Behaviour

    def granted(self) -> list[Waba]:
        """Every WABA the customer's tokens reach, decoys first."""
        revoked = self.behaviour.revoked_waba_ids
        return [waba for waba in (*self.decoys, *self.wabas) if waba.id not in revoked]


@dataclass(slots=True, kw_only=True)
class Code:
    """An exchangeable code; `expires_at` and `used_at` are epoch seconds.

    `redirect_uri` is that of the dialog that gave it; a code of `FB.login` has none.
    """

    value: str
    business_id: str
    expires_at: float
    redirect_uri: str | None = None
    used_at: float | None = None


@dataclass(slots=True, kw_only=True)
class BusinessToken:
    """A customer-scoped token; `expires_at` is epoch seconds, 0 for never."""

    value: str
    business_id: str
    issued_at: float
    expires_at: float


@dataclass(slots=True)
class World:
    """All customers, with the randomness that makes their identifiers."""

    now: Now
    rng: random.Random
    customers: dict[str, Customer] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, BusinessToken] = field(default_factory=dict)

    def digits(self, length: int = 15) -> str:
        """Make a digit string that does not start with 0, like Meta's ids."""
        return str(self.rng.randrange(10 ** (length - 1), 10**length))

    def text(self, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        """Make a random string."""
        return "".join(self.rng.choices(alphabet, k=length))

    def waba(self, waba_id: str) -> tuple[Customer, Waba] | None:
        """Find a WABA and the customer who owns it."""
        for customer in self.customers.values():
            for waba in (*customer.wabas, *customer.decoys):
                if waba.id == waba_id:
                    return customer, waba
        return None

    def number(self, number_id: str) -> tuple[Customer, Waba, PhoneNumber] | None:
        """Find a phone number with its WABA and owner."""
        for customer in self.customers.values():
            for waba in (*customer.wabas, *customer.decoys):
                for number in waba.numbers:
                    if number.id == number_id:
                        return customer, waba, number
        return None

    def move(self, number_id: str, waba_id: str) -> bool:
        """Put a number into another WABA, of whichever customer; False when either is not known."""
        found, target = self.number(number_id), self.waba(waba_id)
        if found is None or target is None:
            return False
        _, old, number = found
        old.numbers.remove(number)
        number.former_wabas = [*number.former_wabas, old.id]
        target[1].numbers.append(number)
        return True

    def new_code(self, business_id: str, lifetime: float, redirect_uri: str | None = None) -> Code:
        """Issue a code that lives `lifetime` seconds."""
        code = Code(
            value=f"AQ{self.text(220)}",
            business_id=business_id,
            expires_at=self.now() + lifetime,
            redirect_uri=redirect_uri,
        )
        self.codes[code.value] = code
        return code

    def code_state(self, value: str) -> CodeState:
        """Say what an exchange of `value` would meet."""
        code = self.codes.get(value)
        if code is None:
            return "unknown"
        if code.used_at is not None:
            return "used"
        return "expired" if self.now() >= code.expires_at else "good"

    def exchange(self, value: str) -> BusinessToken:
        """Spend a good code for a new token, of a length nobody should rely on."""
        code = self.codes[value]
        code.used_at = self.now()
        expires_in = self.customers[code.business_id].behaviour.expires_in
        token = BusinessToken(
            value=f"EAA{self.text(self.rng.randrange(120, 260))}",
            business_id=code.business_id,
            issued_at=self.now(),
            expires_at=0 if expires_in is None else self.now() + expires_in,
        )
        self.tokens[token.value] = token
        return token

    def token_of(self, business_id: str) -> BusinessToken:
        """A token of a customer that lives, or the first one."""
        for token in self.tokens.values():
            if token.business_id == business_id and not token.expires_at:
                return token
        code = self.new_code(business_id, 30.0)
        return self.exchange(code.value)

    def clear(self) -> None:
        """Forget everybody."""
        self.customers.clear()
        self.codes.clear()
        self.tokens.clear()
