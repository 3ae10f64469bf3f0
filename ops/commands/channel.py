"""``onramp channel``: end a channel at 360dialog, or take that back, as the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

import typer

from onramp.domain.number import Number, channel_place
from onramp.domain.records import HUB
from ops.commands.hubs import Hub
from ops.doctor.findings import Stop
from ops.doctor.http import new_client
from ops.doctor.local import stage_of
from ops.doctor.records import ports_of
from ops.doctor.stage import Stage
from ops.running import Failed, Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

PATIENCE: Final = 120.0
"""Seconds for a place in the partner's budget."""
app = group(
    "End a channel at 360dialog, or take that back: for what has no tenant who could do it, a channel that "
    "is billed and unknown."
)
Channel = Annotated[str, typer.Argument(metavar="CHANNEL_ID", help="360dialog's id of the channel.")]
Client = Annotated[
    str | None,
    typer.Option(
        metavar="CLIENT_ID",
        help="360dialog's id of its client (default: that of the channel's number; a channel that no number "
        "of ours has needs it).",
    ),
]


@command(app, "cancel", asks=True, spends="one")
def cancel(run: Run, channel: Channel, client: Client = None, hub: Hub = None) -> None:
    """Ask 360dialog to end a channel. Billing runs to the end of the month."""
    run.consent(f"channel {channel} is ended at 360dialog")
    _ask(run, channel, (client, hub), ending=True)


@command(app, "reactivate", asks=True, spends="one")
def reactivate(run: Run, channel: Channel, client: Client = None, hub: Hub = None) -> None:
    """Take the end of a channel back, until it has ended."""
    _ask(run, channel, (client, hub), ending=False)


type Named = tuple[str | None, str | None]
"""Client and hub, as far as somebody has named them."""


def _ask(run: Run, channel: str, named: Named, *, ending: bool) -> None:
    run.console.cost(1)
    with run.reached() as found:
        client = _asked(found, channel, named, ending=ending)
    run.console.answer(
        {"channel_id": channel, "client_id": client, "ending": ending},
        f"360dialog {'will end' if ending else 'keeps'} channel {channel} of client {client}",
    )


def _asked(found: Reached, channel: str, named: Named, *, ending: bool) -> str:
    """Ask 360dialog; gives the client. Raises `Failed`, `UnusableError`."""
    with _staged(found) as stage:
        try:
            client, hub = _where(stage, channel, named)
            desk = stage.partner if hub == HUB else stage.hubs[hub]
            answer = desk.set_ending(client, channel, ending=ending)
        except Stop as stop:
            raise Failed(stage.conceal(stop.finding.detail)) from None
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise Failed(f"360dialog knows no channel {channel} of client {client} (404)")
    if not answer.is_success:
        raise Failed(f"360dialog answers {answer.status_code}: nothing was done")
    return client


@contextmanager
def _staged(found: Reached) -> Iterator[Stage]:
    with new_client() as http:
        yield stage_of(found, http, patience=PATIENCE)


def _where(stage: Stage, channel: str, named: Named) -> tuple[str, str]:
    """The client and the hub: as named, else as the channel's number has them. Raises `UnusableError`."""
    client, hub = named
    if hub is not None and hub != HUB and hub not in stage.hubs:
        raise UnusableError(f"there is no hub {hub}; there are {', '.join((HUB, *stage.hubs))}")
    if client is not None:
        return client, hub or HUB
    store = ports_of(stage).store
    for place in [hub] if hub else (HUB, *stage.hubs):
        names = store.numbers_at(channel_place(place, channel), 1)
        number = store.read(Number, names[0]) if names else None
        if number is not None and number.client_id is not None:
            return number.client_id, place
    raise UnusableError(f"no number of ours has the channel {channel}: name its --client")
