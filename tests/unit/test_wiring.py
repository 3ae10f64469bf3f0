"""Each function is given exactly the ports that its role may use, and imports no more than they need."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onramp import settings, wiring
from onramp.domain.budget import BudgetRule
from onramp.domain.errors import Permanent
from onramp.ports import Kept, Ports, Rules, TenantLimits
from onramp.ports.upstreams import ChannelWebhook

FUNCTIONS: dict[str, tuple[type[settings.Settings], set[str]]] = {
    "code_exchange": (settings.CodeExchangeSettings, {"meta", "vault"}),
    "number_submission": (settings.NumberSubmissionSettings, {"queue", "meta", "vault"}),
    "signup_queries": (settings.SignupQueriesSettings, {"meta", "vault"}),
    "onboarding_worker": (
        settings.OnboardingWorkerSettings,
        {"queue", "partner", "messaging", "vault"},
    ),
    "partner_event_worker": (settings.PartnerEventWorkerSettings, {"queue", "relay", "bodies"}),
    "event_relay": (settings.EventRelaySettings, {"relay", "bodies", "outlets"}),
    "reconciler": (settings.ReconcilerSettings, {"queue"}),
    "notification_sender": (
        settings.NotificationSenderSettings,
        {"queue", "vault", "outbound", "signer"},
    ),
    "event_publisher": (settings.EventPublisherSettings, {"bus"}),
    "operator_desk": (
        settings.OperatorDeskSettings,
        {"queue", "partner", "messaging", "meta", "vault", "letters", "signer"},
    ),
}
"""The ports of each function beside the store, the clock and the telemetry, which all have."""
CHOICE = {
    "queue",
    "partner",
    "messaging",
    "meta",
    "vault",
    "letters",
    "bus",
    "relay",
    "bodies",
    "outlets",
    "outbound",
    "signer",
}
CALLS_NOBODY_AT_FIRST = (
    # These three call Meta by need.
    "code_exchange",
    "number_submission",
    "signup_queries",
    "partner_event_worker",
    "reconciler",
    "event_publisher",
    "event_relay",
)
AWS = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
VALUES = {
    "HUBS": "{}",
    "MESSAGING_WEBHOOKS": "{}",
    "LOG_LEVEL": "INFO",
    "MESSAGING_WEBHOOK_HEADERS": '{"X-Shared": "s", "X-Number": 1}',
    "MESSAGING_WEBHOOK_URL": "https://hooks.example/in",
    "META_REDIRECT_URIS": "[]",
    "RETENTION": '{"facts_days": 30, "events_days": 60, "signups_days": 90}',
    "TENANT_LIMITS": '{"open_signups": 100}',
    "SIGNUP_LINKS": '{"days": 7, "return_origins": [], "refresh_url": null}',
    "SIGNUP_FLOWS": '{"standard": {"config_id": "1", "extras": {}}}',
    "RELAY": '{"coexistence": "relay", "targets": {"own": {"to": "bus", "events": ["*"]}}}',
    "NOTIFICATIONS": json.dumps(
        {
            "endpoints": {"crm": {"url": "https://hooks.example/onramp", "events": ["*"]}},
            "retry_schedule_seconds": [5, 300],
            "allow_loopback": False,
        }
    ),
    "RETRY_SCHEDULE_SECONDS": "5,30",
    "PARTNER_BASE_URL": "https://hub.example/api/v2/",
    "NUMBERS_MEND_KEYS": "mend",
    "NUMBERS_MEND_WEBHOOKS": "report",
}


def environment(kind: type[settings.Settings]) -> dict[str, str]:
    return {name: VALUES.get(name, "7") for name in kind.names()}


def ports_of(name: str) -> Ports:
    kind, _ = FUNCTIONS[name]
    read = kind.read(environment(kind))
    build: Callable[[wiring.Runtime, Any], Ports] = getattr(wiring, name)
    return build(wiring.Runtime(read), read)


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in AWS.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_exactly_its_ports(name: str) -> None:
    ports = ports_of(name)
    wired = {port for port in CHOICE if "not wired" not in repr_of(getattr(ports, port))}
    assert wired == FUNCTIONS[name][1]


def repr_of(port: object) -> str:
    """What a port that is not there says when it is used."""
    try:
        port.anything  # type: ignore[attr-defined]  # noqa: B018
    except (RuntimeError, AttributeError) as refusal:
        return str(refusal)
    return ""


def test_only_the_publisher_has_the_bus() -> None:
    assert [name for name, (_, given) in FUNCTIONS.items() if "bus" in given] == ["event_publisher"]


def test_the_workers_rules_are_what_is_configured() -> None:
    assert ports_of("onboarding_worker").rules == Rules(
        retry_seconds=(5, 30),
        look_after=timedelta(seconds=7),
        budget=BudgetRule(calls=7, window=timedelta(seconds=7)),
        webhook=ChannelWebhook("https://hooks.example/in", {"X-Shared": "s", "X-Number": "1"}),
        mend_keys=True,
        mend_webhooks=False,
        partner_id="7",
        solution_id="7",
        watch_balance=7,
    )
    events = ports_of("partner_event_worker").rules
    assert (events.retry_seconds, events.look_after) == ((5, 30), timedelta(seconds=7))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_calls_upstreams_is_imported_only_by_functions_that_do(name: str) -> None:
    script = (
        "import sys; from onramp import settings, wiring;"
        f"read = settings.{FUNCTIONS[name][0].__name__}.read();"
        f"wiring.{name}(wiring.Runtime(read), read);"
        "print(*{'httpx', 'onramp.adapters.partner_api', 'onramp.adapters.meta_graph'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **environment(FUNCTIONS[name][0]),
            **AWS,
            "PYTHONPATH": str(root / "functions"),
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    if name == "notification_sender":
        # It calls others, and no upstream.
        assert loaded == {"httpx"}
    elif name in CALLS_NOBODY_AT_FIRST:
        assert loaded == set()
    else:
        assert "httpx" in loaded
        assert len(loaded) == 2


# --- a wrong value in the secret


class Versions:
    """Secrets Manager with a current version and the one before."""

    def __init__(self, **stages: str) -> None:
        self.stages = stages

    def get_secret_value(self, **asked: str) -> dict[str, str]:
        return {"SecretString": self.stages[asked.get("VersionStage", "AWSCURRENT")]}


@pytest.mark.parametrize(
    ("current", "metric", "why"),
    [
        ({"partner_api_key": "mistyped"}, "PartnerConfigurationErrors", "refused"),
        ({"meta_app_secret": "x"}, "ServicesUnavailable", "missing"),
        ({}, "ServicesUnavailable", "missing"),
    ],
)
def test_a_wrong_key_does_not_stop_calls_while_the_one_before_it_is_good_and_rings(
    current: dict[str, str],
    metric: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kind = settings.OnboardingWorkerSettings
    # A logger keeps the stream that it was made with, and is found by its service's name.
    named = {"POWERTOOLS_SERVICE_NAME": f"wrong-{metric}-{len(current)}"}
    runtime = wiring.Runtime(kind.read(environment(kind) | named))
    versions = Versions(AWSCURRENT=json.dumps(current), AWSPREVIOUS='{"partner_api_key": "good"}')
    monkeypatch.setattr(runtime, "aws", lambda _: versions)
    key, sent = runtime.credential("the-secret", "partner_api_key"), list[str]()

    def send() -> str:
        sent.append(key.value())
        if sent[-1] != "good":
            raise Permanent("partner_configuration", status=401)
        return "done"

    with runtime.invocation(None):
        assert key.used(send, lambda refusal: refusal.status == 401) == "done"
        assert key.used(send, lambda refusal: refusal.status == 401) == "done"
    assert sent[-2:] == ["good", "good"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [told] = [line for line in lines if line.get("level") == "WARNING"]
    assert (told["message"], told["value"], told["why"]) == (
        "a value of the secret is wrong; the one before it is used",
        "partner_api_key",
        why,
    )
    [counted] = [line for line in lines if "_aws" in line]
    assert counted[metric] == [1.0]
    assert "mistyped" not in json.dumps(lines)


def test_what_is_kept_and_what_a_tenant_may_have_are_what_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = settings.CodeExchangeSettings.read(environment(settings.CodeExchangeSettings))
    for name, value in environment(settings.CodeExchangeSettings).items():
        monkeypatch.setenv(name, value)
    ports = wiring.code_exchange(wiring.Runtime(read), read)
    assert ports.kept == Kept(facts=timedelta(days=30), events=timedelta(days=60), signups=timedelta(days=90))
    assert ports.rules.limits == TenantLimits(open_signups=100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION", '{"facts_days": 0}'),
        ("RETENTION", "[]"),
        ("TENANT_LIMITS", '{"unheard_of": 1}'),
    ],
)
def test_a_table_that_makes_no_sense_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given = {**environment(settings.CodeExchangeSettings), name: value}
    for variable, content in given.items():
        monkeypatch.setenv(variable, content)
    read = settings.CodeExchangeSettings.read(given)
    with pytest.raises(settings.SettingsError, match=name):
        wiring.code_exchange(wiring.Runtime(read), read)
