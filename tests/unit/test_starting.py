"""Before the first event: wired and connected on Lambda alone; a snapshot shares nothing that it must not."""

import gc
import importlib
import os
import random
import site
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import onramp
from contract.routes import META, ROUTES
from onramp import settings
from onramp.adapters.aws_light import LightClient
from onramp.adapters.starting import PLUGINS, around_snapshots, on_lambda, started
from onramp.settings import CodeExchangeSettings
from onramp.wiring import Runtime, start
from tests.unit.test_wiring import AWS, environment

FUNCTIONS = Path(onramp.__file__).parents[1]
API = ("code_exchange", "number_submission", "signup_queries")

type Hook = Callable[[], None]


@pytest.fixture(autouse=True)
def _garbage() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Hook]:
    """What is registered with Lambda."""
    kept: dict[str, Hook] = {}
    module = SimpleNamespace(
        register_before_snapshot=lambda hook: kept.update(before=hook),
        register_after_restore=lambda hook: kept.update(after=hook),
    )
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", module)
    return kept


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    for variable, value in AWS.items():
        monkeypatch.setenv(variable, value)
    return Runtime(CodeExchangeSettings.read(environment(CodeExchangeSettings)))


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that were connected to."""
    services: list[str] = []
    monkeypatch.setattr(LightClient, "connect", lambda client: services.append(client.service))
    return services


def nothing() -> None:
    """A hook."""


def test_a_process_that_is_no_functions_is_told_by_lambdas_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    assert not on_lambda()
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    assert on_lambda()


def test_without_lambda_nothing_is_wired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)

    def function() -> tuple[Runtime]:
        raise AssertionError("wired")

    start(function)


def test_on_lambda_a_function_is_wired_and_connected_before_its_first_event(
    runtime: Runtime, connected: list[str], hooks: dict[str, Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    gc.disable()
    start(lambda: (runtime,), "events")
    assert connected == ["events"]
    assert gc.isenabled()
    assert hooks == {}


def test_with_snapstart_each_copy_draws_its_own_chance_and_shares_no_secret(
    runtime: Runtime, connected: list[str], hooks: dict[str, Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    start(lambda: (runtime,))
    secret = runtime.secret("the-secret")
    secret._values, secret._read_at = {"meta_app_secret": "x"}, (1.0, 1.0)
    closed: list[str] = []
    monkeypatch.setattr(LightClient, "disconnect", lambda client: closed.append(client.service))
    disconnected: list[Any] = []
    monkeypatch.setattr("onramp.adapters.upstream.disconnect", disconnected.append)
    with runtime.http:
        hooks["before"]()
    assert not secret._values
    assert set(closed) == {"dynamodb", "secretsmanager"}
    assert disconnected == [runtime.http]
    state = random.getstate()
    hooks["after"]()
    drawn = random.random()
    random.setstate(state)
    hooks["after"]()
    assert random.random() != drawn
    assert connected == ["dynamodb"]


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", None])
def test_elsewhere_no_hook_is_registered(
    kind: str | None, hooks: dict[str, Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)
    if kind:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    around_snapshots(nothing, nothing)
    assert hooks == {}


def test_a_runtime_without_hooks_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    around_snapshots(nothing, nothing)


def test_what_is_loaded_is_looked_through_for_garbage_no_more() -> None:
    gc.disable()
    started()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_on_lambda_nothing_looks_for_garbage_or_plugins_while_it_is_loaded() -> None:
    script = "import gc, os, onramp; print(gc.isenabled(), os.environ.get('PYDANTIC_DISABLE_PLUGINS'))"
    variables = {"PYTHONPATH": str(FUNCTIONS), "PATH": os.environ["PATH"]}
    told = [
        subprocess.run(
            [sys.executable, "-c", script], env=variables | more, capture_output=True, text=True, check=True
        ).stdout.split()
        for more in ({}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})
    ]
    assert told == [["True", "None"], ["False", "__all__"]]


def test_there_are_no_plugins_for_models_and_nothing_looks_for_them() -> None:
    # The names are pydantic's own, and not for others: a release may change them.
    loader = importlib.import_module(PLUGINS)
    assert loader.get_plugins.__module__ == PLUGINS
    script = (
        "import sys; from onramp.adapters.starting import without_plugins; without_plugins();"
        " from pydantic import create_model; print(create_model('Model', a=(int, ...))(a='1').a,"
        " 'importlib.metadata' in sys.modules)"
    )
    # Without what is installed beside it: an installed package may load it by itself.
    variables = {"PYTHONPATH": os.pathsep.join((str(FUNCTIONS), *site.getsitepackages()))}
    told = subprocess.run(
        [sys.executable, "-S", "-c", script], env=variables, capture_output=True, text=True, check=True
    ).stdout.split()
    assert told == ["1", "False"]


BROWSER = {
    "META_REDIRECT_URIS": "[]",
    "RETENTION": '{"facts_days": 30, "events_days": 60, "signups_days": 90}',
    "TENANT_LIMITS": '{"open_signups": 100}',
    "SIGNUP_LINKS": '{"days": 7, "return_origins": [], "refresh_url": null}',
    "SIGNUP_FLOWS": '{"standard": {"config_id": "1", "extras": {}}}',
    "SIGNUP_PAGE": '{"name": "", "logo_url": null, "accent": "", "accent_dark": "", "support_url": null}',
}


@pytest.mark.parametrize("name", API)
def test_a_functions_routes_are_those_of_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__(name)
    kind = getattr(settings, f"{_title(name)}Settings")
    for variable, value in (environment(kind) | AWS | BROWSER).items():
        monkeypatch.setenv(variable, value)
    module.function.cache_clear()
    try:
        _, api = module.function()
    finally:
        module.function.cache_clear()
    assert api.routes.keys() == {route.key for route in (*ROUTES, *META) if route.function == name}


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
