"""How commands begin, ask the desk, answer and end."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import typer
from botocore.exceptions import ClientError, ReadTimeoutError

from ops import cli, desk
from ops.commands import listen
from ops.console import Console
from ops.desk import NoAnswer, Refused
from ops.running import Run, command, group, moment, one_of
from ops.stage.configuration import UnusableError
from tests.ops.conftest import AtDesk, refused

app = group("Things, for these tests.")


@command(app, "list")
def listed(
    run: Run,
    kind: Annotated[str | None, typer.Option(parser=one_of("a", "b"), help="Only these.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most.")] = None,
) -> None:
    """List things."""
    with run.desk() as found:
        run.console.items(
            found.items("things.list", kind=kind, limit=limit), ("id", "of.name"), none="no things"
        )


@command(app, "end", asks=True)
def end(run: Run, name: Annotated[str, typer.Argument(metavar="ID", help="Which.")]) -> None:
    """End a thing."""
    run.consent(f"the thing {name} is ended")
    with run.desk() as found:
        run.console.answer(found.ask("things.end", id=name), f"{name} ended")


@pytest.fixture(autouse=True)
def with_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "AREAS", ("things",))
    monkeypatch.setitem(sys.modules, "ops.commands.things", SimpleNamespace(app=app))


def test_pages_are_one_table(at_desk: AtDesk) -> None:
    pages = [{"items": [{"id": "1", "of": {"name": "x"}}], "cursor": "c"}, {"items": [{"id": "2"}]}]
    at_desk.answers["things.list"] = list(pages)
    assert at_desk.run("things", "list", "--kind", "a") == 0
    assert at_desk.out.split() == ["id", "of.name", "1", "x", "2", "-"]
    assert at_desk.asked == [("things.list", {"kind": "a"}), ("things.list", {"kind": "a", "cursor": "c"})]


def test_a_machine_gets_one_object_with_a_version(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = {"items": [{"id": "1"}]}
    assert at_desk.run("things", "list", "--json") == 0
    assert json.loads(at_desk.out) == {
        "version": 1,
        "command": "things list",
        "result": {"items": [{"id": "1"}]},
    }


def test_an_empty_list_is_an_answer(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = {"items": [], "cursor": None}
    assert at_desk.run("things", "list") == 0
    assert at_desk.out == "no things\n"


def test_a_long_word_is_whole_in_a_pipe(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = {"items": [{"id": "x" * 500}]}
    at_desk.run("things", "list")
    assert "x" * 500 in at_desk.out


def test_no_more_is_read_than_asked_for(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = [{"items": [{"id": "1"}, {"id": "2"}], "cursor": "c"}]
    assert at_desk.run("things", "list", "--limit", "1") == 0
    assert len(at_desk.asked) == 1


@pytest.mark.parametrize(("code", "status"), [("not_found", 1), ("invalid_request", 2)])
def test_a_problem_of_the_desk_is_told(at_desk: AtDesk, code: str, status: int) -> None:
    at_desk.answers["things.end"] = Refused({"code": code, "detail": "there is no such thing"})
    assert at_desk.run("things", "end", "7", "--yes", "--json") == status
    told = json.loads(at_desk.out)
    assert told["problem"] == {"code": code, "detail": "there is no such thing"}
    assert at_desk.err == "onramp things end: there is no such thing\n"


def test_nothing_is_ended_when_nobody_can_be_asked(at_desk: AtDesk) -> None:
    assert at_desk.run("things", "end", "7") == 2
    assert "say --yes if it is meant" in at_desk.err
    assert not at_desk.asked


@pytest.mark.parametrize(("typed", "status"), [("dev\n", 0), ("prod\n", 2)])
def test_a_person_answers_with_the_stages_name(at_desk: AtDesk, typed: str, status: int) -> None:
    at_desk.person = True
    at_desk.answers["things.end"] = {}
    assert at_desk.run("things", "end", "7", given=typed) == status
    assert bool(at_desk.asked) is (status == 0)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["things"],
        ["things", "end"],
        ["things", "list", "--colour"],
        ["things", "list", "--kind=c"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["problem"]["code"] == "wrong_usage"
    assert "--help" in shown.err


def test_help_names_the_options_of_the_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["things", "end", "--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("End a thing.", "--stage", "--local", "--profile", "--endpoint-url", "--json", "--yes"):
        assert name in shown


def test_ctrl_c_ends_with_130(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    assert at_desk.run("things", "list") == 130


def test_what_it_takes_of_the_budget_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(command="x")
    console.cost(0)
    console.cost(2_000, {"calls": 5, "window_seconds": 60.0, "spare_calls": 1})
    assert capsys.readouterr().err == (
        "partner calls: 2,000, about 7 h at the budget of 5 in 60 s; 1 spare calls now\n"
    )


def test_a_time_that_is_none_is_wrong_usage() -> None:
    assert moment(None) is None
    with pytest.raises(UnusableError, match="24h"):
        moment("yesterday")


# --- the desk ---------------------------------------------------------------------------------------


class Function:
    """A function whose answers come one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0

    def invoke(self, **_: Any) -> Any:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Payload": io.BytesIO(json.dumps(answer).encode())} | (
            {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        )


