"""A person who asks what is known of them, or to be forgotten: who they are, what is theirs, what stays.

| record    | holds                                                                                  |
|-----------|----------------------------------------------------------------------------------------|
| `Dossier` | how far a search has come, and by what the person is known; gone when it is done       |
| `Receipt` | what was removed and what stays; nothing that says who it was                           |
| `Salt`    | what a person's name is mixed with before it is compared with those of receipts         |

What belongs to the person is told by parsing: ids, emails, phone numbers and names are compared with every
value of an item, and a text that is JSON itself, as a webhook's body, is read as such.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import Field

from onramp.domain.clients import mailbox
from onramp.domain.number import Number
from onramp.domain.phone_numbers import canonical, digits
from onramp.domain.records import HUB, Record, Stored

LOOKED_AT_FOR: Final = timedelta(hours=2)
"""A search that nobody goes on with is forgotten; an erasure that has begun is not."""
DEEPEST: Final = 60
SHORTEST_NAME: Final = 4
"""Characters from which a name says who it is when it stands alone."""
LONG_NAME: Final = 10
"""Characters from which one word is a name also within a longer text."""
FEWEST_DIGITS: Final = 9
"""Of a phone number with its country, so that no id holds one by chance."""
COST: Final = 2**13
"""Of the digest of a name: some 20 ms, so that nobody tries all phone numbers."""
NEVER: Final = frozenset(
    {"BALANCE", "BUDGET", "CENSUS", "TENANT", "ENDPOINT", "REQUEST", "RECEIPT", "DOSSIER", "SALT"}
)
"""Kinds of items that hold nothing of a person."""


class Purpose(StrEnum):
    """What a search is for."""

    SHOW = "show"
    EXPORT = "export"
    ERASE = "erase"


class Who(Record):
    """How a person is named: by one of these. `tenant` narrows an email to the signups of one tenant."""

    email: str | None = None
    signup_id: str | None = None
    phone_number_id: str | None = None
    digits: str | None = None
    tenant: str | None = None

    @property
    def name(self) -> str:
        """The one form in which it is compared."""
        said = {
            "email": mailbox(self.email) if self.email else None,
            "signup": self.signup_id,
            "number": self.phone_number_id,
            "digits": canonical(self.digits) if self.digits else None,
            "tenant": self.tenant,
        }
        return json.dumps({key: value for key, value in said.items() if value}, sort_keys=True)


class Act(StrEnum):
    """What an erasure does with an item."""

    REMOVE = "remove"
    BLANK = "blank"
    """An event is emptied and stays until its time is over: a copy of it must not act, or be kept, again."""
    STRIP = "strip"
    """A number keeps what billing needs, and that its person is erased."""


class Stays(Record):
    """What is kept of one number: ids at 360dialog and dates."""

    channel_id: str | None = None
    ended_channels: list[str] = Field(default_factory=list)
    client_id: str | None = None
    since: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    billed: bool = False


class Person(Record):
    """By what a person is known. `traces` are digests of Meta's ids, where an erasure has left these only."""

    signups: list[str] = Field(default_factory=list)
    numbers: list[str] = Field(default_factory=list)
    links: list[str] = Field(default_factory=list)
    channels: list[str] = Field(default_factory=list)
    clients: list[str] = Field(default_factory=list)
    wabas: list[str] = Field(default_factory=list)
    emails: list[str] = Field(default_factory=list)
    names: list[str] = Field(default_factory=list)
    digits: list[str] = Field(default_factory=list)
    tenants: list[str] = Field(default_factory=list)
    traces: list[str] = Field(default_factory=list)
    salt: str = ""

    def learn(self, **found: str | None) -> None:
        """Add what was found, once; the field of the person is named in the singular."""
        for name, value in found.items():
            known: list[str] = getattr(self, _FIELDS[name])
            if value and value not in known:
                setattr(self, _FIELDS[name], [*known, value])

    @property
    def is_known(self) -> bool:
        """Whether anything is known of the person."""
        return bool(self.signups or self.numbers or self.clients or self.traces)

    def is_named(self, value: str) -> bool:
        """Whether one value says that it is about the person."""
        if value in self._ids:
            return True
        folded = _folded(value)
        return (
            any(email in folded for email in self.emails)
            or any(_says(folded, _folded(name)) for name in self.names)
            or any(number in digits(value) for number in self.digits if len(number) >= FEWEST_DIGITS)
            or (bool(self.traces) and value.isdigit() and trace(self.salt, value) in self.traces)
        )

    @property
    def _ids(self) -> set[str]:
        known = (self.channels, self.clients, self.numbers, self.signups, self.links, self.wabas)
        return {name for names in known for name in names}

    def is_in(self, content: object) -> bool:
        """Whether anything in it names the person."""
        return any(map(self.is_named, values(content)))


