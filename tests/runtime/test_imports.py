"""What each function has loaded once it is wired, from its bundle alone: imports are most of a cold start.

No times are asserted here, they depend on the machine: `python -m bench.cold_start` measures them.
"""

import json
import subprocess
import sys
from functools import cache

import pytest

from infra.bundling import build_bundles
from infra.cards import CARDS, PackageName
from infra.config import load_config
from infra.environment import ResourceNames, environment_of
from infra.paths import CONFIG

SCRIPT = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
getattr(module, next(name for name in ("function", "receiver", "page") if hasattr(module, name)))()
print(json.dumps(sorted(sys.modules)))
"""

# Costs a function 5 to 200 ms, or belongs to somebody else.
EVERYWHERE = frozenset(
    {
        "asyncio",
        "aws_lambda_powertools.event_handler",
        "aws_lambda_powertools.utilities.data_classes",
        "aws_lambda_powertools.utilities.parser",
        "aws_lambda_powertools.utilities.validation",
        "aws_xray_sdk",
        "boto3",
        "botocore",
        "http.client",
        "importlib.metadata",
        "jsonschema",
        "pkg_resources",
        "pydantic.v1",
        "requests",
        "rich",
        "sqlite3",
        "unittest",
    }
)
CALLS_UPSTREAMS = frozenset({"onboarding_worker", "operator_desk", "notification_sender"})
"""Those that speak to 360dialog or to endpoints of the partner's; who speaks to Meta loads one by need."""
HTTP_CLIENT = frozenset({"anyio", "h11", "httpcore", "httpx", "onramp.adapters.upstream"})
EXCHANGE = frozenset({"onramp.inbound.opening", "onramp.usecases.exchange_code"})
RELAY = frozenset({"onramp.adapters.outlets", "onramp.ports.outbound", "onramp.ports.relaying"})
PARTNER = frozenset(
    {
        "onramp.adapters.messaging_api",
        "onramp.adapters.partner_api",
        "onramp.usecases.census",
        "onramp.usecases.work",
    }
)
HTTP_API = frozenset(
    {
        "onramp.inbound.http",
        "onramp.inbound.models",
    }
)

ALONE = frozenset(
    {
        "asyncio",
        "concurrent.futures",
        "dataclasses",
        "datetime",
        "decimal",
        "email",
        "encodings.idna",
        "http.client",
        "inspect",
        "logging",
        "multiprocessing",
        "pathlib",
        "typing",
        "typing_extensions",
        "urllib.parse",
        "uuid",
    }
)

FORBIDDEN: dict[str, frozenset[str]] = {
    "code_exchange": EVERYWHERE | HTTP_CLIENT | PARTNER | RELAY,
    "number_submission": EVERYWHERE | HTTP_CLIENT | EXCHANGE | PARTNER | RELAY,
    "signup_queries": EVERYWHERE | HTTP_CLIENT | EXCHANGE | PARTNER | RELAY,
    # An HTTP client brings some of what nobody else has.
    "onboarding_worker": EVERYWHERE - {"asyncio", "http.client"} | HTTP_API | EXCHANGE,
    # It shows records as the API does, recovers signups as an exchange does, and answers nothing of HTTP's.
    "operator_desk": EVERYWHERE - {"asyncio", "http.client"} | {"onramp.inbound.http"},
    "partner_event_worker": EVERYWHERE | HTTP_API | HTTP_CLIENT | EXCHANGE | PARTNER,
    "event_relay": EVERYWHERE | HTTP_API | HTTP_CLIENT | EXCHANGE | PARTNER,
    "reconciler": EVERYWHERE | HTTP_API | HTTP_CLIENT | EXCHANGE | PARTNER | RELAY,
    # An HTTP client, as above.
    "notification_sender": EVERYWHERE - {"asyncio", "http.client"} | HTTP_API | EXCHANGE | PARTNER,
    "event_publisher": EVERYWHERE | HTTP_API | HTTP_CLIENT | EXCHANGE | PARTNER | RELAY,
    # Beside what they may have, see below.
    "hosted_page": ALONE - {"pathlib", "urllib.parse"},
    "meta_receiver": ALONE,
    "webhook_receiver": ALONE,
}
MAY_HAVE = {
    "hosted_page": frozenset({"__main__", "hosted_page", "onramp"}),
    "meta_receiver": frozenset({"__main__", "meta_receiver", "onramp"}),
    "webhook_receiver": frozenset({"__main__", "onramp", "webhook_receiver"}),
}
"""Functions that do with the standard library."""


@cache
def loaded(name: str) -> frozenset[str]:
    """The modules of a fresh interpreter that has wired the function, with no other package in reach."""
    bundle = build_bundles(local=True)[CARDS[name].package].path
    names = ResourceNames(
        table_name="t",
        bus_name="b",
        envelope_key_id="k",
        secret_id="s",
        jobs_queue_url="http://127.0.0.1/q",
        jobs_dlq_url="http://127.0.0.1/q",
        events_queue_url="http://127.0.0.1/q",
        events_dlq_url="http://127.0.0.1/q",
        relay_queue_url="http://127.0.0.1/q",
        relay_dlq_url="http://127.0.0.1/q",
        notifications_queue_url="http://127.0.0.1/q",
        notifications_dlq_url="http://127.0.0.1/q",
        bodies_bucket="bodies",
        schedules_dlq_url="http://127.0.0.1/q",
        stream_dlq_url="http://127.0.0.1/q",
    )
    config = load_config(directory=CONFIG, stage="local")
    run = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, name],
        env=environment_of(function=name, config=config, resources=names)
        | {
            "PYTHONPATH": str(bundle),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            # As on Lambda, where it is wired at once and connects; nobody listens there.
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return frozenset(json.loads(run.stdout))


def test_the_table_names_every_function() -> None:
    assert FORBIDDEN.keys() == CARDS.keys()


@pytest.mark.parametrize("package", ["app", "page", "receiver"])
def test_no_bundle_holds_what_only_tests_and_the_bench_use(package: PackageName) -> None:
    adapters = build_bundles(local=True)[package].path / "onramp" / "adapters"
    assert (adapters / "__init__.py").is_file()
    assert not list(adapters.rglob("memory*"))


@pytest.mark.parametrize("name", CARDS)
def test_a_function_loads_nothing_it_can_do_without(name: str) -> None:
    assert not FORBIDDEN[name] & loaded(name)


@pytest.mark.parametrize("name", CARDS)
def test_only_who_calls_an_upstream_loads_an_http_client(name: str) -> None:
    assert ("httpx" in loaded(name)) == (name in CALLS_UPSTREAMS)


@pytest.mark.parametrize("name", MAY_HAVE)
def test_the_receiver_and_the_page_load_nothing_but_the_standard_library(name: str) -> None:
    tops = {module.partition(".")[0] for module in loaded(name)}
    assert tops - sys.stdlib_module_names <= MAY_HAVE[name]


def test_every_forbidden_module_of_ours_exists() -> None:
    everything = frozenset[str]().union(*(loaded(name) for name in CARDS))
    ours = {module for modules in FORBIDDEN.values() for module in modules if module.startswith("onramp")}
    assert ours <= everything
