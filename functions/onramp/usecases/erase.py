"""What is known of a person, and its end: shown, exported, erased, step by step over the whole table.

    find ──► roots ──► rest ──► receipt
     │         │         └ every item of the table that is the person's: removed, an event emptied
     │         └ their numbers are stripped and their signups removed: from here on nobody works on them
     └ who it is: all signups of the email, their numbers, links and clients

How far it is stands in a record that is written with what is removed, in the same transaction. So a run that
dies is taken up where it was, and what was counted was removed. Asked for once more, an erasure gives the
receipt that there is, and removes what has come since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from itertools import product
from typing import Any, Final

from pydantic import ValidationError

from onramp.domain import number as life
from onramp.domain.clients import ClientRecord, mailbox
from onramp.domain.erasure import (
    SHORTEST_NAME,
    Act,
    Dossier,
    Person,
    Phase,
    Purpose,
    Receipt,
    Salt,
    Who,
    act_on,
    digest_of,
    is_billed,
    shown,
    stays_of,
    trace,
)
from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.phone_numbers import canonical
from onramp.domain.records import Stored
from onramp.domain.signup import Listed, Signup, all_listed
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.storage import Found
from onramp.usecases.changing import pause
from onramp.usecases.resolve import read_numbers

PAGE: Final = 200
"""Items of the table that are read at a time."""
AT_ONCE: Final = 40
"""Items that one write removes."""
PATIENCE: Final = timedelta(seconds=15)
"""So long one call goes on."""
TRIES: Final = 8
MOST_NAMES: Final = 60
"""Ways to name one person that a receipt is found by."""
MOST_NUMBERS: Final = 500
"""Numbers of one person, or of one WABA."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One call's part: `cursor` is None at the end. `items` are an export's."""

    cursor: str | None
    counts: Mapping[str, int]
    receipt: Receipt | None = None
    items: Sequence[Mapping[str, object]] = ()
    person: Person | None = None


def erase(ports: Ports, who: Who, *, although_billed: bool = False, cursor: str | None = None) -> Progress:
    """Forget a person, or go on with it; the last call gives the receipt.

    Raises `Problem(not_found)` when nothing is known of them, `Problem(still_billed)` while 360dialog bills a
    channel of theirs, `Problem(number_busy)` while a run has one of their numbers.
    """
    return _Search(ports, Purpose.ERASE, who, although_billed=although_billed).go_on(cursor)


def show(ports: Ports, who: Who, cursor: str | None = None) -> Progress:
    """Count what is known of a person. Raises `Problem(not_found)`."""
    return _Search(ports, Purpose.SHOW, who).go_on(cursor)


def export(ports: Ports, who: Who, cursor: str | None = None) -> Progress:
    """Give what is known of a person, without secrets, page by page. Raises `Problem(not_found)`."""
    return _Search(ports, Purpose.EXPORT, who).go_on(cursor)


def salt_of(ports: Ports) -> str:
    """This stage's salt; made when it is needed first."""
    salt = ports.store.read(Salt, ports.hub)
    if salt is None:
        salt = Salt(hub=ports.hub, value=ports.clock.new_secret())
        try:
            ports.store.commit(salt)
        except Conflict:
            return salt_of(ports)
    return salt.value


@dataclass(slots=True)
class _Batch:
    """What of a page is to be written together."""

    records: list[Stored] = field(default_factory=list)
    gone: list[Found | Stored] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records) + len(self.gone)


