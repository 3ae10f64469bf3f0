"""The cards: each function once, and what a card says fits what the function and the deployment have."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract.routes import META, PAGES, ROUTES
from infra.cards import CARDS, Card, Invoked, NewItems, Queue, Routes, Schedule, counted_by
from infra.config import load_config, overridable_values
from infra.environment import CONFIGURED, FIXED, MADE, ResourceNames, environment_of
from infra.grants import BUS, SECRET
from infra.metrics import METRICS
from infra.paths import CONFIG, FUNCTIONS, ROOT
from onramp import settings

RESOURCES = ResourceNames(**dict.fromkeys(ResourceNames.__dataclass_fields__, "deployed"))
NOT_OURS = ("AWS_", "SSL", "_X_AMZN_TRACE_ID")
"""Lambda itself gives every function its region and credentials; Python asks for names of TLS files."""


def test_each_card_has_its_file_and_each_file_its_card() -> None:
    assert set(CARDS) == {path.stem for path in FUNCTIONS.glob("*.py")}


def test_a_card_with_a_mistake_is_refused() -> None:
    good: dict[str, Any] = {
        "name": "probe",
        "about": "",
        "timeout": 1,
        "settings": (),
        "grants": (),
        "trigger": Routes(),
        "metrics": (),
    }
    Card(**good)
    for timeout in (0, 901):
        with pytest.raises(ValueError, match=r"probe: timeout \d+ s, Lambda allows 1 to 900"):
            Card(**good | {"timeout": timeout})
    with pytest.raises(ValueError, match=r"probe: Nonsense is not in infra/metrics\.py"):
        Card(**good | {"metrics": ("Nonsense", "KeysMade")})


def test_a_card_says_each_thing_once() -> None:
    for card in CARDS.values():
        granted = [(grant.resource, grant.purpose) for grant in card.grants]
        assert len(set(granted)) == len(granted)
        assert len(set(card.metrics)) == len(card.metrics)
        assert len(card.about) > 20


def test_routes_lead_to_the_functions_that_answer_them() -> None:
    answering = {name for name, card in CARDS.items() if isinstance(card.trigger, Routes)}
    assert {route.function for route in (*ROUTES, *PAGES, *META)} == answering


def test_whoever_works_off_a_queue_may_take_from_it() -> None:
    for card in CARDS.values():
        taken = {one.resource for one in card.grants if "sqs:ReceiveMessage" in one.actions}
        if isinstance(card.trigger, Invoked):
            # Whom a person invokes looks at dead letters, and takes away those that were sent back.
            assert all(queue.endswith("_dlq") for queue in taken)
            continue
        assert taken == ({card.trigger.name} if isinstance(card.trigger, Queue) else set())


def test_who_is_started_otherwise() -> None:
    assert [name for name, card in CARDS.items() if isinstance(card.trigger, NewItems)] == ["event_publisher"]
    schedule = CARDS["reconciler"].trigger
    assert isinstance(schedule, Schedule)
    assert set(schedule.tasks) == {"sweep", "census"}


@pytest.mark.parametrize(("variable", "grant"), [("BUS_NAME", BUS.resource), ("SECRET_ID", SECRET.resource)])
def test_a_function_is_told_of_what_it_may_use_and_of_nothing_else(variable: str, grant: str) -> None:
    for card in CARDS.values():
        assert (variable in card.variables) == (grant in {one.resource for one in card.grants})


@pytest.mark.parametrize("name", CARDS)
def test_queues_that_a_function_may_use_are_those_it_is_told_of(name: str) -> None:
    card = CARDS[name]
    told = {variable.removesuffix("_URL").lower() for variable in card.variables if "_QUEUE" in variable}
    told |= {variable.removesuffix("_URL").lower() for variable in card.variables if "_DLQ" in variable}
    used = {grant.resource for grant in card.grants if grant.resource.endswith(("_queue", "_dlq"))}
    # Lambda's own: it puts what it gives up there, in the function's name.
    own = set() if isinstance(card.trigger, Invoked) else {"schedules_dlq", "stream_dlq"}
    assert told == used - own


# --- the environment ---------------------------------------------------------------------------------


def test_every_variable_has_one_source_and_a_reader() -> None:
    sources = [*CONFIGURED, *MADE, *FIXED, *(field.upper() for field in ResourceNames.__dataclass_fields__)]
    assert len(set(sources)) == len(sources)
    read = {name for card in CARDS.values() for name in card.variables}
    assert {*sources, "POWERTOOLS_SERVICE_NAME"} == read


def test_variables_carry_values_that_the_configuration_has() -> None:
    assert set(CONFIGURED.values()) <= set(overridable_values())


@pytest.mark.parametrize("name", [name for name in CARDS if isinstance(CARDS[name].settings, type)])
def test_a_function_can_read_the_settings_it_is_given(name: str) -> None:
    reader = CARDS[name].settings
    assert isinstance(reader, type)
    config = load_config(directory=CONFIG, stage="example")
    read = reader.read(environment_of(function=name, config=config, resources=RESOURCES))
    assert (read.stage, read.powertools_service_name) == ("example", name)


class Watched(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """What the receiver gets, in a process that has nothing else; nobody answers its calls."""
    config = load_config(directory=CONFIG, stage="local")
    given = environment_of(function="webhook_receiver", config=config, resources=RESOURCES)
    given |= {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    watched = Watched(given | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    monkeypatch.setattr(os, "environ", watched)
    return watched


def test_the_receiver_reads_exactly_what_its_card_names(
    environment: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = fresh(FUNCTIONS / "webhook_receiver.py")
    answer = receiver.handler({"body": "{}", "headers": {"X-360D-Signature": "x"}}, None)
    # The secret could not be read, for nobody answers.
    assert answer["statusCode"] == 503
    assert "webhook refused" in capsys.readouterr().out
    ours = {name for name in environment.asked if not name.startswith(NOT_OURS)}
    assert ours == CARDS["webhook_receiver"].variables == set(settings.WEBHOOK_RECEIVER)


def fresh(path: Path) -> Any:
    """A module as a new process loads it."""
    spec = importlib.util.spec_from_file_location(f"fresh_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- metrics -----------------------------------------------------------------------------------------


def test_who_counts_is_read_from_the_cards() -> None:
    assert counted_by("KeysMade") == ("onboarding_worker",)
    assert counted_by("EventsApplied") == ("onboarding_worker", "partner_event_worker")
    with pytest.raises(KeyError):
        counted_by("Nonsense")


def test_each_metric_is_counted_by_somebody() -> None:
    assert not [name for name in METRICS if not counted_by(name)]


def test_each_metric_has_a_meaning() -> None:
    assert not [name for name, one in METRICS.items() if not re.fullmatch(r"[A-Z3].{15,}\.", one.about)]


# --- loading -----------------------------------------------------------------------------------------


def test_the_cards_are_read_without_the_cdk() -> None:
    """The command for operators and the bench read them, and must not wait for it."""
    code = "import infra.cards, infra.environment, sys; sys.exit('aws_cdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
