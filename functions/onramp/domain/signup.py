"""The signup: one visit of one customer to the popup. Small, and written a handful of times.

| record     | holds                                                                             |
|------------|-----------------------------------------------------------------------------------|
| `Signup`   | client, WABA with its proof, what was submitted, counts of its numbers by class   |
| `Exchange` | the code and the encrypted token; apart, so that no list or status read meets it  |
| `Listed`   | the numbers as Meta lists them, in parts, so that a large WABA costs nothing more |

The life of a number is not here: see `onramp.domain.number`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, Self

from pydantic import Field, JsonValue

from onramp.domain.facts import FACTS, FactType
from onramp.domain.launch import STANDARD
from onramp.domain.records import HUB, Fact, Record, Stored
from onramp.domain.states import SignupStatus, Standing

SIGNUP_LIFETIME: Final = timedelta(hours=24)
"""How long an opened signup waits for a code."""
PROVED_BY_GRANT: Final = "granted_ids"
PROVED_BY_USE: Final = "read_access"
PROVED_BY_ADOPTION: Final = "adopted"
"""An operator says whose it is, and 360dialog has its channel under our partner."""
ADOPTED_TIER: Final = "regular"
"""The plan that an adopted number would be submitted under, should its channel end."""
PART: Final = 100
"""Numbers in one part of the list: a part stays far below the 400 KB of an item."""


class Client(Record):
    """The partner's customer at 360dialog. `id` is 360dialog's (`…CL`) where the caller named it."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    user_name: str | None = None


class Waba(Record):
    """A WhatsApp Business Account (Meta's id) and how its ownership was proved."""

    id: str
    name: str | None = None
    business_id: str | None = None
    proof: str


class ListedNumber(Record):
    """A number as Meta lists it in the WABA; what its words mean is in `onramp.domain.verification`.

    `verification`: of the code that Meta sent to the number. `name_status`: of its name. `meta_status`: of
    the number itself.
    """

    phone_number_id: str
    display_phone_number: str = ""
    verified_name: str | None = None
    verification: str | None = None
    name_status: str | None = None
    meta_status: str | None = None


class Signup(Stored):
    """A customer's signup, from the opened page to connected numbers.

    `submitted`: the numbers that this signup brought and has, by Meta's id. `counts`: how many of them are in
    which class; kept by whoever changes a number's class, in the same write. `parts`: of the list of numbers.
    `claimed`: the number the browser named, if the WABA has it. `flow`, `prefill`: what its popup is opened
    with, see `onramp.domain.launch`. `outcomes`: how many popups without a code are written down. `link_id`:
    the link it was opened for, which lives as long as it waits. `messaging`: the webhook of the allow-list
    that its numbers' messages go to. `kept_days`: so long after its end it stays when it has brought no
    account; None for ever.
    """

    KIND: ClassVar[str] = "SIGNUP"

    id: str
    tenant: str
    hub: str = HUB
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    client: Client
    plan_tier: str
    reference: str | None = None
    waba: Waba | None = None
    authorized_at: datetime | None = None
    claimed: str | None = None
    parts: int = 0
    submitted: list[str] = Field(default_factory=list)
    counts: dict[str, int] = Field(default_factory=dict)
    flow: str = STANDARD
    prefill: dict[str, JsonValue] | None = None
    outcomes: int = 0
    link_id: str | None = None
    messaging: str | None = None
    kept_days: int | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """Our own id."""
        return (self.id,)

    @property
    def forgotten_at(self) -> datetime | None:
        """Some time after its end, where the configuration says so; what has an account stays."""
        if self.waba is not None or self.kept_days is None:
            return None
        return self.expires_at + timedelta(days=self.kept_days)

    @property
    def part_names(self) -> list[tuple[str, str]]:
        """What names the parts of its list of numbers."""
        return [part_name(self.id, part) for part in range(self.parts)]

    @classmethod
    def open(
        cls,
        *,
        signup_id: str,
        tenant: str,
        client: Client,
        plan_tier: str,
        reference: str | None,
        now: datetime,
        flow: str = STANDARD,
        prefill: dict[str, JsonValue] | None = None,
        expires_at: datetime | None = None,
        link_id: str | None = None,
        hub: str = HUB,
        messaging: str | None = None,
        kept: timedelta | None = None,
    ) -> Self:
        """A new signup that waits for its code until `expires_at`, or until `SIGNUP_LIFETIME` has passed.

        `kept`: so long after its end it stays when it has brought no account, in days; None for ever.
        """
        signup = cls(
            id=signup_id,
            tenant=tenant,
            hub=hub,
            created_at=now,
            updated_at=now,
            expires_at=expires_at or now + SIGNUP_LIFETIME,
            client=client,
            plan_tier=plan_tier,
            reference=reference,
            flow=flow,
            prefill=prefill,
            link_id=link_id,
            messaging=messaging,
            kept_days=None if kept is None else kept.days,
        )
        signup.tell(FactType.SIGNUP_OPENED, now)
        return signup

    @classmethod
    def adopted(cls, *, tenant: str, hub: str, client_id: str, waba_id: str, now: datetime) -> Self:
        """What stands for the popup of a client whose channels were taken in: one for each WABA.

        Its id follows from what it is for, so that two who adopt at once make the same one. It waits for no
        code, and has no token.
        """
        of = json.dumps(["adopted", hub, tenant, client_id, waba_id])
        return cls(
            id=hashlib.sha256(of.encode()).hexdigest()[:32],
            tenant=tenant,
            hub=hub,
            created_at=now,
            updated_at=now,
            expires_at=now,
            client=Client(id=client_id),
            plan_tier=ADOPTED_TIER,
            waba=Waba(id=waba_id, proof=PROVED_BY_ADOPTION),
        )

    @property
    def stored_status(self) -> SignupStatus:
        """The state of the whole as its parts give it; that an open one has expired, only the clock knows."""
        if self.waba is None:
            return SignupStatus.OPEN
        shown = {standing for standing, count in self.counts.items() if count > 0}
        if not shown:
            return SignupStatus.AUTHORIZED
        if shown & {Standing.FAILED, Standing.RESTRICTED} or shown == {Standing.CANCELLED}:
            return SignupStatus.ATTENTION
        if shown <= {Standing.CONNECTED, Standing.CANCELLED}:
            return SignupStatus.CONNECTED
        return SignupStatus.ONBOARDING

    def status(self, now: datetime) -> SignupStatus:
        """The state of the whole at a time."""
        status = self.stored_status
        return SignupStatus.EXPIRED if status is SignupStatus.OPEN and now >= self.expires_at else status

    def count(self, before: Standing | None, after: Standing | None, now: datetime) -> None:
        """One of its numbers has changed its class; None stands for *not one of this signup*."""
        counts = dict(self.counts)
        for standing, change in ((before, -1), (after, +1)):
            if standing is not None:
                counts[standing] = max(counts.get(standing, 0) + change, 0)
        self.counts = {standing: count for standing, count in counts.items() if count}
        self.updated_at = max(self.updated_at, now)

    def seen_with(self, standings: Sequence[Standing]) -> Self:
        """This signup as its numbers tell it, which were read after it: one of them may have moved since.

        Where not all of them were found, it stays as it was read.
        """
        counts = dict(Counter(standings))
        if len(standings) != len(self.submitted) or counts == self.counts:
            return self
        return self.model_copy(update={"counts": counts})

    def gain(self, phone_number_id: str, standing: Standing, now: datetime) -> None:
        """A number is submitted, or comes back, through this signup."""
        if phone_number_id not in self.submitted:
            self.submitted = [*self.submitted, phone_number_id]
            self.count(None, standing, now)

    def lose(self, phone_number_id: str, standing: Standing, now: datetime) -> None:
        """A later signup of the tenant has taken the number over."""
        if phone_number_id in self.submitted:
            self.submitted = [other for other in self.submitted if other != phone_number_id]
            self.count(standing, None, now)

    def tell(self, fact: FactType, now: datetime, **detail: str | None) -> None:
        """A fact about this signup, written with it."""
        self.updated_at = max(self.updated_at, now)
        self.told.append(
            Fact(
                type=fact,
                at=now,
                subject=self.id,
                tenant=self.tenant,
                reference=self.reference,
                detail=detail,
                bus=FACTS[fact].bus,
            )
        )


