"""Somebody who types `onramp …` beside a world: the command line, the desk's handler, and time that passes.

Whatever the command waits for, the world lives on meanwhile. A desk that is killed answers as a function does
that has died: nobody knows what was done.
"""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import operator_desk
from harness.killing import Killed
from harness.world import Json, World
from onramp.inbound.desk import channels
from onramp.usecases.adopt import adopt_page
from ops.cli import main
from ops.commands import cost, keys
from ops.desk import Desk, NoAnswer
from ops.running import Run


class DeskRuntime:
    """What the desk's handler needs of Lambda."""

    request_id = "request"

    @contextmanager
    def invocation(self, _context: object) -> Iterator[None]:
        """One invocation."""
        yield


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said to a machine and beside that to a person."""

    code: int
    answer: Json
    notes: list[str]
    seconds: float

    @property
    def result(self) -> Json:
        """What was asked for."""
        assert "result" in self.answer, self.answer
        return dict(self.answer["result"])


class Operator:
    """One person at the command line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.died = 0

    def says(self, *words: str) -> Said:
        """Type `onramp` and these words; JSON is what comes back."""
        began, out, notes = self.world.clock.now(), io.StringIO(), io.StringIO()
        with ExitStack() as typed:
            typed.enter_context(patch.object(Run, "desk", lambda _: nullcontext(Desk(invoke=self._invoke))))
            for waits in (cost, keys):
                typed.enter_context(patch.object(waits, "time", SimpleNamespace(sleep=self.world.run)))
            typed.enter_context(redirect_stdout(out))
            typed.enter_context(redirect_stderr(notes))
            code = main([*words, "--json", "--stage", "dev"])
        seconds = (self.world.clock.now() - began).total_seconds()
        return Said(code, json.loads(out.getvalue()), notes.getvalue().splitlines(), seconds)

    def insists(self, *words: str, times: int = 20) -> Said:
        """Type it again, a moment later, until it ends well."""
        said = self.says(*words)
        for _ in range(times - 1):
            if said.code == 0:
                return said
            self.world.run(1.0)
            said = self.says(*words)
        assert said.code == 0, said
        return said

    def asks(self, command: str, **arguments: Any) -> Json:
        """Ask the desk itself."""
        return Desk(invoke=self._invoke).ask(command, **arguments)

    def _invoke(self, event: Json) -> Json:
        event = json.loads(json.dumps(event))
        wired = DeskRuntime(), self.world.ports
        # A page is worked on for so long as the world's clock says, however busy the machine is.
        paged = partial(adopt_page, monotonic=lambda: self.world.clock.now().timestamp())
        context: Any = SimpleNamespace(aws_request_id="request")
        try:
            with (
                patch.object(operator_desk, "function", lambda: wired),
                patch.object(channels, "adopt_page", paged),
            ):
                answer = operator_desk.handler(event, context)
        except Killed:
            self.died += 1
            raise NoAnswer("the desk failed") from None
        return dict(json.loads(json.dumps(answer)))
