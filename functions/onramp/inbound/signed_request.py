"""Meta's `signed_request`: signature and payload, both base64url, signed with the app's secret.

Standard library only, see `onramp.inbound.signature`. Any text in, a payload or nothing out.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

SOURCE_META = "meta"
SOURCE_REQUESTS = "meta_request"
"""What a message in the events queue says of where it comes from; 360dialog's say nothing."""
ALGORITHM = "HMAC-SHA256"
LONGEST_AGE = 24 * 3600
"""Seconds after which a request counts as played back; Meta sends one at the moment it is made."""
AHEAD = 600
"""Seconds that Meta's clock may be ahead of ours."""
FIELDS = 20


def field_of(body: bytes) -> str:
    """The form's field, or nothing."""
    from urllib.parse import parse_qsl  # noqa: PLC0415 - forms are few, and it is a twentieth of a cold start

    try:
        form = parse_qsl(body.decode("ascii"), max_num_fields=FIELDS)
    except (UnicodeDecodeError, ValueError):
        return ""
    return dict(form).get("signed_request", "")


def opened(text: str, secrets: Sequence[str], now: float) -> Mapping[str, object] | None:
    """The payload of a request that Meta has signed under one of `secrets`, or None. Never raises.

    Its algorithm must be the one there is; `issued_at` (epoch seconds) must be there and not long ago.
    """
    signature, dot, payload = text.partition(".")
    given, content = _bytes(signature), _bytes(payload)
    if not dot or given is None or content is None:
        return None
    found = False
    for secret in secrets:
        expected = hmac.new(secret.encode("utf-8", "surrogatepass"), payload.encode(), hashlib.sha256)
        found |= hmac.compare_digest(given, expected.digest()) and bool(secret)
    return _payload(content, now) if found else None


def _payload(content: bytes, now: float) -> Mapping[str, object] | None:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or str(said.get("algorithm")).upper() != ALGORITHM:
        return None
    issued = said.get("issued_at")
    if not isinstance(issued, int | float) or isinstance(issued, bool):
        return None
    return said if -AHEAD <= now - issued <= LONGEST_AGE else None


def issued_at(payload: Mapping[str, object]) -> int:
    """When the request was made, in whole seconds."""
    issued = payload.get("issued_at")
    return int(issued) if isinstance(issued, int | float) else 0


def user_of(payload: Mapping[str, object]) -> str | None:
    """Who asks: Meta's id of the person for our app."""
    user = payload.get("user_id")
    user = str(user) if isinstance(user, int) and not isinstance(user, bool) else user
    return user if isinstance(user, str) and user.isascii() and user.isalnum() and len(user) <= 64 else None  # noqa: PLR2004


def code_of(secret: str, kind: str, payload: Mapping[str, object]) -> str:
    """What a request is called: the same for each copy of it, and nothing that could be guessed."""
    said = json.dumps([kind, user_of(payload), payload.get("issued_at")])
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), said.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:15]).decode("ascii").lower()


def _bytes(text: str) -> bytes | None:
    """Base64url without its filling, or None."""
    try:
        raw = text.encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