class Exchanging(Record):
    """A code that is with Meta right now: written before Meta is asked, removed with the outcome.

    `waba_id` and `phone_number_id` are the browser's claims, not facts.
    """

    code_sha256: str
    owner: str
    started_at: datetime
    session_info: dict[str, JsonValue] | None = None
    waba_id: str | None = None
    phone_number_id: str | None = None


class Exchange(Stored):
    """The code of a signup and what it brought: `token` is the customer's business token, encrypted.

    `running` is a code that is being exchanged; until it has brought a token of its own, the one that is
    stored stays. `done` is the code that brought the token. `until`: when it goes with its signup, while that
    may still end by itself.
    """

    KIND: ClassVar[str] = "EXCHANGE"

    signup_id: str
    running: Exchanging | None = None
    done: Exchanging | None = None
    token: str | None = None
    exchanged_at: datetime | None = None
    until: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The signup's id: it has one exchange at a time."""
        return (self.signup_id,)

    @property
    def forgotten_at(self) -> datetime | None:
        """With its signup."""
        return self.until


class Listed(Stored):
    """A part of the numbers that Meta lists in a signup's WABA."""

    KIND: ClassVar[str] = "LISTED"

    signup_id: str
    part: int
    numbers: list[ListedNumber] = Field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """The signup's id and the part's number."""
        return part_name(self.signup_id, self.part)


def part_name(signup_id: str, part: int) -> tuple[str, str]:
    """What names a part of a signup's list of numbers."""
    return signup_id, f"{part:03d}"


def parts_of(signup_id: str, numbers: Sequence[ListedNumber]) -> list[Listed]:
    """The list in parts of `PART` numbers."""
    starts = range(0, len(numbers), PART)
    return [
        Listed(signup_id=signup_id, part=index, numbers=list(numbers[start : start + PART]))
        for index, start in enumerate(starts)
    ]


def all_listed(parts: Iterable[Listed]) -> list[ListedNumber]:
    """The numbers of all parts, in Meta's order."""
    return [number for part in sorted(parts, key=lambda part: part.part) for number in part.numbers]


class Remembered(Stored):
    """An `Idempotency-Key` of a tenant: which signup, and which link to it, its first call made.

    `fingerprint` is a digest of what it asked.
    """

    KIND: ClassVar[str] = "IDEMPOTENCY"

    tenant: str
    key: str
    signup_id: str
    fingerprint: str
    link_id: str | None = None
    until: datetime

    @property
    def identity(self) -> tuple[str, ...]:
        """Tenant and key."""
        return (self.tenant, self.key)

    @property
    def forgotten_at(self) -> datetime:
        """It counts for a day."""
        return self.until
