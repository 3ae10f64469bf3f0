"""What endpoints are notified of: each type has a schema and a sample, and both are what is sent."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from openapi_schema_validator import OAS31Validator
from standardwebhooks import Webhook

from contract import notifications
from onramp.adapters.signer import StandardSigner
from onramp.domain.facts import FACTS
from onramp.domain.notifications import TEST
from onramp.domain.signing import content_to_sign, headers_of
from onramp.usecases.notify import Happened, payload_of

SAMPLES = notifications.samples()


def sent(name: str) -> bytes:
    """A sample as the sender writes it."""
    sample = SAMPLES[name]
    data = sample["data"]
    at = datetime.fromisoformat(sample["timestamp"])
    subject = data.get("signup_id") or "HUB#default"
    return payload_of(Happened(name, data, data["id"], at, subject)).encode()


def test_every_event_of_the_bus_and_the_test_event_have_a_payload() -> None:
    assert set(SAMPLES) == {name for name, kind in FACTS.items() if kind.bus} | {TEST}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_sent_is_the_sample_and_fits_the_schema(name: str) -> None:
    document = notifications.build()
    content = json.loads(sent(name))
    assert content == SAMPLES[name]
    schema = document["$defs"][name]
    assert [error.message for error in OAS31Validator(schema).iter_errors(content)] == []
    assert list(OAS31Validator(schema).iter_errors({**content, "type": "another"}))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_verified_by_the_public_library_and_with_the_public_key(name: str) -> None:
    signer, now = StandardSigner(), datetime.now(UTC)
    keys, body = signer.new_keys(), sent(name)
    headers = headers_of("msg_1", now, signer.sign(keys.secret, keys.private, "msg_1", now, body))
    assert Webhook(keys.secret).verify(body, headers) == SAMPLES[name]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.public.removeprefix("whpk_")))
    second = headers["webhook-signature"].split(" ")[1].removeprefix("v1a,")
    public.verify(base64.b64decode(second), content_to_sign("msg_1", now, body))
