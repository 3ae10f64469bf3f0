"""The function `operator_desk`, asked with the operator's credentials: what changes data is done there."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.stage.aws import called_function, error_code, list_resources
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

FUNCTION: Final = "operator_desk"
OUTPUT: Final = "OperatorDeskArn"
"""Of the stack: what is invoked."""
PATIENCE: Final = 90.0
"""Seconds for one answer; the function ends earlier."""
BUSY: Final = frozenset({"TooManyRequestsException", "EC2ThrottledException", "ServiceException"})
"""Refusals of Lambda's before the function began, so that the call may be made again."""
TRIES: Final = 5
PAUSE: Final = 1.0
"""Seconds before the second try; each later one waits twice as long."""
LOCAL_ACTOR: Final = "local"

type Json = dict[str, Any]


class Refused(Exception):
    """The desk did not do it; `problem` says why, as the API's problems do."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or problem.get("code") or "refused")
        self.problem = dict(problem)

    @property
    def code(self) -> str:
        """What it is called."""
        return str(self.problem.get("code", "refused"))


class NoAnswer(Exception):
    """Nobody knows whether it was done; the text says what is known."""


@dataclass(kw_only=True)
class Desk:
    """The desk of one stage. `invoke` hands over an event and gives the answer, see `desk_of`.

    `api` is the address of the stage's API, where it is known.
    """

    invoke: Callable[[Json], Json]
    actor: str = LOCAL_ACTOR
    api: str = ""
    _calls: int = field(default=0, repr=False)

    def ask(self, command: str, **arguments: object) -> Json:
        """Have a command done; arguments that are None are left out.

        Raises:
            Refused: it was not done; the problem says why.
            NoAnswer: it is not known whether it was done.
        """
        self._calls += 1
        given = {name: value for name, value in arguments.items() if value is not None}
        answer = self.invoke({"command": command, "arguments": given, "actor": self.actor})
        if isinstance(answer.get("problem"), dict):
            raise Refused(answer["problem"])
        if answer.get("version") != 1 or not isinstance(answer.get("result"), dict):
            raise NoAnswer("the desk's answer is none: is another version deployed?")
        result: Json = answer["result"]
        return result

    def pages(self, command: str, **arguments: object) -> Iterator[Json]:
        """The results of a command that goes page by page, from `cursor` to `cursor`.

        Raises what `ask` raises, and `NoAnswer` when a page leads no further.
        """
        cursor = arguments.pop("cursor", None)
        while True:
            result = self.ask(command, **arguments, cursor=cursor)
            yield result
            if result.get("cursor") is None:
                return
            if result["cursor"] == cursor:
                raise NoAnswer(f"{command} leads no further than {cursor}")
            cursor = result["cursor"]

    def items(self, command: str, *, limit: int | None = None, **arguments: object) -> Iterator[Json]:
        """The items of all pages, at most `limit`. Raises what `pages` raises."""
        told = 0
        for page in self.pages(command, **arguments):
            for item in page.get("items", []):
                if limit is not None and told >= limit:
                    return
                yield item
                told += 1


def desk_of(found: Reached) -> Desk:
    """The desk of a stage that was found.

    Raises:
        UnusableError: the stage has no desk, or nobody may look.
    """
    try:
        # Whoever is given the stack's outputs needs no right but the one to invoke it.
        function = found.outputs.get(OUTPUT) or called_function(
            list_resources(found.aws, found.stack_name), FUNCTION
        )
        if function is None:
            raise UnusableError(f"{found.stack_name} has no {FUNCTION}: deploy it first")
        api = found.outputs.get("ApiUrl", "").rstrip("/")
        return Desk(invoke=_caller(found.aws.functions, function), actor=_actor(found), api=api)
    except (ClientError, BotoCoreError) as error:
        raise UnusableError(
            f"the functions of {found.stack_name} cannot be read ({error_code(error)})"
        ) from error


def _actor(found: Reached) -> str:
    """Who asks, for the log: on AWS the caller's ARN."""
    if found.aws.is_emulated:
        return LOCAL_ACTOR
    return str(found.aws.client("sts").get_caller_identity()["Arn"])


def _caller(
    client: Any,  # noqa: ANN401 - boto3's
    function: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[Json], Json]:
    def call(event: Json) -> Json:
        payload = json.dumps(event, default=str).encode()
        for attempt in range(TRIES):
            try:
                answer = client.invoke(FunctionName=function, Payload=payload)
            except ClientError as error:
                if error_code(error) not in BUSY or attempt == TRIES - 1:
                    raise
                sleep(PAUSE * 2**attempt)
            except BotoCoreError as error:
                raise NoAnswer(
                    f"the desk gave no answer ({error_code(error)}); it may have been done all the same"
                ) from error
            else:
                return _content(answer)
        raise AssertionError  # the last try raises

    return call


def _content(answer: Mapping[str, Any]) -> Json:
    try:
        content = json.loads(answer["Payload"].read() or b"null")
    except ValueError as error:
        raise NoAnswer("the desk's answer is not JSON") from error
    if answer.get("FunctionError") or not isinstance(content, dict):
        kind = content.get("errorType", "") if isinstance(content, dict) else ""
        raise NoAnswer(f"the desk failed ({kind or 'it says not how'}): onramp logs {FUNCTION}")
    return content
