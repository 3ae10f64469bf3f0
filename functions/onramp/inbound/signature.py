"""Is a webhook 360dialog's? Any bytes in, yes or no out, in constant time.

Standard library only: the receiver imports this, and its cold start is what 360dialog waits for.
"""

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "x-360dialog-signature"
META_HEADER = "x-hub-signature-256"
PREFIX = "sha256="
PLATFORM_SECRETS = "platform_secrets"
APP_SECRET = "meta_app_secret"  # noqa: S105 - a name
MOST_VALUES = 5
"""Values of one header that are tried."""


def is_signed(body: bytes, signature: object, secrets: Sequence[str]) -> bool:
    """Whether `signature` is the HMAC-SHA256 of the raw `body` under one of `secrets`.

    Hexadecimal, with or without `sha256=` (docs/upstreams.md: seen in both forms); of several values, which a
    proxy may join by commas, each is tried. Never raises. Every secret is tried, so that the time taken does
    not tell which one fits. An empty secret signs nothing.
    """
    if not isinstance(signature, str):
        return False
    values = [value.strip().lower().removeprefix(PREFIX) for value in signature.split(",")[:MOST_VALUES]]
    given = [value.encode("utf-8", "surrogatepass") for value in values]
    found = False
    for secret in secrets:
        key = secret.encode("utf-8", "surrogatepass")
        expected = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
        for value in given:
            found |= hmac.compare_digest(value, expected) and bool(secret)
    return found


def usable_secrets(value: object, name: str = PLATFORM_SECRETS) -> tuple[str, ...]:
    """The secrets of a configuration, by name: a text or a list of texts. Raises `ValueError` for none."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"{name} must be a list of secrets")
    if not all(isinstance(secret, str) and secret.strip() for secret in listed):
        raise ValueError(f"{name} must not hold an empty secret")
    return tuple(listed)
