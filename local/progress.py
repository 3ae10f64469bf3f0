"""What a run tells on the terminal."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(slots=True)
class Terminal:
    """Prints steps with their durations, aligned.

    Attributes:
        out: Where to print.
    """

    out: TextIO = field(default_factory=lambda: sys.stdout)
    _started: float = field(default_factory=time.monotonic)

    def title(self, text: str) -> None:
        """Prints a heading."""
        self._print(f"\n{text}")

    def note(self, text: str) -> None:
        """Prints a line below the last step."""
        self._print(f"           {text}")

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Prints a step once it is done, or that it failed, with the seconds that it took."""
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.done(text, time.monotonic() - start, sign="✗")
            raise
        self.done(text, time.monotonic() - start)

    def done(self, text: str, seconds: float, *, sign: str = "✓") -> None:
        """Prints a step that took some seconds."""
        self._print(f"{seconds:7.2f} s {sign} {text}")

    def total(self) -> float:
        """Gives the seconds since the terminal was made."""
        return time.monotonic() - self._started

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)
