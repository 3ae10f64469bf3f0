"""Opening a signup: nothing outside is asked, the record waits for its code."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.launch import STANDARD
from onramp.domain.records import HUB
from onramp.domain.signup import Client, Remembered, Signup
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.usecases.limits import admit

REMEMBERED_FOR: Final = timedelta(hours=24)
EVERYBODY: Final = "*"
"""In place of a tenant's name: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller wants a signup to be."""

    client: Client
    plan_tier: str
    reference: str | None = None
    flow: str = STANDARD
    prefill: dict[str, JsonValue] | None = None
    messaging: str | None = None


def open_signup(ports: Ports, *, tenant: str, wanted: Wanted, idempotency_key: str | None) -> Signup:
    """Store a new signup; the same `idempotency_key` gives the first one again.

    Raises `Problem(invalid_request)` as `new_signup` does, `Problem(idempotency_key_reused)`,
    `Problem(tenant_limit)`.
    """
    signup = new_signup(ports, tenant, wanted)
    key = (
        remembered(ports, idempotency_key, signup, asked_for(ports.hub, wanted)) if idempotency_key else None
    )
    if not admit(ports, signup, repeated=key) and key is not None:
        return _first(ports, key)
    ports.telemetry.count("SignupsOpened")
    return signup


def new_signup(
    ports: Ports,
    tenant: str,
    wanted: Wanted,
    *,
    expires_at: datetime | None = None,
    link_id: str | None = None,
) -> Signup:
    """A new signup that is not stored yet; without `expires_at` it waits for a day.

    Raises `Problem(invalid_request)` for a client id that another tenant owns (as for one that does not
    exist, nothing more is said) and for a flow that is not configured.
    """
    client = wanted.client
    if client.id is not None:
        owned = ports.store.read(ClientRecord, ports.hub, client.id)
        if owned is not None and owned.is_owned_by_other(tenant):
            raise Problem(
                "invalid_request",
                "The client id is not one of yours.",
                errors=[{"field": "client_id", "message": "is not one of your clients"}],
            )
    require_flow(ports, wanted.flow)
    return Signup.open(
        signup_id=ports.clock.new_id(),
        tenant=tenant,
        client=client,
        plan_tier=wanted.plan_tier,
        reference=wanted.reference,
        now=ports.clock.now(),
        flow=wanted.flow,
        prefill=wanted.prefill,
        expires_at=expires_at,
        link_id=link_id,
        hub=ports.hub,
        messaging=wanted.messaging,
        kept=ports.kept.signups,
    )


def at_hub(ports: Ports, hub: str | None) -> Ports:
    """The ports of the hub that a caller names, else the default one's. Raises `Problem(invalid_request)`."""
    if hub is None:
        return ports
    if hub not in ports.hub_names:
        raise Problem(
            "invalid_request",
            "There is no such hub.",
            errors=[{"field": "hub", "message": "is not one of the hubs of this stage"}],
        )
    return ports.at(hub)


def require_messaging(ports: Ports, name: str | None, tenant: str | None) -> None:
    """Raise `Problem(invalid_request)` for a messaging webhook that is not one of those a caller may choose.

    `tenant` chooses for itself, from those that the configuration gives it; None is a server of the
    partner's, which may choose any. What is not there and what is not allowed are told alike.
    """
    if name is None:
        return
    webhook = ports.rules.webhooks.named.get(name)
    if webhook is None or (tenant is not None and not {tenant, EVERYBODY} & {*webhook.tenants}):
        raise Problem(
            "invalid_request",
            "There is no such messaging webhook.",
            errors=[{"field": "messaging", "message": "is not one that may be chosen here"}],
        )


def require_flow(ports: Ports, flow: str) -> None:
    """Raise `Problem(invalid_request)` for a flow that is not configured."""
    if flow != STANDARD and flow not in ports.rules.flows:
        raise Problem(
            "invalid_request",
            "There is no such flow.",
            errors=[{"field": "flow", "message": "is not one of the flows of GET /v1/config"}],
        )


def asked_for(hub: str, wanted: Wanted) -> list[object]:
    """What a call asked for. What it left out is left out: an older release knew keys without it."""
    asked: list[object] = [wanted.client.model_dump(), wanted.plan_tier, wanted.reference]
    launch: dict[str, object] = {"flow": wanted.flow} if wanted.flow != STANDARD else {}
    launch |= {"prefill": wanted.prefill} if wanted.prefill else {}
    launch |= {"hub": hub} if hub != HUB else {}
    launch |= {"messaging": wanted.messaging} if wanted.messaging else {}
    return [*asked, launch] if launch else asked


def remembered(ports: Ports, idempotency_key: str, signup: Signup, asked: Sequence[object]) -> Remembered:
    """What a repeat of the call that made a signup is known by."""
    text = json.dumps(asked, sort_keys=True)
    return Remembered(
        tenant=signup.tenant,
        key=idempotency_key,
        signup_id=signup.id,
        fingerprint=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        link_id=signup.link_id,
        until=ports.clock.now() + REMEMBERED_FOR,
    )


def first_of(ports: Ports, key: Remembered) -> Remembered:
    """What the key's first call made. Raises `Problem(idempotency_key_reused)`, `UnavailableError`."""
    known = ports.store.read(Remembered, *key.identity)
    if known is None:
        raise UnavailableError("the idempotency key has just been forgotten")
    if known.fingerprint != key.fingerprint:
        raise Problem("idempotency_key_reused", "This Idempotency-Key came with another body before.")
    return known


def _first(ports: Ports, key: Remembered) -> Signup:
    """The signup that the key's first call made."""
    signup = ports.store.read(Signup, first_of(ports, key).signup_id)
    if signup is None:
        raise UnavailableError("the signup of an idempotency key is missing")
    return signup
