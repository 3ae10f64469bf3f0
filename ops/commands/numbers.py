"""``onramp numbers``: numbers of all tenants, and what can be asked for one."""

from typing import Annotated, Any, Final

import typer

from ops.commands import cost, watching
from ops.commands.signups import CALLS, Tenant, spanned
from ops.commands.watching import For, watch
from ops.running import Limit, Run, Since, Until, command, group

type Json = dict[str, Any]

COLUMNS: Final = (
    "phone_number_id",
    "display_phone_number",
    "status",
    "attention",
    "tenant",
    "channel_id",
    "signup_id",
)
_WELL: Final = {"connected": True, "cancelled": True, "failed": False, "restricted": False}

app = group("Numbers of all tenants, and what can be asked for one.")
Name = Annotated[str, typer.Argument(metavar="PHONE_NUMBER_ID", help="Meta's id.")]


@command(app, "list")
def listed(
    run: Run,
    *,
    tenant: Tenant = None,
    status: Annotated[str | None, typer.Option(help="In this state alone: failed, connected, …")] = None,
    digits: Annotated[str | None, typer.Option(help="A phone number, however it is written.")] = None,
    waba: Annotated[str | None, typer.Option(metavar="ID", help="Meta's WhatsApp Business Account.")] = None,
    channel: Annotated[str | None, typer.Option(metavar="ID", help="360dialog's channel.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
) -> None:
    """List numbers; without anything that names them those of the signups of 90 days."""
    with run.desk() as desk:
        found = desk.items(
            "numbers.list",
            limit=limit,
            tenant=tenant,
            status=status,
            digits=digits,
            waba_id=waba,
            channel_id=channel,
            **spanned(since, until),
        )
        run.console.items(found, COLUMNS, none="no numbers")


@command(app, "show")
def show(run: Run, name: Name) -> None:
    """Show a number, what is next for it, and all that happened."""
    with run.desk() as desk:
        found = desk.ask("numbers.show", phone_number_id=name)

    def text() -> None:
        run.console.fields(found["number"])
        run.console.table(found["timeline"], ("at", "type", "channel_id", "detail"))

    run.console.answer(found, text)


@command(app, "watch")
def watched(run: Run, name: Name, how_long: For = "10m") -> int:
    """Tell what changes, until nothing moves any more. Exit code 1: it failed, or is restricted."""
    watching.seconds(how_long)
    with run.desk() as desk:
        return watch(
            run,
            how_long,
            lambda: _state(desk.ask("numbers.show", phone_number_id=name)),
            lambda state: " ".join(
                str(value)
                for name, value in state.items()
                if name not in {"moves", "phone_number_id"} and value
            ),
            _ended,
        )


def _state(found: Json) -> Json:
    number = found["number"]
    failure = number["failure"]
    return {
        "phone_number_id": number["phone_number_id"],
        "status": number["status"],
        "attention": number["attention"],
        "channel_id": number["channel_id"],
        "failure": failure["code"] if failure else None,
        "waits_for": number["waits_for"]["code"] if number["waits_for"] else None,
        "moves": found["come_back_in"] is not None or number["wish"] is not None,
    }


def _ended(state: Json) -> bool | None:
    return None if state["moves"] else _WELL.get(str(state["status"]))


@command(app, "retry", spends="five at most until it goes on")
def retry(run: Run, name: Name) -> None:
    """Run a failed number again from the step that failed; prove and mend one that has drifted."""
    _ask(run, "numbers.retry", name, CALLS)


@command(app, "check", spends="one")
def check(run: Run, name: Name) -> None:
    """Prove a connected number now: channel, key, webhook. `numbers watch` tells what comes of it."""
    _ask(run, "numbers.check", name, 1)


@command(app, "cancel", asks=True, spends="two")
def cancel(run: Run, name: Name) -> None:
    """End a number's channel at 360dialog. Billing runs to the end of the month."""
    run.consent(f"the channel of number {name} is ended at 360dialog")
    _ask(run, "numbers.cancel", name, 2)


@command(app, "reactivate", spends="two")
def reactivate(run: Run, name: Name) -> None:
    """Take the end of a number's channel back, until it has ended."""
    _ask(run, "numbers.reactivate", name, 2)


@command(app, "release", asks=True)
def release(
    run: Run,
    name: Name,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Although 360dialog has a channel of it, or may have.")
    ] = False,
) -> None:
    """Take a number from its tenant, so that whoever proves it may have it.

    Cancel it first: of one that is released by force the channel is billed on, and belongs to nobody here.
    """
    run.consent(f"number {name} is taken from its tenant")
    with run.desk() as desk:
        found = desk.ask("numbers.release", phone_number_id=name, force=force)
    state = "is free now" if found["changed"] else "was free already"
    run.console.answer(found, f"{name} {state}")


def _ask(run: Run, name: str, phone_number_id: str, calls: int) -> None:
    with run.desk() as desk:
        cost.tell(run, desk, calls=calls)
        found = desk.ask(name, phone_number_id=phone_number_id)["number"]
    run.console.answer(found, f"{found['phone_number_id']} is {found['status']}")
