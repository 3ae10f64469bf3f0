"""The fault matrix: what happens to the number, the client and the key under each fault of an upstream.

`make faults` writes `docs/faults.md`; `test_matrix.py` runs every row and compares.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from harness.world import Options, World
from onramp.domain.errors import Problem
from onramp.domain.states import Status
from tests.faults import telling

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


@dataclass(frozen=True)
class Row:
    """One fault. `prepare` switches it on; `options` change the world it happens in."""

    group: str
    name: str
    prepare: Callable[[World], None]
    options: Options = field(default_factory=Options)
    customer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of a row."""

    row: Row
    browser: str
    number: str
    clients: int
    keys_made: int
    key_alive: bool
    calls: int
    took: timedelta

    @property
    def ends_well(self) -> bool:
        """Connected with one living key, at once or after a `retry`."""
        return self.number.endswith("connected") and self.clients == 1 and self.key_alive


# Each upstream call by name: which server, method and path.
CALLS: Final = {
    "exchange code": ("meta", "*", r"oauth/access_token$"),
    "inspect token": ("meta", "GET", r"debug_token$"),
    "read WABA": ("meta", "GET", r"/v[\d.]+/\d+$"),
    "read numbers": ("meta", "GET", r"phone_numbers$"),
    "find client": ("dialog", "GET", r"/clients$"),
    "make client": ("dialog", "POST", r"account_sharing/clients$"),
    "submit number": ("dialog", "POST", r"account_sharing/numbers$"),
    "make key": ("dialog", "POST", r"api_keys$"),
    "set webhook": ("dialog", "POST", r"configs/webhook$"),
    "read webhook": ("dialog", "GET", r"configs/webhook$"),
}

FAULTS: Final[dict[str, dict[str, Any]]] = {
    "500, nothing done": {"kind": "error_before", "status": 500},
    "500, all done": {"kind": "error_after", "status": 500},
    "429, nothing done": {"kind": "throttle"},
    "429, all done": {"kind": "error_after", "status": 429},
    "429 with Retry-After": {"kind": "throttle", "retry_after": 7},
    "503 three times": {"kind": "error_before", "status": 503, "times": 3},
    "no answer, all done": {"kind": "timeout_after"},
    "body cut, all done": {"kind": "cut_body"},
    "not JSON, all done": {"kind": "invalid_json", "status": 200},
    "HTML page": {"kind": "html", "status": 502},
    "wrong content type": {"kind": "wrong_content_type"},
    "redirect": {"kind": "redirect"},
}


def _upstream_row(call: str, fault: str) -> Row:
    side, method, path = CALLS[call]

    def prepare(world: World) -> None:
        world.fault(path=path, side=side, method=method, **FAULTS[fault])

    return Row(call, fault, prepare)


def _webhooks(**faults: Any) -> Callable[[World], None]:
    return lambda world: _admin(world, "webhook-faults", faults)


def _webhook_options(**options: Any) -> Callable[[World], None]:
    return lambda world: _admin(world, "webhook-options", options, "PATCH")


def _dialog(**options: Any) -> Callable[[World], None]:
    return lambda world: _admin(world, "options", options, "PATCH")


def _admin(world: World, path: str, body: dict[str, Any], method: str = "POST") -> None:
    world.admin("dialog", path, body, method)


def _lose_jobs(world: World) -> None:
    world.queue.sends_to_lose = 3


