"""How what we send is signed, after Standard Webhooks: what is signed, its headers, and the signature `v1`.

Signed is `<webhook-id>.<webhook-timestamp>.<body>`. `v1` is an HMAC with SHA-256 under a secret that both
sides know, `v1a` an Ed25519 signature that everybody can verify and only we can make; a message may carry
several of both, and is good when one of them fits (https://www.standardwebhooks.com).
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - says of a text that it is a secret
PUBLIC_PREFIX: Final = "whpk_"
PRIVATE_PREFIX: Final = "whsk_"
SECRET_BYTES: Final = 32
KEY_BYTES: Final = range(24, 65)
"""As many Standard Webhooks asks for."""


def content_to_sign(message_id: str, at: datetime, body: bytes) -> bytes:
    """What a signature is made of."""
    return b".".join((message_id.encode(), _timestamp(at).encode(), body))


def key_of(secret: str) -> bytes:
    """The key in a secret `whsec_<base64>`. Raises `ValueError`, which says nothing of it."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise ValueError("no base64") from None
    if len(key) not in KEY_BYTES:
        raise ValueError("a key has 24 to 64 bytes")
    return key


def sign_v1(secret: str, content: bytes) -> str:
    """The signature `v1,…` under a secret `whsec_<base64>`. Raises `ValueError`."""
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers_of(message_id: str, at: datetime, signatures: Sequence[str]) -> dict[str, str]:
    """The headers of a signed message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": _timestamp(at),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }


def secret_of(random: bytes) -> str:
    """A secret for `v1`, as it is handed over."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def _timestamp(at: datetime) -> str:
    return str(int(at.timestamp()))
