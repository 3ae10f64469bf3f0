"""Opening a signup: nothing outside is asked, the record waits for its code."""

import hashlib
import json
from datetime import timedelta
from typing import Final

from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.signup import Client, Remembered, Signup
from onramp.ports import Ports

REMEMBERED_FOR: Final = timedelta(hours=24)


def open_signup(
    ports: Ports,
    *,
    tenant: str,
    client: Client,
    plan_tier: str,
    reference: str | None,
    idempotency_key: str | None,
) -> Signup:
    """Store a new signup; the same `idempotency_key` gives the first one again.

    Raises `Problem(invalid_request)` for a client id that another tenant owns (as for one that does not
    exist, nothing more is said), `Problem(idempotency_key_reused)`.
    """
    if client.id is not None:
        owned = ports.store.read(ClientRecord, ports.hub, client.id)
        if owned is not None and owned.is_owned_by_other(tenant):
            raise Problem(
                "invalid_request",
                "The client id is not one of yours.",
                errors=[{"field": "client_id", "message": "is not one of your clients"}],
            )
    now = ports.clock.now()
    signup = Signup.open(
        signup_id=ports.clock.new_id(),
        tenant=tenant,
        client=client,
        plan_tier=plan_tier,
        reference=reference,
        now=now,
    )
    if idempotency_key is None:
        ports.store.commit(signup)
    else:
        asked = json.dumps([client.model_dump(), plan_tier, reference], sort_keys=True)
        key = Remembered(
            tenant=tenant,
            key=idempotency_key,
            signup_id=signup.id,
            fingerprint=hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest(),
            until=now + REMEMBERED_FOR,
        )
        try:
            ports.store.commit(signup, key)
        except Conflict:
            return _first(ports, key)
    ports.telemetry.count("SignupsOpened")
    return signup


def _first(ports: Ports, key: Remembered) -> Signup:
    """The signup that the key's first call made."""
    known = ports.store.read(Remembered, *key.identity)
    if known is None:
        raise UnavailableError("the idempotency key has just been forgotten")
    if known.fingerprint != key.fingerprint:
        raise Problem("idempotency_key_reused", "This Idempotency-Key came with another body before.")
    signup = ports.store.read(Signup, known.signup_id)
    if signup is None:
        raise UnavailableError("the signup of an idempotency key is missing")
    return signup
