"""``onramp channels``: 360dialog's channels beside your numbers, and taking them in."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from onramp.domain.text import from_iso
from ops.commands import cost, mapping
from ops.commands.hubs import Hub
from ops.commands.keys import Keys
from ops.commands.mapping import Rows, Whose
from ops.console import DONE, FAILED, Columns
from ops.desk import Desk
from ops.running import Run, command, group, one_of
from ops.stage.configuration import UnusableError

type Json = dict[str, Any]

app = group("360dialog's channels beside your numbers.")

COLUMNS: Final[Columns] = {
    "channel": lambda row: row["channel_id"],
    "client": lambda row: row["client_id"],
    "phone number": lambda row: row["phone_number"],
    "name": lambda row: row["name"],
    "state": lambda row: row["progress"],
    "billed": lambda row: row["billed"],
    "ours": lambda row: row["ours"],
    "tenant": lambda row: (row["number"] or {}).get("tenant"),
    "number": lambda row: (row["number"] or {}).get("phone_number_id"),
}
SAID: Final = {
    "adopted": "are taken in",
    "known": "are numbers of this stage already",
    "needs_tenant": "are nobody's here, and nothing says whose they are to be",
    "ended": "have ended",
    "contradicts": "contradict what is here",
    "incomplete": "cannot be taken in: 360dialog does not say enough of them",
    "failed": "could not be dealt with: run it again",
}
"""What the verdicts mean, for a person."""
WHY: Final = {
    "number_of_other_tenant": "the number belongs to another tenant here",
    "client_of_other_tenant": "the client belongs to another tenant here",
    "other_phone_number_id": "360dialog, or the record, names another phone_number_id",
    "number_has_other_channel": "the number has another channel here",
    "no_phone_number_id": "no phone_number_id of Meta's: name it in the mapping",
    "no_waba": "no WABA id: give it time, or ask 360dialog",
    "no_client": "no client id: ask 360dialog",
    "no_phone_number": "no phone number yet: give it time",
}
"""Why a channel is not taken in, for a person."""
UNDONE: Final = ("contradicts", "failed")
"""Verdicts that mean that what was asked for was not done."""
SILENT: Final = ("adopted", "known", "ended")
"""Verdicts that are counted and not listed."""

Only = Annotated[
    str | None,
    typer.Option("--only", parser=one_of("known", "unknown", "ended"), help="Only channels that are so."),
]


@command(app, "list", spends="one for each 200 channels")
def listed(run: Run, *, only: Only = None, hub: Hub = None) -> None:
    """List 360dialog's channels beside your numbers: known, unknown or ended."""
    with run.desk() as desk:
        cost.tell(run, desk, hub=hub)
        found = (item for item in _channels(run, desk, hub) if only in {None, item["ours"]})
        run.console.items(found, COLUMNS)


@command(app, "orphans", spends="one for each 200 channels")
def orphans(run: Run, hub: Hub = None) -> None:
    """List channels that are billed and no number's of this stage: nobody here would ever end them."""
    with run.desk() as desk:
        cost.tell(run, desk, hub=hub)
        found = (item for item in _channels(run, desk, hub) if item["orphan"])
        run.console.items(found, COLUMNS, none="every channel that is billed is a number of this stage")


@command(app, "census", spends="one for each 200 channels, in the round that begins")
def census(
    run: Run,
    *,
    wake: Annotated[bool, typer.Option(help="Let a round begin, as soon as one may.")] = True,
    hub: Hub = None,
) -> None:
    """Let a census begin, and show what the last one found."""
    with run.desk() as desk:
        if wake:
            cost.tell(run, desk, hub=hub)
        found = desk.ask("channels.census", wake=wake, hub=hub)
        run.console.answer(found)
        if found["woken"] and found["not_before"] and from_iso(found["not_before"]) > datetime.now(UTC):
            run.console.note(f"a round begins at {found['not_before']} at the earliest")


def _channels(run: Run, desk: Desk, hub: str | None) -> Iterator[Json]:
    for page in cost.pages(run, desk, "channels.list", hub=hub):
        yield from page["items"]


# --- adoption ------------------------------------------------------------------------------------------

File = Annotated[
    Path | None,
    typer.Argument(
        help="Whose they are: CSV or JSON with channel_id, client_id or email; tenant; reference."
    ),
]
Tenant = Annotated[
    str | None, typer.Option(help="The tenant of every channel that the file does not name and nobody has.")
]
Reference = Annotated[str | None, typer.Option(help="The reference that goes with --tenant.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and end.")]
WithKeys = Annotated[
    bool, typer.Option("--keys", help="Make a key for each, too. The key that is in use now dies.")
]


