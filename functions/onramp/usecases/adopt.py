"""Adoption: channels that 360dialog had before we came become numbers of a tenant, page by page.

| a channel          | is                                                                       |
|--------------------|--------------------------------------------------------------------------|
| `adopted`          | taken in, or would be: number, client and signup in one write            |
| `known`            | a number's already; nothing is done                                      |
| `needs_tenant`     | nobody's here, and nothing says whose it is to be                        |
| `ended`            | dead at 360dialog                                                        |
| `contradicts`      | what is wanted is not what is here: nothing is taken from another tenant |
| `incomplete`       | 360dialog does not say what a record needs; `why` names it               |
| `failed`           | its records could not be read or written; the next run tries again       |

Key and webhook stay as they are. What was done is not done again, and a run that dies is simply made again.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from onramp.domain import number as life
from onramp.domain.clients import ClientRecord
from onramp.domain.crashes import told_of
from onramp.domain.errors import Conflict, OnrampError
from onramp.domain.number import Number, WabaOf, channel_place
from onramp.domain.partner_events import Channel
from onramp.domain.records import Stored
from onramp.domain.signup import ADOPTED_TIER, Signup
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.upstreams import Page
from onramp.usecases.changing import pause, take_up
from onramp.usecases.channels import Numbers, number_of, read_page

LONGEST: Final = timedelta(seconds=20)
"""So long one call works on its page; the rest is for the next one."""
TRIES: Final = 8
META_ID: Final = re.compile(r"[0-9]{5,20}")
"""Meta's id of a phone number, as our addresses take it."""


class Verdict(StrEnum):
    """What became of a channel, or would become of it."""

    ADOPTED = "adopted"
    KNOWN = "known"
    NEEDS_TENANT = "needs_tenant"
    ENDED = "ended"
    CONTRADICTS = "contradicts"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Why(StrEnum):
    """Why a channel is not taken in."""

    OTHER_TENANT = "number_of_other_tenant"
    CLIENT_OF_OTHER = "client_of_other_tenant"
    OTHER_NUMBER = "other_phone_number_id"
    OTHER_CHANNEL = "number_has_other_channel"
    NO_PHONE_NUMBER_ID = "no_phone_number_id"
    NO_WABA = "no_waba"
    NO_CLIENT = "no_client"
    NO_PHONE = "no_phone_number"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose a channel is to be. `phone_number_id` is Meta's, where 360dialog does not say it."""

    tenant: str
    reference: str | None = None
    phone_number_id: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator wants: by channel, else by client, else everything that is nobody's here (`rest`)."""

    channels: Mapping[str, Wanted] = field(default_factory=dict)
    clients: Mapping[str, Wanted] = field(default_factory=dict)
    rest: Wanted | None = None

    def of(self, channel: Channel) -> Wanted | None:
        """Whose a channel is to be; None when nothing says so."""
        named = self.named(channel)
        return named if named is not None else self.rest

    def named(self, channel: Channel) -> Wanted | None:
        """The same, where its channel or its client is named."""
        found = self.channels.get(channel.id or "")
        return found if found is not None else self.clients.get(channel.client_id or "")


@dataclass(frozen=True, slots=True)
class Judged:
    """A channel and what becomes of it. `tenant` and `phone_number_id` are those of our number."""

    channel: Channel
    verdict: Verdict
    why: Why | None = None
    tenant: str | None = None
    phone_number_id: str | None = None
    rests: bool = False


def adopt_page(
    ports: Ports,
    wanted: Plan,
    offset: int,
    *,
    dry_run: bool,
    monotonic: Callable[[], float] = time.monotonic,
) -> Page[Judged]:
    """Take in the channels of one page; with `dry_run` nothing is written. Spends one spare call.

    Raises `PutOff` while live signups need the budget, `UpstreamError`.
    """
    until = monotonic() + LONGEST.total_seconds()
    page = read_page(ports, lambda gate: ports.partner.list_channels({}, offset, gate))
    numbers = Numbers(ports, page.items)
    adopting = _Adopting(ports, wanted, dry_run=dry_run)
    judged: list[Judged] = []
    for channel in page.items:
        if judged and monotonic() > until:
            # The page is read once more from here.
            return Page(judged, offset + len(judged))
        judged.append(adopting.one(channel, numbers))
    return Page(judged, page.next_offset)


