"""``onramp events``: what 360dialog has sent, and what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from onramp.domain.text import from_iso
from ops.commands import hand_over
from ops.commands.hubs import Hub
from ops.commands.signups import spanned
from ops.commands.watching import For, Pauses
from ops.desk import Desk
from ops.running import Limit, Run, Since, Until, command, group, moment

type Json = dict[str, Any]

COLUMNS: Final = (
    "received_at",
    "id",
    "name",
    "outcome",
    "channel_id",
    "waba_id",
    "phone_number_id",
    "reason",
)
LAG: Final = timedelta(seconds=30)
"""An index may lag: so far back a tail looks again."""

app = group("360dialog's events, and what became of them. They are kept for 30 days.")
Channel = Annotated[str | None, typer.Option(metavar="ID", help="About this channel.")]
Number = Annotated[str | None, typer.Option(metavar="PHONE_NUMBER_ID", help="About this number.")]
Outcome = Annotated[str | None, typer.Option(help="With this outcome: applied, unresolved, given_up, …")]
Named = Annotated[str | None, typer.Option("--name", help="Of this name; channel_* for all that begin so.")]
Id = Annotated[str, typer.Argument(metavar="EVENT_ID", help="360dialog's id of it.")]


@command(app, "list")
def listed(
    run: Run,
    *,
    channel: Channel = None,
    number: Number = None,
    outcome: Outcome = None,
    named: Named = None,
    hub: Hub = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
) -> None:
    """List events, the last first. Those about no channel are found by time and name."""
    with run.desk() as desk:
        found = desk.items(
            "events.list",
            limit=limit,
            channel_id=channel,
            phone_number_id=number,
            outcome=outcome,
            name=named,
            hub=hub,
            **spanned(since, until),
        )
        run.console.items(found, COLUMNS, none="no events")


@command(app, "show")
def show(run: Run, name: Id, hub: Hub = None) -> None:
    """Show an event, and what of it is used; contacts and chats are shown to nobody."""
    with run.desk() as desk:
        run.console.answer(desk.ask("events.show", event_id=name, hub=hub))


@command(app, "replay")
def replay(
    run: Run,
    name: Id,
    *,
    again: Annotated[bool, typer.Option("--again", help="Although it was given up.")] = False,
    hub: Hub = None,
) -> None:
    """Let an event go through the queue again, under its id: one that has acted does nothing more."""
    with run.desk() as desk:
        found = desk.ask("events.replay", event_id=name, again=again, hub=hub)
    outcome = "it may act" if found["may_act"] else f"it has acted already ({found['event']['outcome']})"
    run.console.answer(found, f"{name} is queued; {outcome}")


@command(app, "tail")
def tail(
    run: Run,
    *,
    channel: Channel = None,
    number: Number = None,
    outcome: Outcome = None,
    named: Named = None,
    hub: Hub = None,
    since: Since = None,
    how_long: For = "1h",
) -> None:
    """Tell events as they come, until Ctrl-C or the end of --for."""
    pauses = Pauses(how_long)
    begin = moment(since) or datetime.now(UTC)
    asked: Json = {
        "channel_id": channel,
        "phone_number_id": number,
        "outcome": outcome,
        "name": named,
        "hub": hub,
    }
    with run.desk() as desk:
        tailed = _Tail(desk, asked, begin)
        while True:
            new = tailed.look()
            for event in new:
                run.console.each(event, "  ".join(str(event[name] or "-") for name in COLUMNS))
            if not pauses.wait(changed=bool(new)):
                return


class _Tail:
    """What has come since the last look, the first first; each event once for each of its outcomes."""

    def __init__(self, desk: Desk, asked: Json, begin: datetime) -> None:
        self._desk = desk
        self._asked = asked
        self._since = begin
        self._told: dict[tuple[str, str], datetime] = {}

    def look(self) -> list[Json]:
        found = list(self._desk.items("events.list", since=self._since.isoformat(), **self._asked))
        new = [event for event in reversed(found) if _key(event) not in self._told]
        self._told |= {_key(event): from_iso(event["received_at"]) for event in new}
        latest = max(self._told.values(), default=self._since)
        self._since = max(self._since, latest - LAG)
        self._told = {key: at for key, at in self._told.items() if at >= self._since}
        return new


def _key(event: Json) -> tuple[str, str]:
    return str(event["id"]), str(event["outcome"])


hand_over.add_to(app)
