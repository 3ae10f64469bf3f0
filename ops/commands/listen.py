"""`onramp listen`: what a stage notifies of, as it happens, to an address on this machine."""

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import httpx
import typer

from onramp.domain.signing import SECRET_BYTES, content_to_sign, headers_of, secret_of, sign_v1
from ops.desk import Desk
from ops.running import Failed, Run, command, group
from ops.stage.configuration import UnusableError

app: Final = group("What happens, as it happens.")

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
PAUSE: Final = 2.0
"""Seconds between two looks."""
PATIENCE: Final = 10.0
LAG: Final = timedelta(seconds=30)
"""So far back each look begins: an index may lag, and clocks differ."""
PAGE: Final = 100


@command(app, "listen")
def listen(
    run: Run,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="On this machine: http://localhost:…")],
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="NAME", help="Whose notifications (default: the first)."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="Stop by itself after so long.")
    ] = None,
) -> None:
    """Forward notifications from now on to an address on this machine, until Ctrl-C.

    Each is posted with the id and body that the endpoint gets, signed with a secret made for this run alone:
    an endpoint's own secret is shown once, when it is made.
    """
    if not _is_here(address):
        raise UnusableError(f"{address} is not on this machine: say http://localhost:<port>/<path>")
    secret = secret_of(secrets.token_bytes(SECRET_BYTES))
    with run.desk() as desk, httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        name = endpoint or _first(desk)
        run.console.note(f"notifications for {name} go to {address}; verify them with {secret}")
        for delivery in live(desk, name, seconds):
            status = _forward(client, address, secret, delivery)
            run.console.each(
                {**delivery, "forwarded": status},
                f"{delivery['created_at']} {delivery['type']} {delivery['message_id']}: {status}",
            )


def _is_here(address: str) -> bool:
    try:
        return urlsplit(address).hostname in LOOPBACK and bool(httpx.URL(address).host)
    except (ValueError, httpx.InvalidURL):
        return False


def live(
    desk: Desk,
    endpoint: str,
    seconds: float | None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[dict[str, Any]]:
    """Deliveries of an endpoint that are made from now on, each once, in their order."""
    began = now()
    told: dict[str, datetime] = {}
    while seconds is None or (now() - began).total_seconds() < seconds:
        since = max(began, now() - LAG - timedelta(seconds=PAUSE))
        found = list(
            desk.items("deliveries.list", endpoint=endpoint, since=since.isoformat(), bodies=True, limit=PAGE)
        )
        for delivery in sorted(found, key=lambda one: str(one["created_at"])):
            if delivery["delivery_id"] not in told:
                told[delivery["delivery_id"]] = now()
                yield delivery
        told = {name: at for name, at in told.items() if now() - at < 2 * LAG + timedelta(minutes=1)}
        sleep(PAUSE)


def _forward(client: httpx.Client, address: str, secret: str, delivery: dict[str, Any]) -> object:
    """Post one; gives the status, or that nobody answered."""
    at, body = datetime.now(UTC), str(delivery["body"]).encode()
    message_id = str(delivery["message_id"])
    headers = headers_of(message_id, at, [sign_v1(secret, content_to_sign(message_id, at, body))])
    try:
        return client.post(address, content=body, headers=headers).status_code
    except httpx.HTTPError:
        return "no answer"


def _first(desk: Desk) -> str:
    names = [str(row["name"]) for row in desk.items("endpoints.list")]
    if not names:
        raise Failed("the configuration names no endpoint: there are no notifications to listen to")
    return names[0]
