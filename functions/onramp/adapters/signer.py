"""Ed25519 beside HMAC, with the library `cryptography`: the only module that loads it."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from onramp.domain.signing import (
    PRIVATE_PREFIX,
    PUBLIC_PREFIX,
    SECRET_BYTES,
    content_to_sign,
    secret_of,
    sign_v1,
)
from onramp.ports.outbound import NewKeys


class StandardSigner:
    """`Signer` after Standard Webhooks. Keys are texts: `whsec_…`, `whsk_…`, and `whpk_…`, all of base64."""

    def new_keys(self) -> NewKeys:
        """Keys for an endpoint."""
        private = Ed25519PrivateKey.generate()
        return NewKeys(
            secret=secret_of(secrets.token_bytes(SECRET_BYTES)),
            private=PRIVATE_PREFIX + _text(private.private_bytes_raw()),
            public=PUBLIC_PREFIX + _text(private.public_key().public_bytes_raw()),
        )

    def sign(self, secret: str, private: str, message_id: str, at: datetime, body: bytes) -> Sequence[str]:
        """A signature `v1,…` and one `v1a,…`."""
        content = content_to_sign(message_id, at, body)
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private.removeprefix(PRIVATE_PREFIX)))
        return sign_v1(secret, content), "v1a," + _text(key.sign(content))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
