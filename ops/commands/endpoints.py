"""`onramp endpoints`: where notifications go, and whether they arrive."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from ops.console import FAILED
from ops.running import Failed, Run, command, group

app: Final = group("Where notifications go, with which keys, and whether they arrive.")

TESTED_WITHIN: Final = 40.0
"""Seconds until a test event must have been tried: a post may take 15, a cold start some more."""
_PAUSE: Final = 1.0

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its name in the configuration.")]


@command(app, "list")
def listed(run: Run) -> None:
    """List the endpoints that the configuration names: their state and the public halves of their keys."""
    with run.desk() as desk:
        run.console.items(
            desk.items("endpoints.list"),
            {
                "name": lambda row: row["name"],
                "status": lambda row: row["status"],
                "url": lambda row: row["url"],
                "events": lambda row: " ".join(row["events"]),
                "failing since": lambda row: row["failing_since"],
                "disabled": lambda row: row["disabled_why"],
                "public key": lambda row: row["keys"][0]["public"] if row["keys"] else None,
            },
            none="the configuration names no endpoint",
        )


@command(app, "test")
def test(run: Run, endpoint: Endpoint) -> int:
    """Send a test event, also to a disabled endpoint, and tell what it answers."""
    with run.desk() as desk:
        made = desk.ask("endpoints.test", endpoint=endpoint)["delivery"]
        delivery = tried(
            lambda: dict(desk.ask("deliveries.show", delivery_id=made["delivery_id"])["delivery"])
        )
    last = delivery["tries"][-1]
    run.console.answer(delivery, f"{endpoint}: {told(last)} in {last['milliseconds']} ms")
    return 0 if delivery["state"] == "delivered" else FAILED


@command(app, "rotate", asks=True)
def rotate(
    run: Run,
    endpoint: Endpoint,
    overlap: Annotated[
        int, typer.Option("--overlap", metavar="HOURS", min=0, max=168, help="Old keys sign beside new ones.")
    ] = 24,
) -> None:
    """Make new keys and show them, this once. The old ones sign beside them until the overlap is over."""
    run.consent(f"New keys for {endpoint}; those before end in {overlap} h")
    with run.desk() as desk:
        made = desk.ask("endpoints.rotate", endpoint=endpoint, overlap_hours=overlap)
    run.console.answer(
        made,
        f"secret (v1)      {made['secret']}\npublic key (v1a) {made['public']}\n"
        "The secret is shown this once: put it where the endpoint's application reads it.",
    )


@command(app, "enable")
def enable(run: Run, endpoint: Endpoint) -> None:
    """Begin anew with an endpoint that was disabled, or that rests."""
    with run.desk() as desk:
        done = desk.ask("endpoints.enable", endpoint=endpoint)["endpoint"]
    run.console.answer(
        done,
        f"{endpoint} is sent to again; what failed meanwhile:"
        f" onramp deliveries resend --endpoint {endpoint} --since <when it began>",
    )


def tried(
    look: Callable[[], dict[str, Any]],
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Look at a delivery until it was tried. Raises `Failed` when nobody does."""
    until = now() + TESTED_WITHIN
    while True:
        delivery = look()
        if delivery["tries"]:
            return delivery
        if now() > until:
            raise Failed(
                "the test event was not tried: is the function notification_sender well? onramp logs"
                f" notification_sender; onramp deliveries show {delivery['delivery_id']}"
            )
        sleep(_PAUSE)


def told(last: dict[str, Any]) -> str:
    """What a try brought, in words."""
    return f"answered {last['status']}" if last.get("status") else f"no answer ({last.get('code')})"
