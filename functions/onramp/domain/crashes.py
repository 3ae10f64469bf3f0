"""What a log line says of an error nobody expected: its kind, where in our code it was, and our own words.

The text of anybody else's error stays out, for it may quote a record, a request or a secret.
"""

import traceback
from pathlib import PurePosixPath
from types import FrameType
from typing import Final

from onramp.domain.errors import OnrampError
from onramp.domain.text import mask_text

_ROOT: Final = PurePosixPath(__file__.replace("\\", "/")).parents[2]
"""Where the functions and this package are."""
_PACKAGE: Final = "onramp"


def told_of(error: BaseException) -> dict[str, str | float | None]:
    """Fields of a log line: `error`, `where` (our innermost file and line), `text` of an error of ours."""
    fields: dict[str, str | float | None] = {"error": type(error).__name__, "where": _where(error)}
    if isinstance(error, OnrampError):
        fields["text"] = mask_text(str(error))
    return fields


def _where(error: BaseException) -> str:
    """The innermost frame that is ours; of an error without one the innermost there is."""
    frames = list(traceback.walk_tb(error.__traceback__))
    ours = [(name, line) for frame, line in frames if (name := _own(frame)) is not None]
    if ours:
        return "{}:{}".format(*ours[-1])
    return f"{PurePosixPath(frames[-1][0].f_code.co_filename).name}:{frames[-1][1]}" if frames else ""


def _own(frame: FrameType) -> str | None:
    """A frame's file below the root of the functions, or None when it is a library's."""
    path = PurePosixPath(frame.f_code.co_filename.replace("\\", "/"))
    if not path.is_relative_to(_ROOT):
        return None
    # In a bundle libraries lie beside our package: ours are in it, or a function's file at the top.
    name = path.relative_to(_ROOT)
    return str(name) if name.parts[0] == _PACKAGE or len(name.parts) == 1 else None
