"""Serve the simulators on ports of this machine.

Prints one line of JSON with their addresses once they answer, then serves until SIGTERM or SIGINT.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import fields
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from local.simulators.app import Seams, build
from local.simulators.settings import OtherPartner, Settings, Urls
from local.simulators.webhooks import http_deliver

LOOPBACK = "127.0.0.1"


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs several servers at once, and tells when it answers."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_level="error",
                access_log=False,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.simulators", description=__doc__)
    for name in ("meta", "dialog", "issuer"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--public-host", default=LOOPBACK, help="host name in the printed addresses")
    defaults = {field.name: field.default for field in fields(Settings)}
    for name in ("app-id", "config-id", "partner-id", "solution-id", "audience"):
        parser.add_argument(f"--{name}", default=defaults[name.replace("-", "_")])
    parser.add_argument(
        "--flow", type=_flow, action="append", default=[], help="NAME=ID of one more login configuration"
    )
    parser.add_argument(
        "--other-partner",
        type=_partner,
        action="append",
        default=[],
        help="ID:KEY:SECRET:SOLUTION of one more partner",
    )
    for name in ("app-secret", "partner-key", "platform-secret"):
        parser.add_argument(f"--{name}", help="made up and printed when left out")
    parser.add_argument("--issuer-name", help="value of iss; the issuer's own address when left out")
    parser.add_argument("--seed", type=int, help="repeat a run's made-up values")
    parser.add_argument("--step-seconds", type=float, default=0.4, help="between two states of a channel")
    lifetime = ("--code-lifetime-seconds", "--code-lifetime")
    parser.add_argument(*lifetime, type=float, default=30.0, help="how long a code lives")
    parser.add_argument("--budget-calls", type=int, default=5, help="Partner API calls in a window")
    window = ("--budget-window-seconds", "--budget-window")
    parser.add_argument(*window, type=float, default=30.0, help="length of that window")
    return parser.parse_args(argv)


def _flow(text: str) -> tuple[str, str]:
    name, equals, config_id = text.partition("=")
    if not (name and equals and config_id):
        raise argparse.ArgumentTypeError("NAME=ID is needed")
    return name, config_id


def _partner(text: str) -> tuple[str, OtherPartner]:
    parts = text.split(":")
    if len(parts) != len(("id", "key", "secret", "solution")) or not all(parts):
        raise argparse.ArgumentTypeError("ID:KEY:SECRET:SOLUTION is needed")
    name, key, secret, solution = parts
    return name, OtherPartner(partner_key=key, platform_secret=secret, solution_id=solution)


def _settings(given: argparse.Namespace) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and the secrets that had to be made up."""
    made: dict[str, str] = {}
    for name in ("app_secret", "partner_key", "platform_secret"):
        if getattr(given, name) is None:
            made[name] = secrets.token_hex(16)
    settings = Settings(
        app_secret=given.app_secret or made["app_secret"],
        partner_key=given.partner_key or made["partner_key"],
        platform_secret=given.platform_secret or made["platform_secret"],
        app_id=given.app_id,
        config_id=given.config_id,
        other_flows=dict(given.flow),
        partner_id=given.partner_id,
        solution_id=given.solution_id,
        other_partners=dict(given.other_partner),
        audience=given.audience,
        issuer_name=given.issuer_name,
        seed=given.seed,
        step_seconds=given.step_seconds,
        code_lifetime_seconds=given.code_lifetime_seconds,
        budget_calls=given.budget_calls,
        budget_window_seconds=given.budget_window_seconds,
    )
    return settings, made


def _listen(port: int) -> socket.socket:
    """Bind a port of the loopback interface. Raises OSError when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


async def _serve(given: argparse.Namespace) -> None:
    listeners = [_listen(port) for port in (given.meta_port, given.dialog_port, given.issuer_port)]
    bases = [f"http://{given.public_host}:{listener.getsockname()[1]}" for listener in listeners]
    urls = Urls(meta=bases[0], dialog=bases[1], issuer=bases[2])
    settings, made = _settings(given)
    # No environment: a proxy must not stand between the simulators and this machine.
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        seams = Seams(now=time.time, deliver=http_deliver(client), in_process=False)
        simulators = build(settings, urls=urls, seams=seams)
        servers = [_Server(app) for app in (simulators.meta, simulators.dialog, simulators.issuer)]
        await _run(servers, listeners, simulators.agenda.run_forever(), _announcement(urls, made))


def _announcement(urls: Urls, made: dict[str, str]) -> str:
    line = {
        "meta": urls.meta,
        "partner": urls.partner,
        "messaging": urls.messaging,
        "issuer": urls.issuer,
        "dialog": urls.dialog,
    }
    return json.dumps(line | made)


async def _run(
    servers: list[_Server], listeners: list[socket.socket], agenda: Coroutine[Any, Any, None], line: str
) -> None:
    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    clockwork = asyncio.create_task(agenda)
    async with asyncio.TaskGroup() as group:
        for server, listener in zip(servers, listeners, strict=True):
            group.create_task(server.serve(sockets=[listener]))
        for server in servers:
            await server.ready.wait()
        print(line, flush=True)
    clockwork.cancel()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    asyncio.run(_serve(_arguments(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
