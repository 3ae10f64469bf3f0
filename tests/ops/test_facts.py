"""`onramp facts republish`: it goes on until nothing is left, and says how to go on when it cannot."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.cards import CARDS
from ops.cli import main
from ops.commands import facts
from ops.stage.aws import Aws, DeployedFunction
from ops.stage.configuration import UnusableError, Values
from ops.stage.reaching import Reached
from ops.times import when
from tests.ops.conftest import RAW, Answers

type Json = dict[str, Any]

SINCE = "2026-11-23T09:00:00Z"


class Publisher:
    """A deployed publisher that gives one prepared answer after the other; the last one stays."""

    def __init__(self, *answers: Json | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Json] = []

    def invoke(self, request: Json) -> Json:
        assert request["FunctionName"] == "Onramp-dev-publisher"
        self.asked.append(json.loads(request["Payload"])["republish"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


type Run = Callable[..., int]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which nobody waits for."""
    waited: list[float] = []
    monkeypatch.setattr(facts.republish, "__kwdefaults__", {"sleep": waited.append, "show": lambda _: None})
    return waited


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> Run:
    def run(publisher: Publisher, *arguments: str, deployed: bool = True) -> int:
        aws = Aws(region="eu-central-1", _clients={"lambda": Answers(invoke=publisher.invoke)})
        found = Reached(
            values=Values(place="config/dev.toml", stage="dev", raw=RAW),
            overrides={},
            stack_name="Onramp-dev",
            outputs={},
            stack=None,
            aws=aws,
        )
        function = DeployedFunction(physical="Onramp-dev-publisher", environment={})
        functions = {"event_publisher": function} if deployed else {}
        monkeypatch.setattr("ops.running.reach", lambda _given, **_: found)
        monkeypatch.setattr(facts, "list_resources", lambda *_: {})
        monkeypatch.setattr(facts, "read_functions", lambda *_: functions)
        return main(["facts", "republish", "--stage", "dev", *arguments])

    return run


