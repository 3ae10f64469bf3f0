"""`onramp deliveries`: what was sent to the partner's endpoints, and sent again."""

from typing import Annotated, Any, Final

import typer

from ops.commands.endpoints import told
from ops.console import FAILED, Columns
from ops.desk import Desk
from ops.running import Failed, Limit, Run, Since, command, group, moment, one_of
from ops.stage.configuration import UnusableError

app: Final = group("What was sent to endpoints: by endpoint or by signup, and sent again.")

STATES: Final = ("pending", "delivered", "failed")
COLUMNS: Final[Columns] = {
    "created": lambda row: row["created_at"],
    "type": lambda row: row["type"],
    "endpoint": lambda row: row["endpoint"],
    "state": lambda row: row["state"],
    "last try": lambda row: told(row["tries"][-1]) if row.get("tries") else None,
    "failure": lambda row: row.get("failure"),
    "next try": lambda row: row.get("due_at"),
    "id": lambda row: row["delivery_id"],
}

ByEndpoint = Annotated[str | None, typer.Option("--endpoint", metavar="NAME", help="Those of one endpoint.")]
BySignup = Annotated[str | None, typer.Option("--signup", metavar="ID", help="Those of one signup.")]
Delivery = Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, as a list shows it.")]


@command(app, "list")
def listed(  # noqa: PLR0917 - options of a command
    run: Run,
    endpoint: ByEndpoint = None,
    signup: BySignup = None,
    state: Annotated[
        str | None, typer.Option("--state", parser=one_of(*STATES), help=", ".join(STATES))
    ] = None,
    since: Since = None,
    limit: Limit = 100,
) -> None:
    """List deliveries, newest first: of one endpoint, of one signup, or of all endpoints."""
    begin = moment(since)
    asked = {"state": state, "since": begin.isoformat() if begin else None}
    with run.desk() as desk:
        if signup is not None:
            found = list(desk.items("deliveries.list", limit=limit, signup_id=signup, **asked))
            found = [row for row in found if endpoint in {None, row["endpoint"]}]
        else:
            found = [
                row
                for name in _endpoints(desk, endpoint)
                for row in desk.items("deliveries.list", limit=limit, endpoint=name, **asked)
            ]
    newest = sorted(found, key=lambda row: str(row["created_at"]), reverse=True)[:limit]
    run.console.items(newest, COLUMNS, none="no deliveries")


@command(app, "show")
def show(run: Run, delivery: Delivery) -> None:
    """Show one delivery: its tries, and what it tells."""
    with run.desk() as desk:
        run.console.answer(desk.ask("deliveries.show", delivery_id=delivery)["delivery"])


@command(app, "resend", asks=True)
def resend(
    run: Run,
    delivery: Annotated[str | None, typer.Argument(metavar="DELIVERY", help="One, by its id.")] = None,
    endpoint: ByEndpoint = None,
    since: Since = None,
) -> int:
    """Send one again, or all that have failed since a time. Each keeps its `webhook-id`."""
    if (delivery is None) == (since is None):
        raise UnusableError("name one delivery, or say --since when those that failed are meant")
    with run.desk() as desk:
        if delivery is not None:
            found = desk.ask("deliveries.resend", delivery_id=delivery)["items"]
        else:
            begin = moment(since)
            names = _endpoints(desk, endpoint)
            run.consent(f"Send again all that has failed since {since}, to {', '.join(names)}")
            found = _all(run, desk, names, begin.isoformat() if begin else "")
    run.console.answer({"resent": len(found), "items": found}, f"{len(found):,} sent again")
    return 0 if found or since else FAILED


def _all(run: Run, desk: Desk, names: list[str], since: str) -> list[dict[str, Any]]:
    begun: list[dict[str, Any]] = []
    with run.console.progress("sending again") as progress:
        for name in names:
            for page in desk.pages("deliveries.resend", endpoint=name, since=since):
                begun += page["items"]
                progress(f"{len(begun):,}")
    return begun


def _endpoints(desk: Desk, endpoint: str | None) -> list[str]:
    """The endpoint that is meant, or all. Raises `Failed` when there is none, or no such one."""
    names = [str(row["name"]) for row in desk.items("endpoints.list")]
    if endpoint is not None:
        if endpoint not in names:
            raise Failed(
                f"no such endpoint: {endpoint}; the configuration names {', '.join(names) or 'none'}"
            )
        return [endpoint]
    if not names:
        raise Failed("the configuration names no endpoint: nothing is sent")
    return names