def asking(function: Function) -> desk.Desk:
    return desk.Desk(invoke=desk._caller(function, "f", sleep=lambda _: None))


def test_a_busy_function_is_asked_again() -> None:
    function = Function(refused("TooManyRequestsException"), {"version": 1, "result": {"a": 1}})
    assert asking(function).ask("x") == {"a": 1}
    assert function.calls == 2


def test_a_function_that_stays_busy_is_given_up() -> None:
    function = Function(*[refused("TooManyRequestsException")] * desk.TRIES)
    with pytest.raises(ClientError):
        asking(function).ask("x")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ReadTimeoutError(endpoint_url="https://lambda.test"), "may have been done all the same"),
        ({"errorType": "RuntimeError", "errorMessage": "s3cret"}, r"failed \(RuntimeError\)"),
        ({"version": 2, "result": {}}, "another version"),
        ([], "says not how"),
    ],
)
def test_an_answer_that_is_none_is_told_and_never_asked_for_twice(answer: Any, told: str) -> None:
    function = Function(answer)
    with pytest.raises(NoAnswer, match=told):
        asking(function).ask("x")
    assert function.calls == 1


def test_pages_that_lead_no_further_end() -> None:
    page = {"version": 1, "result": {"items": [], "cursor": "c"}}
    with pytest.raises(NoAnswer, match="leads no further"):
        list(asking(Function(page, page)).pages("x"))


@pytest.mark.parametrize("words", [("pause",), ("signups", "list"), ("table", "copy")])
def test_only_the_area_that_is_meant_is_loaded(words: tuple[str, ...]) -> None:
    # Somebody types these at night: what a command does not need, it does not wait for.
    said = f"import sys, ops.cli; ops.cli.main([*{words!r}, '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert f"Usage: onramp {' '.join(words)}" in done.stdout
    loaded = set(done.stdout.split())
    assert f"ops.commands.{words[0]}" in loaded
    assert not loaded & {"ops.commands.release", "ops.preflight.command", "ops.doctor.command"}


def test_an_output_that_takes_no_more_is_told_in_one_line() -> None:
    said = [sys.executable, "-m", "ops", "config", "check", "--stage", "local"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(said, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "onramp: No space left on device\n")


def test_a_question_that_nobody_answers_ends_with_2(at_desk: AtDesk) -> None:
    at_desk.answers["things.list"] = lambda _: (_ for _ in ()).throw(EOFError)
    assert at_desk.run("things", "list") == 2
    assert "the input ended before an answer" in at_desk.err


def test_only_addresses_of_this_machine_are_listened_for() -> None:
    for address in ("http://[::1", "https://other.test", "http://localhost:x"):
        assert not listen._is_here(address)
    assert listen._is_here("http://[::1]:8000/x")
