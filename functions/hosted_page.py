"""`GET /signup` and `GET /signup/{file}`: the hosted page, from the files in this function's own package.

All files are read before the first request; a request only looks one up by its name, so no path is ever built
from what a caller sends. Standard library only, and no AWS: the function's role can do nothing.
"""

import base64
import gzip
import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path

from onramp.adapters.starting import on_lambda, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FOLDER = Path(__file__).with_name("page")
INDEX = "index.html"
MISSING = "404.html"
TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml",
}
"""By a name's ending: what is served. Other files in the folder are not."""
# The page is one thing of several files: kept apart by browsers, an old one would meet a new one. So each is
# kept and asked for again, which an unchanged file answers with an empty 304.
KEPT = "no-cache"
SMALL = 600
"""Bytes below which compression gains nothing."""
FACEBOOK = ("https://graph.facebook.com", "https://www.facebook.com")
FRAMES = ("https://www.facebook.com", "https://web.facebook.com")
OFF = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer"),
    *("microphone", "midi", "payment", "usb", "xr-spatial-tracking"),
)
"""What the page never uses, and what it loads shall not either."""
STRICT = {
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in OFF),
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NEEDED = ("META_SDK_BASE_URL", "SIGNUP_PAGE")
"""Variables it reads; the second is a JSON object with the logo's address."""


def origin_of(address: str) -> str:
    """The scheme and host of an http address; nothing for anything else."""
    found = re.match(r"(?i)https?://[a-z0-9.\-]+(:[0-9]{1,5})?(?=[/?#]|$)", address)
    return found.group().lower() if found else ""


def content_policy(sdk: str, logo: str) -> str:
    """What the page may load, by Meta's SDK address and the logo's."""
    allowed = {
        "default-src": ("'none'",),
        "script-src": ("'self'", origin_of(sdk)),
        "style-src": ("'self'",),
        "img-src": ("'self'", "data:", origin_of(logo)),
        "connect-src": ("'self'", *FACEBOOK),
        "frame-src": FRAMES,
        "form-action": ("'none'",),
        "base-uri": ("'none'",),
        "frame-ancestors": ("'none'",),
    }
    return "; ".join(f"{name} {' '.join(filter(None, values))}" for name, values in allowed.items())


class File:
    """One file as it is sent: its type, its bytes as they are and compressed, and its ETag of each."""

    def __init__(self, name: str, content: bytes) -> None:
        self.type = TYPES[name.rpartition(".")[2]]
        self.content = content
        # No time in it: the same file gives the same bytes and the same ETag, from every instance.
        packed = gzip.compress(content, 9, mtime=0) if len(content) >= SMALL else content
        self.packed = packed if len(packed) < len(content) else None
        self.tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        self.packed_tag = f'{self.tag[:-1]}-gz"'


class Page:
    """The files of a folder by the names that they are served under. Raises `RuntimeError` without an index.

    A name holds one segment, as the API's route does: ``lang/en.json`` is served as ``lang-en.json``.
    """

    def __init__(self, folder: Path, policy: str) -> None:
        self.headers = {"Content-Security-Policy": policy, **STRICT}
        self.files: dict[str, File] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix[1:] in TYPES:
                name = "-".join(path.relative_to(folder).parts)
                self.files[name] = File(name, path.read_bytes())
        if not {INDEX, MISSING} <= self.files.keys():
            raise RuntimeError(f"{INDEX} or {MISSING} is missing in the package")

    def answer(self, name: str, headers: "Mapping[str, str]") -> dict[str, object]:
        """The answer to a request for a file, by its name and the request's headers in small letters."""
        file = self.files.get(name)
        if file is None:
            return self._sent(404, self.files[MISSING], packed=False)
        packed = file.packed is not None and accepts_gzip(headers.get("accept-encoding", ""))
        known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
        if known & {file.tag, file.packed_tag, "*"}:
            return self._sent(304, file, packed=packed)
        return self._sent(200, file, packed=packed)

    def _sent(self, status: int, file: File, *, packed: bool) -> dict[str, object]:
        headers = {
            **self.headers,
            "Cache-Control": KEPT if status != 404 else "no-store",  # noqa: PLR2004 - Not Found
            "ETag": file.packed_tag if packed else file.tag,
            "Vary": "Accept-Encoding",
        }
        if status == 304:  # noqa: PLR2004 - Not Modified: about the file that the browser has
            return {"statusCode": status, "headers": headers, "body": ""}
        headers["Content-Type"] = file.type
        if not packed or file.packed is None:
            return {"statusCode": status, "headers": headers, "body": file.content.decode()}
        headers["Content-Encoding"] = "gzip"
        body = base64.b64encode(file.packed).decode()
        return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": True}


def accepts_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` names gzip and does not refuse it with ``q=0``."""
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", parameter)
    return False


@cache
def page() -> Page:
    """Made before the first request, or at it. Raises `RuntimeError` when a variable is missing."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise RuntimeError(f"missing: {', '.join(missing)}")
    logo = json.loads(os.environ["SIGNUP_PAGE"]).get("logo_url") or ""
    return Page(FOLDER, content_policy(os.environ["META_SDK_BASE_URL"], str(logo)))


def handler(event: dict[str, "Any"], _context: object) -> dict[str, object]:
    """Answer one request."""
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    name = (event.get("pathParameters") or {}).get("file")
    return page().answer(INDEX if name is None else str(name), headers)


if on_lambda():
    page()
    started()
