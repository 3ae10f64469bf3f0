"""``onramp signups``: what customers have begun, also what never came further than the popup."""

from typing import Annotated, Any

import typer

from ops.commands import cost, lost, watching
from ops.commands.watching import For, watch
from ops.running import Limit, Run, Since, Until, command, group, moment
from ops.stage.configuration import UnusableError

type Json = dict[str, Any]

COLUMNS = ("created_at", "id", "status", "tenant", "reference", "client.email", "client.name")
CALLS = 5
"""Partner calls that one failed number takes at most until it goes on."""
_WELL = {"connected": True, "attention": False, "expired": False}

app = group("What customers have begun, also what never came further than the popup.")
Name = Annotated[str, typer.Argument(metavar="SIGNUP_ID", help="Our own id.")]
Tenant = Annotated[str | None, typer.Option(metavar="TENANT", help="Of this tenant alone.")]


def spanned(since: str | None, until: str | None) -> dict[str, str]:
    """The span of a command line, as the desk takes it. Raises `UnusableError`."""
    given = {"since": moment(since), "until": moment(until)}
    return {name: at.isoformat() for name, at in given.items() if at is not None}


@command(app, "list")
def listed(
    run: Run,
    *,
    tenant: Tenant = None,
    status: Annotated[str | None, typer.Option(help="In this state alone: open, attention, …")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
) -> None:
    """List signups, the last to be opened first; without --since those of 90 days."""
    with run.desk() as desk:
        found = desk.items("signups.list", limit=limit, tenant=tenant, status=status, **spanned(since, until))
        run.console.items(found, COLUMNS, none="no signups")


@command(app, "find")
def find(
    run: Run,
    *,
    email: Annotated[str | None, typer.Option(help="The client's, in any way to write it.")] = None,
    reference: Annotated[str | None, typer.Option(help="What your own system gave.")] = None,
    digits: Annotated[str | None, typer.Option(help="A phone number, however it is written.")] = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
) -> None:
    """Find signups by email, reference, digits, or by the time they were opened at.

    By email and reference those of 90 days are looked through, or of the span that is given.
    """
    if not (email or reference or digits or since or until):
        raise UnusableError("say what to look for: --email, --reference, --digits or --since")
    name = "signups.find" if email or reference or digits else "signups.list"
    sought = {"email": email, "reference": reference, "digits": digits} if name == "signups.find" else {}
    with run.desk() as desk:
        found = desk.items(name, limit=limit, tenant=tenant, **sought, **spanned(since, until))
        run.console.items(found, COLUMNS, none="no such signup")


@command(app, "show")
def show(run: Run, name: Name) -> None:
    """Show a signup with its numbers and all that happened."""
    with run.desk() as desk:
        found = desk.ask("signups.show", signup_id=name)

    def text() -> None:
        signup = found["signup"]
        run.console.fields({key: value for key, value in signup.items() if key != "numbers"})
        if signup["numbers"]:
            run.console.table(
                signup["numbers"], ("phone_number_id", "display_phone_number", "status", "channel_id")
            )
        run.console.table(found["timeline"], ("at", "type", "phone_number_id", "detail"))

    run.console.answer(found, text)


@command(app, "watch")
def watched(run: Run, name: Name, how_long: For = "10m") -> int:
    """Tell what changes, until the signup is connected, needs a person, or has expired."""
    watching.seconds(how_long)
    with run.desk() as desk:
        return watch(
            run,
            how_long,
            lambda: _state(desk.ask("signups.show", signup_id=name)),
            lambda state: f"{state['status']}  {state['numbers'] or ''}".rstrip(),
            lambda state: _WELL.get(str(state["status"])),
        )


def _state(found: Json) -> Json:
    signup = found["signup"]
    return {
        "id": signup["id"],
        "status": signup["status"],
        "numbers": ", ".join(f"{one['phone_number_id']} {one['status']}" for one in signup["numbers"]),
        "updated_at": signup["updated_at"],
    }


@command(app, "retry", spends="five at most for each failed number")
def retry(run: Run, name: Name) -> None:
    """Run the signup's failed numbers again, each from the step that failed."""
    with run.desk() as desk:
        numbers = desk.ask("signups.show", signup_id=name)["signup"]["numbers"]
        failed = sum(number["status"] == "failed" for number in numbers)
        cost.tell(run, desk, calls=CALLS * max(failed, 1))
        found = desk.ask("signups.retry", signup_id=name)["signup"]
    run.console.answer(found, f"{found['id']} is {found['status']}")


lost.add_to(app)
