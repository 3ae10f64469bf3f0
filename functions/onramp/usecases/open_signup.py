"""Opening a signup: nothing outside is asked, the record waits for its code."""

import hashlib
import json
from dataclasses import dataclass

from onramp.domain.errors import Problem
from onramp.domain.signup import Client, Signup
from onramp.ports import Bus, ClientStore, Clock, SignupStore, Telemetry
from onramp.usecases.changing import publish


@dataclass(frozen=True, slots=True)
class OpenSignup:
    """What opening needs: the store and client owners, the bus, a clock."""

    store: SignupStore
    clients: ClientStore
    bus: Bus
    clock: Clock
    telemetry: Telemetry

    def __call__(
        self,
        *,
        tenant: str,
        client: Client,
        plan_tier: str,
        reference: str | None,
        idempotency_key: str | None,
    ) -> Signup:
        """Store a new signup and announce it; the same `idempotency_key` gives the first one again.

        Raises `Problem(invalid_request)` for a client id that another tenant owns (as for one that does not
        exist, nothing more is said), `Problem(idempotency_key_reused)`.
        """
        if client.id is not None and self.clients.client_owner(client.id) not in {None, tenant}:
            raise Problem(
                "invalid_request",
                "The client id is not one of yours.",
                errors=[{"field": "client_id", "message": "is not one of your clients"}],
            )
        signup = Signup.open(
            signup_id=self.clock.new_id(),
            tenant=tenant,
            client=client,
            plan_tier=plan_tier,
            reference=reference,
            now=self.clock.now(),
        )
        asked = json.dumps([client.model_dump(), plan_tier, reference], sort_keys=True)
        fingerprint = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
        stored = self.store.create_signup(signup, (idempotency_key, fingerprint) if idempotency_key else None)
        if stored.id == signup.id:
            self.telemetry.count("SignupsOpened")
        return publish(self.store, self.bus, self.telemetry, stored)