def test_it_goes_on_from_page_to_page_until_nothing_is_left(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = Publisher(
        {"published": 900, "cursor": "a"}, {"published": 800, "cursor": "b"}, {"published": 3, "cursor": None}
    )
    assert run(publisher, "--since", SINCE, "--until", "2026-11-23T10:30:00+01:00") == 0
    assert [asked["cursor"] for asked in publisher.asked] == [None, "a", "b"]
    assert {(asked["since"], asked["until"]) for asked in publisher.asked} == {
        ("2026-11-23T09:00:00.000Z", "2026-11-23T09:30:00.000Z")
    }
    shown = capsys.readouterr()
    assert shown.out.startswith("Onramp-dev: 1,703 facts published again, 2026-11-23T09:00:00.000Z to ")
    assert "(3 calls, " in shown.out
    assert not shown.err


def test_what_it_did_is_there_for_machines(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Publisher({"published": 1, "cursor": None}), "--since", SINCE, "--json") == 0
    told = json.loads(capsys.readouterr().out)["result"]
    assert (told["published"], told["calls"], told["complete"], told["cursor"]) == (1, 1, True, None)


def test_a_call_that_fails_is_made_again_from_the_same_place(run: Run, slept: list[float]) -> None:
    refused = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
    publisher = Publisher(
        {"published": 5, "cursor": "a"},
        {"errorType": "RuntimeError", "errorMessage": "UnavailableError"},
        ReadTimeoutError(endpoint_url="https://lambda.test"),
        refused,
        {"published": 2, "cursor": None},
    )
    assert run(publisher, "--since", SINCE) == 0
    assert [asked["cursor"] for asked in publisher.asked] == [None, "a", "a", "a", "a"]
    assert slept == [2, 4, 8]


def test_a_bus_that_takes_nothing_ends_it_and_it_says_how_to_go_on(
    run: Run, slept: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = Publisher({"published": 7, "cursor": '["a", "b"]'})
    assert run(publisher, "--since", SINCE, "--until", SINCE) == 1
    assert len(publisher.asked) == 1 + facts.TRIES
    shown = capsys.readouterr()
    assert "42 facts published again" in shown.out
    assert "stopped before the end: the bus does not take the next facts" in shown.err
    span = "--since 2026-11-23T09:00:00.000Z --until 2026-11-23T09:00:00.000Z"
    assert f'onramp facts republish --stage dev {span} --cursor \'["a", "b"]\'' in shown.err
    assert len(slept) == facts.TRIES - 1


def test_it_goes_on_where_an_earlier_run_stopped(run: Run) -> None:
    publisher = Publisher({"published": 1, "cursor": None})
    assert run(publisher, "--since", SINCE, "--cursor", "place") == 0
    assert publisher.asked[0]["cursor"] == "place"


@pytest.mark.parametrize("answer", [{"published": "many", "cursor": None}, {}, {"published": 1, "cursor": 5}])
def test_an_answer_that_is_none_ends_it(run: Run, answer: Json, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Publisher(answer), "--since", SINCE, "--json") == 1
    told = json.loads(capsys.readouterr().out)["result"]
    assert "another version" in told["trouble"]
    assert not told["complete"]


def test_an_error_of_the_function_is_named_and_not_quoted(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(Publisher({"errorType": "RuntimeError", "errorMessage": "+49 151 2345"}), "--since", SINCE) == 1
    )
    shown = capsys.readouterr()
    assert "the function failed (RuntimeError): read its log" in shown.err
    assert "2345" not in shown.out + shown.err


def test_a_stage_without_the_function_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher({"published": 1, "cursor": None})
    assert run(publisher, "--since", SINCE, "--json", deployed=False) == 2
    shown = capsys.readouterr()
    assert "Onramp-dev has no event_publisher" in json.loads(shown.out)["problem"]["detail"]
    assert not publisher.asked


def test_a_span_that_ends_before_it_begins_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Publisher({}), "--since", "1h", "--until", "2h") == 2
    assert "--since is later than --until" in capsys.readouterr().err


@pytest.mark.parametrize("bad", ["yesterday", "24", "h", "-3h", "1234567d", "2026-13-01"])
def test_a_time_that_nobody_can_read_is_bad_usage(run: Run, bad: str) -> None:
    assert run(Publisher({}), f"--since={bad}") == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        ("24h", datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 12, 0, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T09:00", datetime(2026, 11, 23, 9, 0, tzinfo=UTC)),
        ("2026-11-23T09:00:00+02:00", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
    ],
)
def test_times_are_utc_or_how_long_ago(text: str, at: datetime) -> None:
    assert when(text)(datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) == at


def test_ctrl_c_says_how_to_go_on(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher({"published": 5, "cursor": "a"}, {"published": 5, "cursor": "b"})
    stop = iter((None, KeyboardInterrupt()))
    answer = publisher.invoke

    def interrupted(request: Json) -> Json:
        if (reason := next(stop)) is not None:
            raise reason
        return answer(request)

    publisher.invoke = interrupted  # type: ignore[method-assign]
    assert run(publisher, "--since", SINCE) == 130
    shown = capsys.readouterr()
    assert "5 facts published again" in shown.out
    assert "--cursor 'a'" in shown.err


def test_progress_is_shown_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    publisher = Publisher({"published": 900, "cursor": "a"}, {}, {"published": 1, "cursor": None})
    assert run(publisher, "--since", SINCE) == 0
    assert "900 facts published, 1 call" in terminal.getvalue()
    assert "trying again" in terminal.getvalue()


def test_an_answer_is_waited_for_as_long_as_the_function_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Json] = []

    def reach(_given: object, **options: Any) -> Reached:
        asked.append(options)
        raise UnusableError("enough")

    monkeypatch.setattr("ops.running.reach", reach)
    assert main(["facts", "republish", "--stage", "dev", "--since", "1h"]) == 2
    assert asked[0]["read_timeout"] > CARDS["event_publisher"].timeout
