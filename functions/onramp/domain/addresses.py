"""Web addresses, compared in one normal form."""

import re
from typing import Final

from pydantic_core import Url

_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
"""Characters that mean the same escaped and plain (RFC 3986, 2.3)."""


def same_address(one: str, other: str) -> bool:
    """Whether two web addresses are one, however they are spelled.

    Case of scheme and host, default ports, dots in the path, the empty path, other scripts in the host and
    needless escapes make no difference. A trailing slash does: servers tell the two apart.
    """
    return _normal(one) == _normal(other)


def _normal(address: str) -> str:
    try:
        whole = str(Url(address.strip()))
    except ValueError:
        return address
    return _ESCAPE.sub(_unescaped, whole.partition("#")[0])


def _unescaped(escape: re.Match[str]) -> str:
    plain = chr(int(escape[1], 16))
    return plain if _UNRESERVED.fullmatch(plain) else escape[0].upper()
