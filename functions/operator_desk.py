"""The operator's desk: commands of the account's own people, by IAM alone; nobody else can reach it.

`{"command": "numbers.show", "arguments": {…}, "actor": "arn:…"}` is answered by `{"version": 1, "result": …}`
or `{"version": 1, "problem": …}`. `actor` is what the command line says of its caller: it is for the log, and
proves nothing. That the caller may ask at all, Lambda has checked; who it was, CloudTrail knows.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, ValidationError

from onramp import wiring
from onramp.domain.crashes import told_of
from onramp.domain.errors import Conflict, Problem, PutOff, UnavailableError, Unreadable, UpstreamError
from onramp.domain.text import mask_text
from onramp.inbound.desk import Asked, AtHub, Command
from onramp.inbound.desk.table import COMMANDS
from onramp.inbound.problems import content_of, invalid
from onramp.ports import Ports
from onramp.settings import OperatorDeskSettings
from onramp.usecases.open_signup import at_hub
from onramp.wiring import Runtime

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

VERSION: Final = 1
"""Of the form of an answer."""
LONGEST_ACTOR: Final = 300
_SHOWN: Final = ("code", "title", "detail", "retryable", "request_id", "errors", "candidates")
_IDS: Final = ("signup_id", "phone_number_id", "channel_id", "event_id", "queue")
"""Arguments that a log line may name: ids alone, and no text of a person's."""


class Call(Asked):
    """What the function is invoked with."""

    command: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    actor: str | None = None


@cache
def function() -> tuple[Runtime, Ports]:
    """The wired function, made once."""
    settings = OperatorDeskSettings.read()
    runtime = Runtime(settings)
    return runtime, wiring.operator_desk(runtime, settings)


def handler(event: object, context: "LambdaContext") -> dict[str, Any]:
    """Answer one command."""
    runtime, desk = function()
    with runtime.invocation(context):
        try:
            return {"version": VERSION, "result": _run(desk, event)}
        except Exception as trouble:  # noqa: BLE001 - whoever asked is told that, and not what
            problem = _problem_of(desk, trouble)
            return {"version": VERSION, "problem": _shown(problem, runtime.request_id)}


def _shown(problem: Problem, request_id: str) -> dict[str, object]:
    """A problem as whoever asked is told of it; `retry_after` in seconds."""
    told: dict[str, object] = {**content_of(problem, request_id)}
    again = {} if problem.retry_after is None else {"retry_after": problem.retry_after}
    return {name: told[name] for name in _SHOWN if name in told} | again


def _run(desk: Ports, event: object) -> object:
    """Check what is asked, and do it. Raises `Problem`, and whatever the command raises."""
    try:
        call = Call.model_validate(event)
        command = _named(call.command)
        # Read as JSON, where a time may be a text and a number may not.
        asked = command.arguments.model_validate_json(json.dumps(call.arguments))
    except ValidationError as refusal:
        raise invalid(refusal) from None
    if command.changes:
        _note(desk, command, asked, call.actor)
    answer = command.run(_at(desk, asked), asked)
    return answer.model_dump(mode="json") if isinstance(answer, BaseModel) else dict(answer)


def _at(desk: Ports, asked: Asked) -> Ports:
    """The desk as seen from the hub that is asked for. Raises `Problem(invalid_request)`."""
    return at_hub(desk, asked.hub) if isinstance(asked, AtHub) else desk


def _named(name: str) -> Command:
    command = COMMANDS.get(name)
    if command is None:
        errors = [{"field": "command", "message": "is not a command of this release"}]
        raise Problem("invalid_request", "There is no such command.", errors=errors)
    return command


def _note(desk: Ports, command: Command, asked: Asked, actor: str | None) -> None:
    """Say who changes what: before it is done, so that no change is without its line."""
    given: Mapping[str, Any] = asked.model_dump()
    ids = {name: str(given[name]) for name in _IDS if given.get(name)}
    desk.telemetry.info("an operator asks for a change", command=command.name, actor=_masked(actor), **ids)


def _masked(actor: str | None) -> str:
    """The end of a caller's ARN, without the account; a session's name is often an email."""
    name = (actor or "not told").rpartition(":")[2]
    return "/".join(map(mask_text, name.split("/")))[:LONGEST_ACTOR]


def _problem_of(desk: Ports, trouble: Exception) -> Problem:
    """What whoever asked is told of an error: our own words alone."""
    if isinstance(trouble, Problem):
        return trouble
    if isinstance(trouble, UnavailableError):
        desk.telemetry.count("ServicesUnavailable")
    desk.telemetry.warn("command did not come to its end", **told_of(trouble))
    match trouble:
        case PutOff(until=until):
            wait = max(1, round((until - desk.clock.now()).total_seconds()))
            return Problem("unavailable", "This has to wait for its turn.", retry_after=wait)
        case Unreadable():
            return Problem("internal_error", f"A record cannot be read: {mask_text(str(trouble))}.")
        case UpstreamError(code=code):
            return Problem("unavailable", f"360dialog or Meta did not do it ({code}).")
        case Conflict() | UnavailableError():
            return Problem("unavailable", "A part of this stage is busy or does not answer. Try again.")
    return Problem("internal_error", "Something went wrong. The function's log says where.")


wiring.start(function)
