"""Taking a webhook: check the signature over the raw bytes, hand them to SQS, say 200.

Standard library only, see `onramp.inbound.signature`.
"""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping

from onramp.adapters.aws_light import fits_queue
from onramp.adapters.wire import is_fresh
from onramp.inbound.signature import HEADER, PLATFORM_SECRETS, is_signed, usable_secrets

SECRET_SECONDS = 300.0
REFRESH_SECONDS = 30.0
"""A wrong signature makes us read the secret anew, at most this often: rotation needs no deployment."""
QUEUE_LIMIT = 1024 * 1024
ENVELOPE = 4 * 1024
"""Bytes of a queue message kept for its attributes."""
MAX_BODY = QUEUE_LIMIT - ENVELOPE
DEFAULT = "default"
"""The hub of the address without a name."""


class SecretUnusable(Exception):
    """The configured platform secrets cannot be used; the text says why, not what they are."""


class PlatformSecrets:
    """The secrets webhooks are signed with, remembered for `SECRET_SECONDS`; `name` is theirs in the secret.

    Their age is taken by two clocks, see `is_fresh`. `read` gives the parsed secret, and `name` is what they
    are called in it. Raises what `read` raises, and `SecretUnusable`; what cannot be used is not remembered.
    """

    def __init__(
        self,
        read: Callable[[], object],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        name: str = PLATFORM_SECRETS,
    ) -> None:
        self._read = read
        self._name = name
        self._clocks = (monotonic, wall)
        self._secrets: tuple[str, ...] = ()
        self._read_at: tuple[float, ...] | None = None
        self._tried_at: tuple[float, ...] | None = None

    def current(self) -> tuple[str, ...]:
        """The secrets, read anew when they are old."""
        if not is_fresh(self._now(), self._read_at, SECRET_SECONDS):
            self._refresh()
        return self._secrets

    def renewed(self) -> bool:
        """After a wrong signature: read them anew, unless that has just been done. Whether they changed."""
        if is_fresh(self._now(), self._tried_at, REFRESH_SECONDS):
            return False
        before = self._secrets
        self._refresh()
        return self._secrets != before

    def forget(self) -> None:
        """Read them anew at the next webhook."""
        self._secrets, self._read_at, self._tried_at = (), None, None

    def _now(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)

    def _refresh(self) -> None:
        # Also a failed try counts: forged webhooks must not make us ask AWS for each of them.
        self._tried_at = self._now()
        content = self._read()
        value = content.get(self._name) if isinstance(content, dict) else None
        try:
            self._secrets = usable_secrets(value, self._name)
        except ValueError as error:
            self._read_at = None
            raise SecretUnusable(str(error)) from None
        self._read_at = self._now()


def hub_names(value: str) -> tuple[str, ...]:
    """The hubs beside the default one, from the variable that tells of them. Raises `ValueError`."""
    hubs = json.loads(value or "{}")
    return tuple(hubs)


def hub_of(event: Mapping[str, object]) -> str:
    """The hub whose address was called, as the path names it."""
    parameters = event.get("pathParameters")
    return str(parameters.get("hub", DEFAULT)) if isinstance(parameters, dict) else DEFAULT


def raw_body(event: Mapping[str, object]) -> bytes | None:
    """The bytes as they were sent; None when API Gateway's encoding of them is broken."""
    body = event.get("body")
    text = body if isinstance(body, str) else ""
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def signature_of(event: Mapping[str, object], name: str = HEADER) -> object:
    """The signature header, whatever case its name has."""
    headers = event.get("headers")
    if not isinstance(headers, dict):
        return None
    return next((value for key, value in headers.items() if str(key).lower() == name), None)


def signed(body: bytes, signature: object, secrets: PlatformSecrets) -> bool:
    """Whether the body is its sender's, with one look for a rotated secret."""
    if is_signed(body, signature, secrets.current()):
        return True
    return bool(signature) and secrets.renewed() and is_signed(body, signature, secrets.current())


def for_queue(body: bytes) -> tuple[str, str]:
    """The body as a queue takes it, and its encoding: `utf-8`, or `base64` where SQS refuses a character."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and fits_queue(text):
        return text, "utf-8"
    return base64.b64encode(body).decode("ascii"), "base64"


def answer(status: int, code: str = "", title: str = "", request_id: str = "") -> dict[str, object]:
    """The answer: 200 is exactly `{}`, everything else a problem."""
    problem = {
        "type": f"urn:onramp:problem:{code}",
        "title": title,
        "status": status,
        "detail": title,
        "code": code,
        "retryable": status == 503,  # noqa: PLR2004
        "request_id": request_id,
    }
    return {
        "statusCode": status,
        "headers": {
            "Content-Type": "application/problem+json" if code else "application/json",
            "Cache-Control": "no-store",
        },
        "body": json.dumps(problem) if code else "{}",
    }
