"""What we sign is verified by others' code: the public library for `v1`, Ed25519 for `v1a`."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from onramp.adapters.signer import StandardSigner
from onramp.domain.signing import PRIVATE_PREFIX, PUBLIC_PREFIX, headers_of, sign_v1
from onramp.ports.outbound import NewKeys

BODY = '{"type":"number.connected","data":{"reference":"Café 4711"}}'.encode()


def signed(keys: NewKeys) -> dict[str, str]:
    now = datetime.now(UTC)
    return headers_of("msg_1", now, StandardSigner().sign(keys.secret, keys.private, "msg_1", now, BODY))


def test_the_public_library_verifies_the_first_signature() -> None:
    keys = StandardSigner().new_keys()
    assert Webhook(keys.secret).verify(BODY, signed(keys))["type"] == "number.connected"


def test_the_public_library_refuses_it_under_another_secret_or_for_another_body() -> None:
    signer = StandardSigner()
    keys = signer.new_keys()
    with pytest.raises(WebhookVerificationError):
        Webhook(signer.new_keys().secret).verify(BODY, signed(keys))
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secret).verify(BODY + b" ", signed(keys))


def test_the_second_signature_is_verified_with_the_public_key_alone() -> None:
    keys = StandardSigner().new_keys()
    headers = signed(keys)
    second = headers["webhook-signature"].split(" ")[1]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + BODY
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.public.removeprefix(PUBLIC_PREFIX)))
    public.verify(base64.b64decode(second.removeprefix("v1a,")), content)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(second.removeprefix("v1a,")), content + b" ")


def test_the_signature_of_the_specifications_example_comes_out() -> None:
    content = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert sign_v1(secret, content) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_keys_have_the_forms_of_the_specification_and_are_not_shown_by_chance() -> None:
    keys = StandardSigner().new_keys()
    assert keys.private.startswith(PRIVATE_PREFIX)
    assert len(base64.b64decode(keys.secret.removeprefix("whsec_"))) == 32
    assert keys.secret not in repr(keys)
    assert keys.private not in repr(keys)
    with pytest.raises(ValueError, match="another form"):
        NewKeys(secret="plain", private="", public="")
