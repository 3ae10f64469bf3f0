"""`channels.*`: 360dialog's channels beside our numbers, and taking them in."""

from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.census import SOON
from onramp.domain.text import iso
from onramp.inbound.desk import Answer, Asked, AtHub, Command, Name, PhoneNumberId
from onramp.inbound.models import Line
from onramp.ports import Ports
from onramp.usecases.adopt import Judged, Plan, Wanted, adopt_page
from onramp.usecases.channels import Beside, clients_named, list_page, wake_census

MOST_NAMED: Final = 20_000
"""Channels and clients that one call names: Lambda takes 6 MB."""

type Place = Annotated[str, Field(pattern=r"^[0-9]{1,7}$")]
"""Where a list of 360dialog's goes on: how many of its items lie before."""


class PageOfChannels(AtHub):
    """A page of 360dialog's channels, as many as it gives at once."""

    cursor: Place | None = None


class CensusAsked(AtHub):
    """Whether a round shall begin, as soon as one may."""

    wake: bool = True


class ClientsAsked(AtHub):
    """A page of 360dialog's clients, in search of some emails."""

    emails: Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMED)]
    cursor: Place | None = None


class Whose(Asked):
    """Whose a channel is to be. `phone_number_id` is Meta's, where 360dialog does not say it."""

    tenant: Line
    reference: Line | None = None
    phone_number_id: PhoneNumberId | None = None


class AdoptionAsked(AtHub):
    """A page of an adoption: whose each channel is to be, by its id, else by its client's, else by `rest`."""

    dry_run: bool
    channels: Annotated[dict[Name, Whose], Field(default_factory=dict, max_length=MOST_NAMED)]
    clients: Annotated[dict[Name, Whose], Field(default_factory=dict, max_length=MOST_NAMED)]
    rest: Whose | None = None
    cursor: Place | None = None


def listed(desk: Ports, asked: PageOfChannels) -> Answer:
    """`channels.list`."""
    page = list_page(desk, int(asked.cursor or 0))
    return {"items": [_beside(one) for one in page.items], "cursor": _cursor(page.next_offset)}


def _beside(one: Beside) -> dict[str, Any]:
    channel, number = one.channel, one.number
    return {
        "channel_id": channel.id,
        "client_id": channel.client_id,
        "waba_id": channel.waba_id,
        "phone_number_id": channel.external_id,
        "phone_number": channel.phone,
        "name": channel.name,
        "progress": channel.progress,
        "billed": channel.billed,
        "ours": one.ours,
        "orphan": one.is_orphan,
        "number": number
        and {
            "phone_number_id": number.phone_number_id,
            "tenant": number.tenant,
            "status": number.status,
            "rests": number.rests,
        },
    }


def census(desk: Ports, asked: CensusAsked) -> Answer:
    """`channels.census`."""
    found, woken = wake_census(desk, wake=asked.wake)
    ended = found.ended_at
    return {
        "woken": woken,
        "under_way": found.began_at is not None,
        "whole_since": found.whole_since and iso(found.whole_since),
        "ended_at": ended and iso(ended),
        "not_before": iso(ended + SOON) if ended and found.began_at is None else None,
        "channels": found.channels,
        "seen": found.seen,
        "unknown": list(found.unknown),
        "unknown_count": found.unknown_count,
    }


def clients(desk: Ports, asked: ClientsAsked) -> Answer:
    """`channels.clients`: which of 360dialog's clients have one of the emails."""
    page = clients_named(desk, asked.emails, int(asked.cursor or 0))
    items = [{"email": email, "client_id": client_id} for email, client_id in page.items]
    return {"items": items, "cursor": _cursor(page.next_offset)}


def adopt(desk: Ports, asked: AdoptionAsked) -> Answer:
    """`channels.adopt`."""
    page = adopt_page(desk, _plan(asked), int(asked.cursor or 0), dry_run=asked.dry_run)
    return {"items": [_judged(one) for one in page.items], "cursor": _cursor(page.next_offset)}


def _plan(asked: AdoptionAsked) -> Plan:
    return Plan(
        channels={name: _wanted(whose) for name, whose in asked.channels.items()},
        clients={name: _wanted(whose) for name, whose in asked.clients.items()},
        rest=_wanted(asked.rest) if asked.rest else None,
    )


def _wanted(whose: Whose) -> Wanted:
    return Wanted(whose.tenant, whose.reference, whose.phone_number_id)


def _judged(one: Judged) -> dict[str, Any]:
    return {
        "channel_id": one.channel.id,
        "client_id": one.channel.client_id,
        "phone_number": one.channel.phone,
        "name": one.channel.name,
        "verdict": one.verdict,
        "why": one.why,
        "tenant": one.tenant,
        "phone_number_id": one.phone_number_id,
        "rests": one.rests,
    }


def _cursor(offset: int | None) -> str | None:
    return None if offset is None else str(offset)


COMMANDS: Final = (
    Command("channels.list", "360dialog's channels beside our numbers", PageOfChannels, listed, spends=1),
    Command("channels.census", "What the last census found; and wake the next one", CensusAsked, census),
    Command("channels.clients", "360dialog's clients by their emails", ClientsAsked, clients, spends=1),
    Command("channels.adopt", "Take channels in", AdoptionAsked, adopt, changes=True, spends=1),
)
