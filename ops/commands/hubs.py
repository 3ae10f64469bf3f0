"""``onramp hubs``: the partners at 360dialog that a stage works for, and what they have there."""

from typing import Annotated, Any, Final

import typer

from ops.commands import cost
from ops.console import DONE, FAILED, Columns
from ops.running import Run, command, group

type Json = dict[str, Any]

app = group("The partners at 360dialog that this stage works for.")

Hub = Annotated[
    str | None, typer.Option("--hub", metavar="NAME", help="One of `hubs list`; else the one of [partner].")
]


def _money(amounts: list[Json]) -> str:
    return ", ".join(f"{one['total']} {one['currency']}" for one in amounts)


COLUMNS: Final[Columns] = {
    "hub": lambda row: row["hub"],
    "partner": lambda row: row["partner_id"],
    "solution": lambda row: row["solution_id"],
    "messages to": lambda row: row["messaging"] or "webhook_url",
    "budget": lambda row: f"{row['budget_calls']} in {row['budget_window_seconds']:g} s",
    "channels": lambda row: row["channels"],
    "census": lambda row: row["census_at"],
    "balance": lambda row: _money(row["balance"]["amounts"]) if row["balance"] else None,
    "low since": lambda row: row["balance"]["low_since"] if row["balance"] else None,
}


@command(app, "list")
def listed(run: Run) -> None:
    """List the hubs, with what the last census and the last look at the balance have found."""
    with run.desk() as desk:
        run.console.items(desk.items("hubs.list"), COLUMNS)


@command(app, "balance", spends="one")
def balance(run: Run, hub: Hub = None) -> int:
    """Ask 360dialog what a partner has. Ends with 1 when that is below what the stage watches."""
    with run.desk() as desk:
        cost.tell(run, desk, calls=1, hub=hub)
        found = cost.ask(run, desk, "hubs.balance", hub=hub)
        run.console.answer(found, f"{found['hub']}: {_money(found['amounts'])}")
        return FAILED if found["low"] else DONE
