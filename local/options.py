"""What a local run can be told, and its command line."""

import argparse
import dataclasses
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.ministack import EmulatorOptions
from local.stack import LOCAL_STAGE
from local.template import LEAST_CONCURRENCY

PAGE_PORT = 8080
"""Port of the page of ``serve``, the one that ``config/local.toml`` lets call the API."""

FAST_BUDGET: Final[Mapping[str, Any]] = {"budget_calls": 10, "budget_window_seconds": 2}
"""A partner budget for runs whose many numbers would wait for hours with 360dialog's 5 calls in 30 s."""


_ORIGIN: Final = re.compile(
    r"(?i)(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:(?P<port>\d{1,5}))?/?"
)
_OWN_PORTS: Final = {"http": "80", "https": "443"}


def _secret() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a local run is put together. Ports of 0 are chosen freely; all are on 127.0.0.1.

    An upstream whose URL is given is used as it is, and no simulator of it is asked for anything.

    Attributes:
        stage: Stage to synthesize and deploy.
        api_port: Port of the emulator, which serves the API too.
        meta_port: Port of the simulated Graph API.
        dialog_port: Port of the simulated 360dialog.
        issuer_port: Port of the simulated identity provider.
        graph_base_url: A Graph API to use instead of the simulated one.
        meta_admin_url: Where codes are made for that Graph API: ``POST {url}/admin/signups``.
        partner_base_url: A Partner API to use instead of the simulated one.
        messaging_base_url: A messaging host to use instead of the simulated one.
        jwt_issuer: An identity provider to use instead of the simulated one; it also has to answer
            ``POST {jwt_issuer}/token`` like the simulated one.
        jwt_audience: Audience of its tokens.
        partner_id: 360dialog's id of the partner.
        app_id: Meta's id of the app.
        config_id: Id of the Facebook Login for Business configuration.
        solution_id: Id of the multi-partner solution.
        app_secret: Secret of the app.
        partner_key: Key of the Partner API.
        platform_secret: Secret that signs the partner webhooks.
        messaging_webhook_url: Where connected channels send their messages; None keeps the stage's.
        budget_calls: Partner API calls that one window allows; None keeps the stage's.
        budget_window_seconds: Length of that window; None keeps the stage's.
        retry_schedule: Seconds between tries, separated by commas; None keeps the stage's.
        reconcile_after_seconds: How long a number waits before it is looked up; None keeps the stage's.
        step_seconds: Time between two states of a simulated channel.
        queue_concurrency: Workers of each queue at most.
        allowed_origins: Origins of pages that may call the API; empty keeps the stage's.
        notified: Endpoints that are notified, addresses by name; nobody is unless somebody listens.
        notify_schedule: Seconds between tries of a notification, separated by commas; None keeps the stage's.
        relayed: Who is handed 360dialog's events, as ``[relay.targets]`` says it; None keeps the stage's.
        relay_keys: What posts to the https addresses among them are signed with, by the target's name.
        emulator: How the emulator is started; its port is ``api_port``.
    """

    stage: str = LOCAL_STAGE
    api_port: int = 0
    meta_port: int = 0
    dialog_port: int = 0
    issuer_port: int = 0
    graph_base_url: str | None = None
    meta_admin_url: str | None = None
    partner_base_url: str | None = None
    messaging_base_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str = "onramp-local"
    partner_id: str = "localPA"
    app_id: str = "1234567890"
    config_id: str = "9876543210"
    solution_id: str = "123456789012345"
    app_secret: str = field(default_factory=_secret, repr=False)
    partner_key: str = field(default_factory=_secret, repr=False)
    platform_secret: str = field(default_factory=_secret, repr=False)
    messaging_webhook_url: str | None = None
    budget_calls: int | None = None
    budget_window_seconds: int | None = None
    retry_schedule: str | None = None
    reconcile_after_seconds: int | None = None
    step_seconds: float = 0.4
    queue_concurrency: int = LEAST_CONCURRENCY
    allowed_origins: tuple[str, ...] = ()
    notified: Mapping[str, str] = field(default_factory=dict)
    notify_schedule: str | None = None
    relayed: Mapping[str, Mapping[str, Any]] | None = None
    relay_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    emulator: EmulatorOptions = field(default_factory=EmulatorOptions)


def where_unset(options: RunOptions, values: Mapping[str, Any]) -> RunOptions:
    """Gives options that have other values where nothing was asked for.

    Args:
        options: The options.
        values: Values by the name of the option; one that is not None already stays.

    Returns:
        The options filled in.
    """
    unset = {name: value for name, value in values.items() if getattr(options, name) is None}
    return dataclasses.replace(options, **unset)


_URLS = {
    "--graph-base-url": "a Graph API to use instead of the simulated one",
    "--meta-admin-url": "where codes for that Graph API are made (POST <url>/admin/signups)",
    "--partner-base-url": "a 360dialog Partner API to use instead of the simulated one",
    "--messaging-base-url": "a messaging host to use instead of the simulated one",
    "--jwt-issuer": "an identity provider to use instead of the simulated one (it answers POST <url>/token)",
    "--messaging-webhook-url": "where connected channels are told to send their messages",
}
_IDS = {
    "--jwt-audience": "audience of the tokens",
    "--partner-id": "360dialog's id of the partner",
    "--app-id": "Meta's id of the app",
    "--config-id": "id of the Facebook Login for Business configuration",
    "--solution-id": "id of the multi-partner solution",
    "--app-secret": "the app's secret (default: random)",
    "--partner-key": "the Partner API's key (default: random)",
    "--platform-secret": "the secret that signs partner webhooks (default: random)",
    "--retry-schedule": "seconds between tries, separated by commas",
    "--stage": "the stage to deploy, a file of config/",
}
_NUMBERS = {
    "--api-port": "port of the API and of the AWS emulator",
    "--meta-port": "port of the simulated Graph API",
    "--dialog-port": "port of the simulated 360dialog",
    "--issuer-port": "port of the simulated identity provider",
    "--budget-calls": "Partner API calls that one window allows",
    "--budget-window-seconds": "length of that window",
    "--reconcile-after-seconds": "how long a number waits before it is looked up",
    "--queue-concurrency": f"workers of each queue at most, {LEAST_CONCURRENCY} or more",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a run to a command line; what is not given keeps its default."""
    for names, kind, title in (
        (_URLS, str, "addresses"),
        (_IDS, str, "identifiers and secrets"),
        (_NUMBERS, int, "ports and limits"),
    ):
        group = parser.add_argument_group(title)
        for name, text in names.items():
            group.add_argument(name, type=kind, default=argparse.SUPPRESS, help=text)
    parser.add_argument(
        "--origin",
        type=origin,
        action="append",
        dest="allowed_origins",
        default=argparse.SUPPRESS,
        help="origin of a page of your own that may call the API, such as http://localhost:3000; repeatable",
    )
    parser.add_argument(
        "--step-seconds",
        type=float,
        default=argparse.SUPPRESS,
        help="time between two states of a simulated channel",
    )


def origin(text: str) -> str:
    """Reads the origin of a page as browsers send it.

    Args:
        text: Scheme, host and port.

    Returns:
        The origin, with scheme and host in small letters and without the scheme's own port.

    Raises:
        argparse.ArgumentTypeError: It is none, or has a path, which browsers leave out.
    """
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no origin, such as https://shop.example or http://localhost:3000, without a path"
        )
    scheme, host, port = found["scheme"].lower(), found["host"].lower(), found["port"]
    return f"{scheme}://{host}" + (f":{port}" if port and port != _OWN_PORTS[scheme] else "")


def from_arguments(arguments: argparse.Namespace) -> RunOptions:
    """Makes the options of a run from a command line parsed with ``add_arguments``.

    Args:
        arguments: The parsed command line; values that are no option of a run are left alone.

    Returns:
        The options.
    """
    known = {f.name for f in dataclasses.fields(RunOptions)}
    given = {name: value for name, value in vars(arguments).items() if name in known}
    if "allowed_origins" in given:
        given["allowed_origins"] = tuple(given["allowed_origins"])
    for name, value in given.items():
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            given[name] = value if name == "jwt_issuer" else value.rstrip("/")
    return RunOptions(**given)