_FIELDS: Final[Mapping[str, str]] = {
    "signup": "signups",
    "number": "numbers",
    "link": "links",
    "channel": "channels",
    "client": "clients",
    "waba": "wabas",
    "email": "emails",
    "name": "names",
    "digits": "digits",
    "tenant": "tenants",
    "trace": "traces",
}


class Receipt(Stored):
    """What an erasure has removed, how often by kind, and what stays. It names nobody.

    `found_by` are digests of how the person was named, `traces` of Meta's ids: so that the same person is
    recognised who is named once more. `signups` are our own random ids. `late` was found afterwards.
    """

    KIND: ClassVar[str] = "RECEIPT"

    id: str
    at: datetime
    removed: dict[str, int] = Field(default_factory=dict)
    late: dict[str, int] = Field(default_factory=dict)
    kept: list[Stays] = Field(default_factory=list)
    although_billed: bool = False
    signups: list[str] = Field(default_factory=list)
    found_by: list[str] = Field(default_factory=list)
    traces: list[str] = Field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """Its own id."""
        return (self.id,)


class Phase(StrEnum):
    """How far a search is."""

    FIND = "find"
    ROOTS = "roots"
    REST = "rest"


class Dossier(Stored):
    """How far a search has come: `place` in the table, `steps` of it, and what it has found.

    `begun`: things were removed, so that it stays until it has come to its end.
    """

    KIND: ClassVar[str] = "DOSSIER"

    purpose: Purpose | str
    digest: str
    started_at: datetime
    person: Person = Field(default_factory=Person)
    phase: Phase | str = Phase.FIND
    place: str | None = None
    steps: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    receipt: Receipt | None = None
    again: bool = False
    begun: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """What it is for, and the digest of how the person was named."""
        return (self.purpose, self.digest)

    @property
    def forgotten_at(self) -> datetime | None:
        """Soon, unless something is removed already."""
        return None if self.begun else self.started_at + LOOKED_AT_FOR

    def count(self, kind: str) -> None:
        """One more of a kind."""
        self.counts = {**self.counts, kind: self.counts.get(kind, 0) + 1}


class Salt(Stored):
    """Random bits of this stage."""

    KIND: ClassVar[str] = "SALT"

    hub: str = HUB
    value: str

    @property
    def identity(self) -> tuple[str, ...]:
        """The hub."""
        return (self.hub,)


def digest_of(salt: str, name: str) -> str:
    """What a person's name is recognised by: slow to make, so that nobody finds it out by trying."""
    made = hashlib.scrypt(name.encode("utf-8", "surrogatepass"), salt=salt.encode(), n=COST, r=8, p=1)
    return made.hex()[:64]


def trace(salt: str, meta_id: str) -> str:
    """What is kept of an id of Meta's."""
    return hashlib.sha256(f"{salt}#{meta_id}".encode()).hexdigest()


def values(content: object, depth: int = 0) -> Iterator[str]:
    """Every text and whole number in a JSON value, names of members too; a text that is JSON is read."""
    if depth > DEEPEST:
        return
    inner = _inner(content) if isinstance(content, str) else content
    if isinstance(inner, dict):
        yield from map(str, inner)
        inner = list(inner.values())
    if isinstance(inner, list):
        for value in inner:
            yield from values(value, depth + 1)
    elif isinstance(content, str | int) and not isinstance(content, bool):
        yield str(content)