@command(
    app,
    "adopt",
    asks=True,
    spends="one for each 200 channels, twice unless with --dry-run; with --keys one for each number",
)
def adopt(
    run: Run,
    *,
    file: File = None,
    tenant: Tenant = None,
    reference: Reference = None,
    dry_run: DryRun = False,
    keys: WithKeys = False,
    hub: Hub = None,
) -> int:
    """Take channels that 360dialog has already into the stage, as numbers of your tenants.

    Says first what would be done, then asks. Keys and webhooks stay as they are, unless --keys is given.
    Running it again changes nothing.
    """
    rows = mapping.read(file) if file else Rows()
    if not file and tenant is None:
        raise UnusableError("whose are they? Name a mapping file, or --tenant for all")
    if reference is not None and tenant is None:
        raise UnusableError("--reference goes with --tenant")
    with run.desk() as desk:
        cost.tell(run, desk, lists=(1 if dry_run else 2) + bool(rows.emails), hub=hub)
        plan = Plan(rows.channels, _clients(run, desk, rows, hub), _whose(tenant, reference), hub)
        foretold = Adoption(run, desk, plan, _judge(run, desk, plan, dry_run=True))
        if dry_run:
            return foretold.end(dry_run=True)
        foretold.show()
        foretold.ask(keys=keys)
        adoption = foretold.done() if foretold.counts["adopted"] else foretold
        return adoption.end(keys=adoption.make_keys() if keys else None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose the channels of a hub are to be: by channel, by client, and the rest."""

    channels: dict[str, Whose]
    clients: dict[str, Whose]
    rest: Whose | None
    hub: str | None = None

    def covers(self, item: Mapping[str, Any]) -> bool:
        """Whether a channel of ours is one of those that are meant."""
        named = self.channels.get(item["channel_id"]) or self.clients.get(item["client_id"])
        whose = named or self.rest
        return whose is not None and whose["tenant"] == item["tenant"]


def _whose(tenant: str | None, reference: str | None) -> Whose | None:
    if tenant is None:
        return None
    return {"tenant": tenant} | ({"reference": reference} if reference else {})


def _clients(run: Run, desk: Desk, rows: Rows, hub: str | None) -> dict[str, Whose]:
    """The rows by client: emails are looked up in 360dialog's list of clients."""
    found: dict[str, str] = {}
    if rows.emails:
        for page in cost.pages(run, desk, "channels.clients", emails=sorted(rows.emails), hub=hub):
            found |= {item["client_id"]: item["email"] for item in page["items"]}
    missing = rows.emails.keys() - found.values()
    if missing:
        run.console.note(f"{len(missing)} of the emails are no client's at 360dialog")
    return rows.by_clients(found)


def _judge(run: Run, desk: Desk, plan: Plan, *, dry_run: bool) -> list[Json]:
    items: list[Json] = []
    with run.console.progress("what would be done" if dry_run else "taking in") as progress:
        pages = cost.pages(
            run,
            desk,
            "channels.adopt",
            dry_run=dry_run,
            channels=plan.channels,
            clients=plan.clients,
            rest=plan.rest,
            hub=plan.hub,
        )
        for page in pages:
            items += page["items"]
            progress(f"{len(items):,} channels")
    return items


@dataclass
class Adoption:
    """What became, or would become, of all channels."""

    run: Run
    desk: Desk
    plan: Plan
    items: Sequence[Json]
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counter(item["verdict"] for item in self.items)

    def done(self) -> "Adoption":
        """The same, and this time it is done."""
        return Adoption(self.run, self.desk, self.plan, _judge(self.run, self.desk, self.plan, dry_run=False))

    def show(self) -> None:
        """What would be done, for whoever is asked: beside the answer."""
        for line in self._lines():
            self.run.console.note(line)

    def ask(self, *, keys: bool) -> None:
        """Ask before it is done. Raises `UnusableError`."""
        count = self.counts["adopted"]
        keyed = len(self._without_keys()) if keys else 0
        if not count and not keyed:
            return
        text = f"{count} channels become numbers of this stage"
        if keyed:
            text += f", and {keyed} keys are made anew: the keys in use now die"
        self.run.consent(text)

    def make_keys(self) -> Json:
        """A key for each number that rests, one after the other, with spare calls alone."""
        names = [item["phone_number_id"] for item in self._without_keys()]
        cost.tell(self.run, self.desk, calls=len(names), hub=self.plan.hub)
        return Keys(self.run, self.desk).make(names)

    def _without_keys(self) -> list[Json]:
        return [
            item
            for item in self.items
            if item["rests"] and item["verdict"] in {"adopted", "known"} and self.plan.covers(item)
        ]

    def end(self, *, dry_run: bool = False, keys: Json | None = None) -> int:
        """The answer, and the exit code."""
        result = {"dry_run": dry_run, "counts": dict(self.counts), "items": list(self.items), "keys": keys}
        self.run.console.answer(result, "\n".join(self._lines(keys)))
        undone = any(self.counts[verdict] for verdict in UNDONE)
        return FAILED if undone or (keys and keys["failed"]) else DONE

    def _lines(self, keys: Json | None = None) -> list[str]:
        lines = [
            f"{self.counts[verdict]:>7,} {text}" for verdict, text in SAID.items() if self.counts[verdict]
        ]
        lines = lines or ["360dialog has no channels"]
        lines += [_told(item) for item in self.items if item["verdict"] not in SILENT]
        if keys is not None:
            lines.append(f"{len(keys['made']):>7,} keys are made")
            lines += [f"{item['phone_number_id']}: no key ({item['why']})" for item in keys["failed"]]
        return lines


def _told(item: Mapping[str, Any]) -> str:
    why = WHY.get(item["why"] or "", item["why"] or SAID.get(item["verdict"], item["verdict"]))
    return f"{item['channel_id']} of client {item['client_id'] or '-'}: {item['verdict']}, {why}"