class _Adopting:
    """One page's worth. Two channels of it that want the same number or client are told in a dry run, too."""

    def __init__(self, ports: Ports, wanted: Plan, *, dry_run: bool) -> None:
        self._ports = ports
        self._wanted = wanted
        self._dry = dry_run
        self._clients: dict[str, str] = {}
        self._taken: dict[str, Judged] = {}

    def one(self, channel: Channel, numbers: Numbers) -> Judged:
        """A channel that cannot be dealt with harms no neighbour."""
        try:
            judged = self._judge(channel, numbers.of(channel))
            if judged.verdict is not Verdict.ADOPTED or self._dry:
                return judged
            return self._adopt(channel, judged)
        except OnrampError as trouble:
            self._ports.telemetry.count("RecordsCrashed")
            self._ports.telemetry.warn("channel not adopted", **told_of(trouble), channel_id=channel.id)
            return Judged(channel, Verdict.FAILED)

    # -- what it is

    def _judge(self, channel: Channel, number: Number | None) -> Judged:
        if channel.dead:
            return _of(number, channel, Verdict.ENDED)
        named = self._wanted.named(channel)
        if number is not None:
            return _known(channel, number, named)
        wanted = self._wanted.of(channel)
        if wanted is None:
            return Judged(channel, Verdict.NEEDS_TENANT)
        return self._new(channel, wanted)

    def _new(self, channel: Channel, wanted: Wanted) -> Judged:
        """A channel that is nobody's, and is to be somebody's."""
        phone_number_id = _phone_number_id(channel, wanted)
        lacks = _lacks(channel, phone_number_id)
        if lacks is not None:
            return Judged(channel, Verdict.INCOMPLETE, lacks, wanted.tenant)
        there = self._ports.store.read(Number, phone_number_id or "")
        if there is not None and there.channel_id == channel.id:
            # An index that would have shown it lags.
            return _known(channel, there, wanted)
        against = self._against(channel, wanted, phone_number_id or "", there)
        if against is not None:
            return Judged(channel, Verdict.CONTRADICTS, against, wanted.tenant, phone_number_id)
        judged = Judged(channel, Verdict.ADOPTED, None, wanted.tenant, phone_number_id, rests=True)
        self._taken[phone_number_id or ""] = judged
        self._clients[channel.client_id or ""] = wanted.tenant
        return judged

    def _against(
        self, channel: Channel, wanted: Wanted, phone_number_id: str, there: Number | None
    ) -> Why | None:
        """What speaks against taking a channel in."""
        if wanted.phone_number_id and _shaped(channel) and channel.external_id != wanted.phone_number_id:
            return Why.OTHER_NUMBER
        if there is not None:
            return Why.OTHER_CHANNEL if there.tenant == wanted.tenant else Why.OTHER_TENANT
        before = self._taken.get(phone_number_id)
        if before is not None and before.channel.id != channel.id:
            return Why.OTHER_CHANNEL
        client = self._ports.store.read(ClientRecord, self._ports.hub, channel.client_id or "")
        others = client is not None and client.is_owned_by_other(wanted.tenant)
        claimed = self._clients.get(channel.client_id or "", wanted.tenant) != wanted.tenant
        return Why.CLIENT_OF_OTHER if others or claimed else None

    # -- taking it in

    def _adopt(self, channel: Channel, judged: Judged) -> Judged:
        """Write number, client and signup as one; whoever was faster is seen, and the channel judged anew."""
        for tries in range(TRIES):
            try:
                self._ports.store.commit(*self._records(channel, judged))
            except Conflict:
                pause(self._ports, tries)
                judged = self._judge(channel, number_of(self._ports, channel))
                if judged.verdict is not Verdict.ADOPTED:
                    return judged
            else:
                self._ports.telemetry.count("NumbersAdopted")
                return judged
        return Judged(channel, Verdict.FAILED)

    def _records(self, channel: Channel, judged: Judged) -> Sequence[Stored]:
        ports, now = self._ports, self._ports.clock.now()
        wanted = self._wanted.of(channel)
        tenant, client_id, waba_id = judged.tenant or "", channel.client_id or "", channel.waba_id or ""
        made = Signup.adopted(tenant=tenant, hub=ports.hub, client_id=client_id, waba_id=waba_id, now=now)
        made.reference = wanted.reference if wanted else None
        signup = ports.store.read(Signup, made.id) or made
        number = Number(
            phone_number_id=judged.phone_number_id or "",
            tenant=tenant,
            signup_id=signup.id,
            reference=wanted.reference if wanted else None,
            hub=ports.hub,
            waba=WabaOf(id=waba_id),
            plan_tier=ADOPTED_TIER,
            created_at=now,
        )
        life.adopt(number, channel, now)
        heard = take_up(ports, number, channel_place(ports.hub, channel.id or ""))
        signup.gain(number.phone_number_id, number.standing, now)
        return [number, signup, *heard, *self._client(client_id, tenant)]

    def _client(self, client_id: str, tenant: str) -> list[ClientRecord]:
        """That the client is the tenant's, where that is not written down yet."""
        record = self._ports.store.read(ClientRecord, self._ports.hub, client_id)
        if record is not None and record.client_id is not None:
            return []
        record = record or ClientRecord(hub=self._ports.hub, name=client_id, tenant=tenant)
        record.tenant, record.client_id = tenant, client_id
        return [record]


def _of(number: Number | None, channel: Channel, verdict: Verdict, why: Why | None = None) -> Judged:
    if number is None:
        return Judged(channel, verdict, why)
    return Judged(channel, verdict, why, number.tenant, number.phone_number_id, number.rests)


def _known(channel: Channel, number: Number, named: Wanted | None) -> Judged:
    """A channel whose number is here: whoever names another tenant or number for it is contradicted."""
    if named is not None and named.tenant != number.tenant:
        return _of(number, channel, Verdict.CONTRADICTS, Why.OTHER_TENANT)
    if named is not None and named.phone_number_id not in {None, number.phone_number_id}:
        return _of(number, channel, Verdict.CONTRADICTS, Why.OTHER_NUMBER)
    return _of(number, channel, Verdict.KNOWN)


def _shaped(channel: Channel) -> bool:
    """Whether `external_id` can be Meta's id of the number, and not the account's or the number itself."""
    named = channel.external_id or ""
    others = {channel.waba_id, channel.digits, *_spelled(channel)}
    return META_ID.fullmatch(named) is not None and named not in others


def _spelled(channel: Channel) -> set[str]:
    return {"".join(character for character in channel.phone if character.isdecimal())}


def _phone_number_id(channel: Channel, wanted: Wanted) -> str | None:
    return wanted.phone_number_id or (channel.external_id if _shaped(channel) else None)


def _lacks(channel: Channel, phone_number_id: str | None) -> Why | None:
    """What 360dialog does not say of a channel and a record cannot do without."""
    if phone_number_id is None:
        return Why.NO_PHONE_NUMBER_ID
    if channel.waba_id is None:
        return Why.NO_WABA
    if channel.client_id is None:
        return Why.NO_CLIENT
    return None if channel.digits else Why.NO_PHONE
