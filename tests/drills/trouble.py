"""What a drill is made of: a trouble, its first sign, and the commands of the runbook that end it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.waiting import eventually
from tests.drills.book import printed, with_own_ids
from tests.drills.stage import Drill

type Act = Callable[[Drill], None]
type Asked = Callable[[Drill], bool]

WELL = ("ok", "skipped")


class Sign(Protocol):
    """The first that anybody sees of a trouble."""

    @property
    def told(self) -> str:
        """It, for the table of the document."""

    def appears(self, drill: Drill) -> None:
        """Wait for it. Raises `AssertionError` when it does not appear."""

    def ends(self, drill: Drill) -> None:
        """Wait for its end, where it has one. Raises `AssertionError`."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A metric that an alarm watches: its lines are in the functions' logs, on AWS the alarm rings.

    `times` is how often it is counted until then, `alarm` the alarm's name behind ``Onramp-<stage>-``, and
    the section of the runbook.
    """

    metric: str
    alarm: str
    times: int = 1

    @property
    def told(self) -> str:
        return f"alarm `{self.alarm}` (`{self.metric}`)"

    def appears(self, drill: Drill) -> None:
        eventually(
            lambda: drill.counted(self.metric) >= self.times, f"{self.metric} is counted {self.times} times"
        )

    def ends(self, drill: Drill) -> None:
        """What was counted stays so; the alarm ends when no more comes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of the doctor. `alarm`: the one that rings on AWS in time.

    It ends when it is well, or at least not known to be ill: what asks CloudWatch may be ``skipped`` on a
    local run.
    """

    check: str
    alarm: str = ""
    level: str = "fail"

    @property
    def told(self) -> str:
        ringing = f", in time alarm `{self.alarm}`" if self.alarm else ""
        return f"doctor `{self.check}`{ringing}"

    def appears(self, drill: Drill) -> None:
        eventually(
            lambda: drill.stage.level(self.check) == self.level,
            f"the doctor's {self.check} is {self.level}",
        )

    def ends(self, drill: Drill) -> None:
        eventually(lambda: drill.stage.level(self.check) in WELL, f"the doctor's {self.check} is well")


def nothing(_: Drill) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A command that is typed as its section prints it; only the examples' ids are the drill's own.

    `lines` are what standard input has, `at_terminal` whether a person types them, who is asked; `status` is
    how it ends, `shows` a text that it must show. `when` is waited for before, as a person does who looks
    first. A command with `until` is typed again until that has come about.
    """

    section: str
    command: str
    lines: Callable[[Drill], Sequence[str]] = nothing
    at_terminal: bool = False
    status: int = 0
    shows: str = ""
    when: Asked | None = None
    until: Asked | None = None

    def run(self, drill: Drill) -> None:
        """Type it. Raises `AssertionError` when it ends or shows otherwise, `NotPrintedError`."""
        if self.when is not None:
            when = self.when
            eventually(lambda: when(drill), f"the time for {self.command}")
        until = self.until or (lambda _: True)
        eventually(lambda: self._once(drill) and until(drill), f"what {self.command} is for")

    def _once(self, drill: Drill) -> bool:
        words = with_own_ids(printed(self.section, self.command), drill.own)
        answer = drill.stage.onramp(words, self.lines(drill), at_terminal=self.at_terminal)
        told = f"{self.command}\nended with {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
        assert answer.returncode == self.status, told
        assert self.shows in answer.stdout + answer.stderr, told
        return True


def submit(drill: Drill) -> None:
    """What a customer does meanwhile, unless a trouble says otherwise: a number is submitted."""
    drill.submit()


def connected(drill: Drill) -> None:
    """How a drill ends, unless a trouble says otherwise."""
    drill.is_connected()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A trouble. In this order: `before`, `broken`, `meanwhile`, the sign, `typed`, `healed`, the sign ends.

    `name` is the test's and the table's, `ends` what the table says of the end. Nothing needs to be put back:
    the stage is set right after each drill, whatever happened.
    """

    name: str
    broken: Act
    sign: Sign
    typed: tuple[Type, ...]
    before: Act = lambda _: None
    meanwhile: Act = submit
    healed: Act = connected
    ends: str = "the number is connected"

    @property
    def sections(self) -> list[str]:
        """The sections of the runbook that are followed, in their order."""
        return list(dict.fromkeys(one.section for one in self.typed))

    def practise(self, drill: Drill) -> None:
        """Go through it. Raises `AssertionError` where it goes otherwise than the runbook says."""
        self.before(drill)
        self.broken(drill)
        self.meanwhile(drill)
        self.sign.appears(drill)
        for one in self.typed:
            one.run(drill)
        self.healed(drill)
        self.sign.ends(drill)
