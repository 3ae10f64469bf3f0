"""Is a webhook 360dialog's? Any bytes in, yes or no out, in constant time.

Standard library only: the receiver imports this, and its cold start is what 360dialog waits for.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

HEADER: Final = "x-360dialog-signature"
PREFIX: Final = "sha256="


def is_signed(body: bytes, signature: object, secrets: Sequence[str]) -> bool:
    """Whether `signature` is the HMAC-SHA256 of the raw `body` under one of `secrets`.

    Hexadecimal, with or without `sha256=` (docs/upstreams.md: seen in both forms). Never raises. Every
    secret is tried, so that the time taken does not tell which one fits. An empty secret signs nothing.
    """
    if not isinstance(signature, str):
        return False
    given = signature.strip().lower().removeprefix(PREFIX).encode("utf-8", "surrogatepass")
    found = False
    for secret in secrets:
        expected = (
            hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).hexdigest().encode()
        )
        found |= hmac.compare_digest(given, expected) and bool(secret)
    return found


def usable_secrets(value: object) -> tuple[str, ...]:
    """The platform secrets of a configuration: a text or a list of texts. Raises `ValueError` for none."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise ValueError("platform_secrets must be a list of secrets")
    if not all(isinstance(secret, str) and secret.strip() for secret in listed):
        raise ValueError("platform_secrets must not hold an empty secret")
    return tuple(listed)