def _inner(text: str) -> object:
    """What a text says that is a JSON object or list; None for any other."""
    if text[:1] not in {"{", "["}:
        return None
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _says(folded: str, name: str) -> bool:
    """Whether a text has a name in it; one of a single short word must be all of it."""
    return name in folded if " " in name or len(name) >= LONG_NAME else name == folded


def _folded(value: str) -> str:
    return unicodedata.normalize("NFKC", value).casefold().strip()


def act_on(person: Person, kind: str, content: Mapping[str, Any]) -> Act | None:
    """What an erasure does with an item, or None when it is nothing of the person's."""
    if kind in NEVER:
        return None
    if kind in _RULES:
        return _RULES[kind](person, content)
    owner = content.get("signup_id") or content.get("subject")
    if owner in person.signups:
        return Act.REMOVE
    if kind == "FACT":
        return Act.REMOVE if content.get("phone_number_id") in person.numbers else None
    # What belongs to somebody else's signup is theirs, whoever is named in it.
    return None if owner else Act.REMOVE if person.is_in(content) else None


def _signup(person: Person, content: Mapping[str, Any]) -> Act | None:
    return Act.REMOVE if content.get("id") in person.signups else None


def _number(person: Person, content: Mapping[str, Any]) -> Act | None:
    mine = content.get("phone_number_id") in person.numbers and not content.get("erased_at")
    return Act.STRIP if mine else None


def _client(person: Person, content: Mapping[str, Any]) -> Act | None:
    """By email it is the person's; by id it has an id of 360dialog's alone, which stays."""
    mine = mailbox(str(content.get("name"))) in person.emails and content.get("tenant") in person.tenants
    return Act.REMOVE if mine else None


def _event(person: Person, content: Mapping[str, Any]) -> Act | None:
    if content.get("erased_at"):
        return None
    number = content.get("phone_number_id")
    if number:
        return Act.BLANK if number in person.numbers or _is_traced(person, number) else None
    return Act.BLANK if person.is_in(content.get("raw")) else None


def _is_traced(person: Person, meta_id: str) -> bool:
    return bool(person.traces) and trace(person.salt, meta_id) in person.traces


def _delivery(person: Person, content: Mapping[str, Any]) -> Act | None:
    """That of a signup is its person's; one of a whole hub, when what it tells names them."""
    subject = str(content.get("subject"))
    mine = person.is_in(content.get("body")) if subject.startswith("HUB#") else subject in person.signups
    return Act.REMOVE if mine else None


_RULES: Final = {
    "SIGNUP": _signup,
    "NUMBER": _number,
    "CLIENT": _client,
    "EVENT": _event,
    "DELIVERY": _delivery,
}

SECRETS: Final = frozenset(
    {"token", "secret", "secrets", "key", "keys", "code_sha256", "fingerprint", "visit", "lease", "owner"}
)
"""Members of stored records that nobody is shown, whoever asks."""


def shown(content: object) -> object:
    """Stored content without secrets, with webhooks' bodies read."""
    match content:
        case str():
            inner = _inner(content)
            return content if inner is None else shown(inner)
        case dict():
            return {name: shown(value) for name, value in content.items() if name not in SECRETS}
        case list():
            return [shown(value) for value in content]
    return content


def stays_of(number: Number) -> Stays:
    """What is kept of a number."""
    return Stays(
        channel_id=number.channel_id,
        ended_channels=list(number.ended_channels),
        client_id=number.client_id,
        since=number.created_at,
        connected_at=number.steps.get("connected"),
        ended_at=number.cancelled_at,
        billed=is_billed(number),
    )


def is_billed(number: Number) -> bool:
    """Whether 360dialog bills a channel of it, or may: it was handed over, and has not ended."""
    if number.erased_at is not None or (number.cancelled_at is not None and number.second_channel is None):
        return False
    handed = "submitted" in number.steps or number.intent is not None
    return bool(number.channel_id or number.second_channel or handed)
