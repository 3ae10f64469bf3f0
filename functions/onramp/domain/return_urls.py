"""Where a customer is sent back to: only to origins that were allowed, with parameters that the page knows.

An address is read as browsers read it, and compared by what was read, never by how it begins.
"""

import re
import string
from collections.abc import Collection, Mapping
from typing import Final

from pydantic_core import Url

ADDED: Final = ("client", "channels", "signup", "status", "reference")
"""What is added to a return address: 360dialog's own parameters first, then ours."""
RENEWED: Final = ("link", "reference")
"""What is added to the address of a page that makes a new link."""
_WHOLE: Final = re.compile(r"https?://(?P<authority>[^/?#]+)", re.IGNORECASE)
"""How a whole address begins; `https:host`, which browsers put right, some put behind where they are."""
_CHARACTERS: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""Printable ASCII without what browsers read in another way than servers: quotes, angles, backslash, …"""
_AS_THEY_ARE: Final = frozenset(f"{string.ascii_letters}{string.digits}[],:-._~".encode())
"""Not escaped in a value: 360dialog writes a list of channels as `[a,b]`."""


def origin_of(address: str) -> str | None:
    """The origin of a web address as a browser sees it; None for what no return address may be.

    Without user information, and only of `https:` or `http:`; a default port is left out.
    """
    whole = _WHOLE.match(address)
    # Also an empty user: `https://@host` is written by nobody who means well.
    if whole is None or "@" in whole["authority"] or not _CHARACTERS.fullmatch(address):
        return None
    try:
        url = Url(address)
    except ValueError:
        return None
    standard = {"https": 443, "http": 80}[url.scheme]
    port = "" if url.port in {None, standard} else f":{url.port}"
    return f"{url.scheme}://{url.host}{port}"


def mistake_in(address: str, origins: Collection[str]) -> str | None:
    """What is wrong with a return address; None for nothing.

    The configuration says which origins there are, and whether they may be without TLS.
    """
    origin = origin_of(address)
    if origin is None:
        return "is not a web address that can be returned to"
    if origin not in {origin_of(allowed) for allowed in origins}:
        return "is at none of the origins of links.return_origins"
    taken = [name for name, _ in Url(address).query_params() if name in ADDED]
    return f"has the parameter {taken[0]} already, which is added" if taken else None


def completed(address: str, parameters: Mapping[str, str | None]) -> str:
    """An address with parameters behind those that it has; query and fragment stay as they are.

    A parameter without a value is left out.
    """
    added = "&".join(f"{name}={_escaped(value)}" for name, value in parameters.items() if value is not None)
    if not added:
        return address
    front, hash_, fragment = address.partition("#")
    path, mark, query = front.partition("?")
    joined = added if not mark or not query else f"{query.removesuffix('&')}&{added}"
    return f"{path}?{joined}{hash_}{fragment}"


def _escaped(value: str) -> str:
    content = value.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _AS_THEY_ARE else f"%{byte:02X}" for byte in content)