class _Search:
    """One call's part of a search."""

    def __init__(self, ports: Ports, purpose: Purpose, who: Who, *, although_billed: bool = False) -> None:
        self._ports = ports
        self._purpose = purpose
        self._who = who
        self._although_billed = although_billed
        self._salt = salt_of(ports)
        self._digest = digest_of(self._salt, who.name)
        self._items: list[Mapping[str, object]] = []
        self._dossier = Dossier(purpose=purpose, digest=self._digest, started_at=ports.clock.now())

    def go_on(self, cursor: str | None) -> Progress:
        """Go on for a while."""
        self._dossier = self._begin(cursor)
        end = self._ports.clock.now() + PATIENCE
        while True:
            done = self._patient_step()
            if done is not None:
                return done
            if self._items or self._ports.clock.now() >= end:
                return self._progress(f"{self._dossier.phase}:{self._dossier.steps}")

    def _patient_step(self) -> Progress | None:
        """A step, made anew where somebody has written one of its items in the meantime."""
        for tries in range(TRIES):
            try:
                return self._step()
            except Conflict:
                pause(self._ports, tries)
                self._items = []
                stored = self._ports.store.read(Dossier, self._purpose, self._digest)
                self._dossier = stored or self._begin(None)
        raise UnavailableError("what is theirs is being changed by others")

    def _progress(self, cursor: str | None) -> Progress:
        dossier = self._dossier
        person = dossier.person if cursor is None and self._purpose is not Purpose.ERASE else None
        return Progress(cursor, dict(dossier.counts), dossier.receipt, self._items, person)

    def _begin(self, cursor: str | None) -> Dossier:
        """The search as it stands; a new one, unless it goes on or has removed something."""
        stored = self._ports.store.read(Dossier, self._purpose, self._digest)
        if stored is not None and (cursor is not None or stored.begun):
            return stored
        if cursor is not None:
            raise Problem("not_found", "This search is over, or was left alone for too long. Begin it anew.")
        fresh = Dossier(purpose=self._purpose, digest=self._digest, started_at=self._ports.clock.now())
        fresh.version = stored.version if stored else 0
        fresh.person.salt = self._salt
        return fresh

    def _step(self) -> Progress | None:
        """One page, or one change of phase; the end when there is one."""
        match self._dossier.phase:
            case Phase.FIND:
                self._find()
            case Phase.ROOTS:
                self._roots()
            case _:
                return self._rest()
        return None

    def _save(self, batch: _Batch | None = None) -> None:
        """Write how far it is, with what is changed and removed."""
        written = batch or _Batch()
        self._dossier.steps += 1
        self._ports.store.commit(self._dossier, *written.records, gone=written.gone)

    # -- find

    def _find(self) -> None:
        """Look at one page for signups of theirs, and for what an earlier erasure has left."""
        dossier = self._dossier
        if dossier.steps == 0:
            self._seed()
        page, dossier.place = self._ports.store.browse(dossier.place, PAGE)
        for found in page:
            if found.content is not None:
                self._recognise(found.kind, found.content)
        if dossier.place is None:
            self._know()
        self._save()

    def _seed(self) -> None:
        """What is known from how they are named."""
        who, person, ports = self._who, self._dossier.person, self._ports
        if who.email:
            person.learn(email=mailbox(who.email))
        numbers = [who.phone_number_id] if who.phone_number_id else []
        if who.digits:
            digits = canonical(who.digits)
            person.learn(digits=digits)
            numbers += [name for hub in ports.hub_names for name in ports.store.numbers_with(hub, digits)]
        signups = [who.signup_id] if who.signup_id else []
        for number in read_numbers(ports, numbers):
            if number.erased_at is None:
                signups.append(number.signup_id)
                person.learn(number=number.phone_number_id, tenant=number.tenant)
        for name in signups:
            signup = ports.store.read(Signup, name)
            if signup is not None:
                self._take(signup)

    def _take(self, signup: Signup) -> None:
        person, client = self._dossier.person, signup.client
        person.learn(signup=signup.id, tenant=signup.tenant, link=signup.link_id, client=client.id)
        person.learn(email=mailbox(client.email) if client.email else None)

    def _recognise(self, kind: str, content: Mapping[str, Any]) -> None:
        """A signup, a receipt or an unfinished erasure of the same person."""
        dossier = self._dossier
        if kind == Signup.KIND and self._is_theirs(content):
            self._take_stored(content)
        elif kind == Receipt.KIND and self._digest in content.get("found_by", ()):
            self._recall(Receipt.model_validate(content))
        elif kind == Dossier.KIND and content.get("begun") and self._digest != content.get("digest"):
            other = Dossier.model_validate(content)
            if other.receipt is not None and self._digest in other.receipt.found_by:
                dossier.person = other.person
                self._recall(other.receipt)

    def _take_stored(self, content: Mapping[str, Any]) -> None:
        try:
            self._take(Signup.model_validate(content))
        except ValidationError:
            self._dossier.count("unreadable")

    def _is_theirs(self, content: Mapping[str, Any]) -> bool:
        """Whether it is a signup of the same email: of any tenant, or of those that are known already."""
        client = content.get("client")
        email = client.get("email") if isinstance(client, dict) else None
        if not isinstance(email, str) or mailbox(email) not in self._dossier.person.emails:
            return False
        tenants = [self._who.tenant] if self._who.tenant else self._dossier.person.tenants
        everywhere = self._who.email is not None and self._who.tenant is None
        return everywhere or content.get("tenant") in tenants

    def _recall(self, receipt: Receipt) -> None:
        """What an earlier erasure has left of them: ids at 360dialog, and digests."""
        dossier = self._dossier
        if dossier.receipt is not None and dossier.receipt.at >= receipt.at:
            return
        stored = self._ports.store.read(Receipt, receipt.id)
        dossier.receipt, dossier.again = stored or receipt, stored is not None
        person = dossier.person
        for name in receipt.signups:
            person.learn(signup=name)
        for digest in receipt.traces:
            person.learn(trace=digest)
        for kept in receipt.kept:
            for channel in (kept.channel_id, *kept.ended_channels):
                person.learn(channel=channel)
            person.learn(client=kept.client_id)

    # -- who they are, as a whole

    def _know(self) -> None:
        """All signups are found: learn the rest from them, and see whether an erasure may begin."""
        dossier = self._dossier
        person, ports = dossier.person, self._ports
        signups = [found for name in person.signups if (found := ports.store.read(Signup, name))]
        numbers = self._numbers_of(signups)
        for signup in signups:
            self._learn_signup(signup)
        for number in numbers:
            self._learn_number(number)
        self._learn_wabas(signups, numbers)
        self._know_clients()
        if not person.is_known:
            raise Problem("not_found", "Nothing is known of this person.")
        if self._purpose is Purpose.ERASE:
            self._require_may_go(numbers)
            self._write_receipt(numbers)
            dossier.begun = True
            dossier.phase = Phase.ROOTS
        else:
            dossier.phase = Phase.REST

    def _numbers_of(self, signups: Sequence[Signup]) -> list[Number]:
        names = dict.fromkeys(
            [*self._dossier.person.numbers, *(name for signup in signups for name in signup.submitted)]
        )
        own = {signup.id for signup in signups}
        numbers = read_numbers(self._ports, list(names)[:MOST_NUMBERS])
        return [number for number in numbers if number.signup_id in own and number.erased_at is None]

    def _learn_signup(self, signup: Signup) -> None:
        person, client = self._dossier.person, signup.client
        for name in (client.name, client.user_name, signup.waba.name if signup.waba else None):
            self._learn_name(name)
        for listed in all_listed(self._ports.store.read_all(Listed, signup.part_names)):
            person.learn(digits=canonical(listed.display_phone_number))
            self._learn_name(listed.verified_name)

    def _learn_name(self, name: str | None) -> None:
        """A name of some length; a short one may be anybody's."""
        if name and len(name.strip()) >= SHORTEST_NAME:
            self._dossier.person.learn(name=name.strip())

    def _learn_number(self, number: Number) -> None:
        person = self._dossier.person
        person.learn(number=number.phone_number_id, digits=number.digits, client=number.client_id)
        for channel in (number.channel_id, number.second_channel, *number.ended_channels):
            person.learn(channel=channel)
        self._learn_name(number.verified_name)

    def _learn_wabas(self, signups: Sequence[Signup], numbers: Sequence[Number]) -> None:
        """Accounts of theirs alone: what is said of one that others have numbers in, is theirs, too."""
        wabas = {signup.waba.id for signup in signups if signup.waba} | {number.waba.id for number in numbers}
        own = {number.phone_number_id for number in numbers}
        for waba_id in sorted(wabas):
            store, hubs = self._ports.store, self._ports.hub_names
            if {name for hub in hubs for name in store.numbers_in(hub, waba_id, MOST_NUMBERS)} <= own:
                self._dossier.person.learn(waba=waba_id)

    def _know_clients(self) -> None:
        person, ports = self._dossier.person, self._ports
        for hub, email in product(ports.hub_names, list(person.emails)):
            client = ports.store.read(ClientRecord, hub, email)
            if client is None:
                continue
            if self._who.email is not None and self._who.tenant is None:
                person.learn(tenant=client.tenant)
            if client.tenant in person.tenants:
                person.learn(client=client.client_id)

    def _require_may_go(self, numbers: Sequence[Number]) -> None:
        """Raise `Problem` while a run has one of the numbers, or while 360dialog bills one."""
        for number in numbers:
            self._require_free(number)
        billed = [number.channel_id or "a channel to come" for number in numbers if is_billed(number)]
        if billed and not self._although_billed:
            raise Problem(
                "still_billed",
                f"360dialog bills {', '.join(billed)}: cancel first, wait until it has ended, then erase; or"
                " erase although it is billed, and end it in the 360dialog Hub.",
            )

    def _require_free(self, number: Number) -> None:
        now = self._ports.clock.now()
        if number.is_held(now) and number.lease is not None:
            wait = int((number.lease.until - now).total_seconds()) + 1
            raise Problem(
                "number_busy",
                f"A run is at the number {number.phone_number_id}. Ask again in a moment.",
                retry_after=wait,
                phone_number_id=number.phone_number_id,
            )

    def _write_receipt(self, numbers: Sequence[Number]) -> None:
        dossier, person = self._dossier, self._dossier.person
        receipt = dossier.receipt
        if receipt is None:
            receipt = Receipt(id=self._ports.clock.new_id(), at=self._ports.clock.now())
        receipt.although_billed |= self._although_billed and any(map(is_billed, numbers))
        receipt.kept = [*receipt.kept, *(stays_of(number) for number in numbers)]
        ids = [*person.numbers, *person.wabas]
        receipt.traces = _joined(receipt.traces, [trace(self._salt, name) for name in ids])
        receipt.signups = _joined(receipt.signups, person.signups)
        receipt.found_by = _joined(receipt.found_by, self._digests())
        dossier.receipt = receipt

    def _digests(self) -> list[str]:
        """Of every way in which the person may be named once more."""
        person = self._dossier.person
        names = [Who(email=email) for email in person.emails]
        names += [Who(signup_id=name) for name in person.signups]
        names += [Who(phone_number_id=name) for name in person.numbers]
        names += [Who(digits=f"+{digits}") for digits in person.digits]
        return [self._digest, *(digest_of(self._salt, who.name) for who in names[:MOST_NAMES])]

    # -- roots

    def _roots(self) -> None:
        """Strip one number, or remove one signup: from then on nobody works for them."""
        dossier = self._dossier
        for name in dossier.person.numbers:
            number = self._ports.store.read(Number, name)
            if number is not None and self._is_own(number):
                self._require_free(number)
                life.erase(number, self._ports.clock.now())
                self._counted(Number.KIND)
                self._save(_Batch([number]))
                return
        for name in dossier.person.signups:
            signup = self._ports.store.read(Signup, name)
            if signup is not None:
                self._counted(Signup.KIND)
                self._save(_Batch(gone=[signup]))
                return
        dossier.phase = Phase.REST
        dossier.place = None
        self._save()

    def _is_own(self, number: Number) -> bool:
        return number.erased_at is None and number.signup_id in self._dossier.person.signups

    def _counted(self, kind: str) -> None:
        dossier = self._dossier
        dossier.count(kind)
        receipt = dossier.receipt
        if receipt is not None:
            told = dict(receipt.late if dossier.again else receipt.removed)
            told[kind] = told.get(kind, 0) + 1
            if dossier.again:
                receipt.late = told
            else:
                receipt.removed = told

    # -- rest

    def _rest(self) -> Progress | None:
        """One page of the table: what is theirs is counted, given, or removed. The end behind the last."""
        dossier = self._dossier
        page, following = self._ports.store.browse(dossier.place, PAGE)
        batch = _Batch()
        for found in page:
            self._deal(batch, found)
            if len(batch) >= AT_ONCE:
                self._save(batch)
                batch = _Batch()
        dossier.place = following
        self._save(batch)
        return None if following is not None else self._end()

    def _deal(self, batch: _Batch, found: Found) -> None:
        """Count, give or remove one item, if it is theirs."""
        dossier = self._dossier
        if found.content is None:
            dossier.count("unreadable")
            return
        if found.kind == Dossier.KIND:
            if self._purpose is Purpose.ERASE and self._is_about_them(found.content):
                batch.gone.append(found)
            return
        act = act_on(dossier.person, found.kind, found.content)
        if act is None:
            return
        if self._purpose is Purpose.ERASE:
            self._remove(batch, act, found)
            return
        dossier.count(found.kind)
        if self._purpose is Purpose.EXPORT:
            self._items.append({"kind": found.kind.lower(), "record": shown(found.content)})

    def _is_about_them(self, other: Mapping[str, Any]) -> bool:
        """Whether another search is for the same person: what it knows of them goes, too."""
        person = other.get("person")
        signups = person.get("signups", []) if isinstance(person, dict) else []
        mine = (other.get("purpose"), other.get("digest")) == (self._purpose, self._digest)
        return not mine and bool(set(signups) & set(self._dossier.person.signups))

    def _remove(self, batch: _Batch, act: Act, found: Found) -> None:
        if act is Act.STRIP:
            return
        record = self._blanked(found) if act is Act.BLANK else None
        if record is not None:
            batch.records.append(record)
        else:
            batch.gone.append(found)
        self._counted(found.kind)

    def _blanked(self, found: Found) -> EventRecord | None:
        """The event without what it said; None when it cannot be read as one, and is removed."""
        try:
            record = EventRecord.model_validate(found.content)
        except ValidationError:
            return None
        record.version = found.version
        record.erase(self._ports.clock.now())
        return record

    def _end(self) -> Progress:
        """Write the receipt, and forget by what the person was known."""
        dossier, ports = self._dossier, self._ports
        receipt = dossier.receipt if self._purpose is Purpose.ERASE else None
        if receipt is None:
            ports.store.commit(gone=[dossier])
        else:
            stored = ports.store.read(Receipt, receipt.id)
            receipt.version = stored.version if stored is not None else 0
            ports.store.commit(receipt, gone=[dossier])
            ports.telemetry.info("a person was erased", receipt_id=receipt.id, again=str(dossier.again))
        return self._progress(None)


def _joined(known: Sequence[str], more: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*known, *more]))
