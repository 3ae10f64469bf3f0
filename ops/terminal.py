"""One line on a terminal that says what goes on and is gone afterwards."""

import shutil
from dataclasses import dataclass
from typing import Final, TextIO

_NARROWEST: Final = 60
_WIDEST: Final = 120


def table_width() -> int:
    """How wide a table may be on this terminal."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


@dataclass
class Line:
    """The line; where there is no terminal nothing is written."""

    out: TextIO
    _shown: int = 0

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        if self.out.isatty():
            self._write(text[: table_width() - 1])

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("")
            self.out.write("\r")
            self.out.flush()

    def _write(self, text: str) -> None:
        self.out.write("\r" + text.ljust(self._shown))
        self.out.flush()
        self._shown = len(text)