def _lose_event(name: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.lose_webhook = lambda body: f'"{name}"' in body

    return prepare


def _bus_down(world: World) -> None:
    world.bus.broken = True
    world.later(120, lambda: setattr(world.bus, "broken", False))


def _table_down(world: World) -> None:
    """While the number is on its way: the browser has its answer by then."""
    world.later(1, lambda: setattr(world.store, "broken", True))
    world.later(120, lambda: setattr(world.store, "broken", False))


def _existing_client(email: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.partner.create_client("Before", email, "Before", lambda: None)

    return prepare


ROWS: Final = [
    *(_upstream_row(call, fault) for call in CALLS for fault in FAULTS),
    Row("client", "known in another case", _existing_client("OWNER@Example.com")),
    Row("client", "filter ignored", _dialog(ignore_client_filters=True)),
    Row("client", "id under another name", _dialog(client_id_field="client_id")),
    Row("submission", "older answer shape", _dialog(submit_shape="event")),
    Row("submission", "first event before the answer", _dialog(first_event_before_answer=True)),
    Row("submission", "lists lag 20 s", _dialog(channel_list_lag_seconds=20, client_list_lag_seconds=20)),
    Row("key", "older answer shape", _dialog(key_shape="list")),
    Row("key", "permission comes later", _dialog(client_pays=True, permission_after_seconds=3_600)),
    Row("key", "webhook of a new channel reads 404", _dialog(unset_webhook_missing=True)),
    Row("webhooks", "all lost", _webhooks(drop=1)),
    Row("webhooks", "only channel_live lost", _lose_event("channel_live")),
    Row("webhooks", "all doubled", _webhooks(duplicate=1)),
    Row("webhooks", "all out of order", _webhooks(reorder=1)),
    Row("webhooks", "phone number empty at live", _webhooks(empty_phone_at_live=True)),
    Row("webhooks", "no Meta WABA id", _webhooks(missing_external_id=True)),
    Row("webhooks", "arrays", _webhook_options(as_array=True)),
    Row("webhooks", "type in place of event", _webhook_options(type_instead_of_event=True)),
    Row("webhooks", "fields at the top level", _webhook_options(top_level_fields=True)),
    Row("webhooks", "signature with a prefix", _webhook_options(signature_prefix=True)),
    Row("webhooks", "phone number comes late", _dialog(phone_lag_seconds=60)),
    Row("our side", "three jobs never reach the queue", _lose_jobs),
    Row("our side", "bus down for two minutes", _bus_down),
    Row("our side", "table down for two minutes", _table_down),
    Row("our side", "budget of 1 call", lambda _: None, Options(budget_calls=1)),
    Row("grants", "no target ids", lambda _: None, customer={"grants": "scopes_only"}),
    Row("grants", "no WhatsApp scopes", lambda _: None, customer={"grants": "no_entries"}),
    Row("grants", "other WABAs granted too", lambda _: None, customer={"decoys": 3}),
]


def run(row: Row) -> Result:
    """Play one row from the popup to the end."""
    with World(row.options) as world:
        row.prepare(world)
        customer = world.customer(**row.customer)
        made_before = len(world.dialog_state()["submissions"])
        begun = world.clock.now()
        browser = "ok"
        try:
            signup = world.submitted(customer)
        except Problem as problem:
            browser = f"{problem.code}, again"
            world.fault_free()
            signup = world.submitted(world.customer(), key="again")
        world.run(until=world.settled(signup.id))
        number = world.numbers(signup.id)[0]
        told = str(number.status)
        if number.failure:
            told = f"failed: {number.failure.code}, retry, "
            world.retry(signup.id)
            world.run(until=world.settled(signup.id))
            number = world.numbers(signup.id)[0]
            told += str(number.status)
        took = world.clock.now() - begun
        world.run(seconds=1_200)
        state = world.dialog_state()
        assert made_before == 0
        channels = state["channels"]
        alive = number.status == Status.CONNECTED and world.key_lives(world.numbers(signup.id)[0])
        return Result(
            row=row,
            browser=browser,
            number=told,
            clients=len(state["clients"]),
            keys_made=sum(channel["keys_made"] for channel in channels),
            key_alive=alive,
            calls=state["budget"]["requests"],
            took=took,
        )


def render(results: Sequence[Result], told: Sequence[telling.Told]) -> str:
    """The document."""
    lines = [
        "# Faults",
        "",
        "Made by `make faults` from the same runs that the tests check: one signup through the whole",
        "product, in one process, between the simulators, with one fault. Time is simulated; jitter is",
        "drawn from a fixed seed. *Browser*: what the front end saw; *calls*: requests to the Partner",
        "API; *keys*: keys made for the channel, of which exactly the last lives and is stored.",
        "",
        "| where | fault | browser | number | clients | keys | calls | took |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {result.row.group} | {result.row.name} | {result.browser} | {result.number} |"
        f" {result.clients} | {result.keys_made} | {result.calls} | {_span(result.took)} |"
        for result in results
    ]
    lines += telling.render(told, lambda seconds: _span(timedelta(seconds=seconds)))
    return "\n".join(lines) + "\n"


def _span(took: timedelta) -> str:
    seconds = int(took.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def played[R, S](name: str, rows: Sequence[R], play: Callable[[R], S]) -> list[S]:
    """What came of all rows; how far it is, is told on the way."""
    results = []
    for index, row in enumerate(rows, 1):
        if index % 20 == 0:
            sys.stderr.write(f"{name}: {index} of {len(rows)}\n")
        results.append(play(row))
    return results


if __name__ == "__main__":
    results, told = played("faults", ROWS, run), played("those who are told", telling.ROWS, telling.run)
    DOCUMENT.write_text(render(results, told), encoding="utf-8")
