"""``onramp channel``: end a channel at 360dialog, or take that back, as the operator."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from onramp.domain.number import Number, channel_place
from onramp.domain.records import HUB
from ops.doctor.findings import Stop
from ops.doctor.http import new_client
from ops.doctor.local import stage_of
from ops.doctor.records import ports_of
from ops.doctor.stage import Stage
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, Failed, actions, add_consent, require_consent, run_action, tell

PATIENCE: Final = 120.0
"""Seconds for a place in the partner's budget."""
_TEXT: Final = (
    "The client is found by the channel's number; for a channel that no number of ours has, name it."
)
DESCRIPTION: Final = Description(
    help="end a channel at 360dialog, or take that back",
    description="For what has no tenant who could do it: a channel that is billed and unknown.",
)
_CANCEL: Final = Description(
    help="ask 360dialog to end it", description=f"Billing runs to the end of the month. {_TEXT}"
)
_REACTIVATE: Final = Description(
    help="take the end back", description=f"Until the channel has ended. {_TEXT}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    found = actions(parser, {"cancel": (_CANCEL, _cancel), "reactivate": (_REACTIVATE, _reactivate)})
    for action in found.values():
        action.add_argument("channel", metavar="CHANNEL_ID", help="360dialog's id of the channel")
        action.add_argument("--client", metavar="CLIENT_ID", help="360dialog's id of its client")
        add_consent(action)


def run(given: argparse.Namespace) -> int:
    """Run an action. Returns the exit status."""
    return run_action(given, "channel")


def _cancel(found: Reached, given: argparse.Namespace) -> int:
    require_consent(given, f"channel {given.channel} is ended at 360dialog")
    return _ask(found, given, ending=True)


def _reactivate(found: Reached, given: argparse.Namespace) -> int:
    return _ask(found, given, ending=False)


def _ask(found: Reached, given: argparse.Namespace, *, ending: bool) -> int:
    with _staged(found) as stage:
        try:
            client = given.client or _client_of(stage, given.channel)
            answer = stage.partner.set_ending(client, given.channel, ending=ending)
        except Stop as stop:
            raise Failed(stage.conceal(stop.finding.detail)) from None
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise Failed(f"360dialog knows no channel {given.channel} of client {client} (404)")
    if not answer.is_success:
        raise Failed(f"360dialog answers {answer.status_code}: nothing was done")
    tell(f"360dialog {'will end' if ending else 'keeps'} channel {given.channel} of client {client}")
    return DONE


@contextmanager
def _staged(found: Reached) -> Iterator[Stage]:
    with new_client() as http:
        yield stage_of(found, http, patience=PATIENCE)


def _client_of(stage: Stage, channel: str) -> str:
    store = ports_of(stage).store
    names = store.numbers_at(channel_place(HUB, channel), 1)
    number = store.read(Number, names[0]) if names else None
    if number is None or number.client_id is None:
        raise UnusableError(f"no number of ours has the channel {channel}: name its --client")
    return number.client_id
