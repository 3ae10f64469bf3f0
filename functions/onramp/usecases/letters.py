"""Dead letters: looked at, sent back, thrown away; none is lost on the way.

A letter is deleted only when its copy has been taken, so that a run which dies in between leaves two: jobs
and events act once, and a repeat is harmless. What was sent back and is buried again meanwhile is not taken
up by the same redrive: it only takes what was there when it began.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.services import Letter

HIDDEN: Final = 120
"""Seconds for which a letter that is looked at is hidden: longer than any run."""
EMPTY: Final = 3
"""Answers without a new letter after which a queue counts as seen: SQS asks only some of its machines."""
MOST: Final = 500
"""Letters that one run looks at."""
PATIENCE: Final = timedelta(seconds=20)
"""So long one run looks."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Which letters: by reason, by id, and those that were buried before a time; None asks for nothing."""

    reason: str | None = None
    letter_id: str | None = None
    before: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is one of those."""
        return (
            self.reason in {None, letter.reason}
            and self.letter_id in {None, letter.id}
            and (self.before is None or letter.sent_at <= self.before)
        )


@dataclass(slots=True)
class Seen:
    """What one run has seen: the letters that were meant, and whether it has seen the whole queue."""

    letters: list[Letter] = field(default_factory=list)
    whole: bool = False

    @property
    def reasons(self) -> dict[str, int]:
        """How many there are of each reason, the most first."""
        return dict(Counter(letter.reason for letter in self.letters).most_common())


def require_queue(ports: Ports, queue: str) -> None:
    """Raise `Problem(invalid_request)` for a name that is none."""
    if queue not in ports.letters.names():
        names = ", ".join(ports.letters.names())
        errors = [{"field": "queue", "message": f"is none of {names}"}]
        raise Problem("invalid_request", f"The dead letters' queues are {names}.", errors=errors)


def look(ports: Ports, queue: str, meant: Meant, limit: int = MOST) -> Seen:
    """Look at letters, and leave them where they are. Raises `Problem`, `UnavailableError`."""
    return _walk(ports, queue, meant, limit, lambda _: None, keep=True)


def redrive(ports: Ports, queue: str, meant: Meant, limit: int) -> Seen:
    """Send letters back to their queue, at most `limit`. Raises `Problem`, `UnavailableError`."""
    require_queue(ports, queue)
    if not ports.letters.returns(queue):
        raise Problem(
            "invalid_request", _NO_WAY_BACK, errors=[{"field": "queue", "message": "has no way back"}]
        )

    def move(letter: Letter) -> None:
        ports.letters.send_back(queue, letter)
        ports.letters.delete(queue, letter)

    return _walk(ports, queue, meant, limit, move)


def purge(ports: Ports, queue: str, meant: Meant, limit: int) -> Seen:
    """Throw letters away, at most `limit`. Raises `Problem`, `UnavailableError`."""
    return _walk(ports, queue, meant, limit, lambda letter: ports.letters.delete(queue, letter))


_NO_WAY_BACK: Final = (
    "What a schedule or the stream has given up cannot be sent back: the next sweep and census do the same,"
    " and facts are published again by `onramp facts republish`."
)


def _walk(
    ports: Ports, queue: str, meant: Meant, limit: int, act: Callable[[Letter], None], *, keep: bool = False
) -> Seen:
    """Act on each letter that is meant; all others, and with `keep` all, can be seen again afterwards."""
    require_queue(ports, queue)
    seen = Seen()
    left: list[Letter] = []
    try:
        with closing(_received(ports, queue, seen)) as received:
            for letter in received:
                left.append(letter)
                if meant.fits(letter):
                    act(letter)
                    seen.letters.append(letter)
                    if not keep:
                        left.pop()
                if len(seen.letters) >= limit:
                    break
    finally:
        _release(ports, queue, left)
    return seen


def _received(ports: Ports, queue: str, seen: Seen) -> Generator[Letter]:
    """The letters of a queue, each once."""
    ids: set[str] = set()
    spare: list[Letter] = []
    empty, end = 0, ports.clock.now() + PATIENCE
    try:
        while empty < EMPTY and len(ids) < MOST and ports.clock.now() < end:
            new = [letter for letter in ports.letters.receive(queue, HIDDEN) if letter.id not in ids]
            empty = 0 if new else empty + 1
            ids |= {letter.id for letter in new}
            spare = new
            while spare:
                yield spare.pop(0)
        seen.whole = empty >= EMPTY
    finally:
        # What was received and not looked at any more.
        _release(ports, queue, spare)


def _release(ports: Ports, queue: str, letters: Sequence[Letter]) -> None:
    """Let them be seen; failing that they show themselves when their time is over."""
    try:
        ports.letters.release(queue, letters)
    except UnavailableError:
        ports.telemetry.warn("dead letters stay hidden for a while", queue=queue)
