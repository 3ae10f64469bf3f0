"""Exchanging a code and proving what was granted, inside the request that brings the code.

    intent stored → Meta exchanges → token encrypted and stored → grants proved → WABA and numbers stored

A repeat of the same call goes on behind the last stored step; a code that Meta has taken is not sent again.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import JsonValue

from onramp.domain.errors import Ambiguous, Permanent, Problem, Throttled, UpstreamError
from onramp.domain.partner_events import mapping, text
from onramp.domain.signup import Exchange, Number, Signup, Waba
from onramp.domain.states import SignupStatus
from onramp.ports import Bus, Clock, Meta, PhoneFacts, SignupStore, Telemetry, UnavailableError, Vault
from onramp.usecases.changing import change, publish

IN_PROGRESS: Final = timedelta(seconds=30)
"""A started exchange without an outcome is somebody else's for as long as the function may run."""

KEY_PAUSES: Final = (0.5, 2.0, 4.0)
"""Seconds between tries to encrypt a token that has been paid for with a code."""

PROVED_BY_GRANT: Final = "granted_ids"
PROVED_BY_USE: Final = "read_access"


def token_context(tenant: str, signup_id: str) -> dict[str, str]:
    """The encryption context of a customer's business token."""
    return {"tenant": tenant, "signup": signup_id, "purpose": "business_token"}


@dataclass(frozen=True, slots=True)
class ExchangeCode:
    """What exchanging needs."""

    store: SignupStore
    meta: Meta
    vault: Vault
    bus: Bus
    clock: Clock
    telemetry: Telemetry

    def with_code(self, signup: Signup, code: str, session_info: dict[str, JsonValue] | None) -> Signup:
        """Exchange `code`, prove the grants, store and give the signup.

        `session_info` is the browser's message, verbatim: its ids are claims. Raises `Problem` with the
        codes of the route.
        """
        fingerprint = hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
        exchange = signup.exchange
        same = exchange is not None and exchange.code_sha256 == fingerprint
        if signup.waba is not None:
            if same:
                return signup
            raise Problem("signup_closed", "This signup has its WABA already. Open a new signup.")
        self._require_open(signup)
        if same and exchange is not None and exchange.token is not None:
            signup = self._claim(signup, session_info)
        else:
            signup = self._exchange(signup, code, fingerprint, session_info)
        return self._prove(signup, None)

    def with_waba(self, signup: Signup, waba_id: str) -> Signup:
        """Resolve `waba_ambiguous`: prove the named WABA with the token already stored."""
        if signup.waba is not None:
            if signup.waba.id == waba_id:
                return signup
            raise Problem("signup_closed", "This signup has its WABA already. Open a new signup.")
        self._require_open(signup)
        return self._prove(signup, waba_id)

    def _require_open(self, signup: Signup) -> None:
        if signup.status(self.clock.now()) is SignupStatus.EXPIRED:
            raise Problem("signup_closed", "This signup has expired. Open a new signup.")

    def _exchange(
        self, signup: Signup, code: str, fingerprint: str, session_info: dict[str, JsonValue] | None
    ) -> Signup:
        now = self.clock.now()
        waba_id, phone_number_id = claimed_ids(session_info)
        intent = Exchange(
            code_sha256=fingerprint,
            started_at=now,
            session_info=session_info,
            waba_id=waba_id,
            phone_number_id=phone_number_id,
        )

        def begin(stored: Signup) -> None:
            running = stored.exchange
            if stored.waba is not None or (
                running and running.code_sha256 == fingerprint and running.token is not None
            ):
                raise Problem(
                    "exchange_in_progress", "This code has just been exchanged. Send it again.", retry_after=1
                )
            if running and running.token is None and now - running.started_at < IN_PROGRESS:
                raise Problem(
                    "exchange_in_progress", "A code of this signup is being exchanged.", retry_after=2
                )
            stored.exchange = intent

        change(self.store, signup.id, begin)
        try:
            token = self.meta.exchange(code)
        except UpstreamError as trouble:
            self._forget(signup.id, fingerprint)
            raise self._answer(trouble, code_spent=isinstance(trouble, Ambiguous)) from trouble
        except UnavailableError:
            self._forget(signup.id, fingerprint)
            raise
        secret = self._encrypt(token, token_context(signup.tenant, signup.id))
        exchanged_at = self.clock.now()

        def finish(stored: Signup) -> None:
            # A newer code may have come in while ours was slow; ours is the one that worked.
            stored.exchange = intent.model_copy(update={"token": secret, "exchanged_at": exchanged_at})
            stored.note("code.exchanged", exchanged_at)

        return change(self.store, signup.id, finish)

    def _encrypt(self, token: str, context: Mapping[str, str]) -> str:
        """Encrypt, patiently: there is no second chance to get this token."""
        for pause in KEY_PAUSES:
            try:
                return self.vault.encrypt(token, context)
            except UnavailableError:
                self.clock.sleep(pause)
        return self.vault.encrypt(token, context)

    def _forget(self, signup_id: str, fingerprint: str) -> None:
        """The code did not work: another one may come at once."""

        def edit(stored: Signup) -> None:
            if stored.exchange and stored.exchange.code_sha256 == fingerprint and not stored.exchange.token:
                stored.exchange = None

        change(self.store, signup_id, edit)

    def _claim(self, signup: Signup, session_info: dict[str, JsonValue] | None) -> Signup:
        """Take a later session info of the same code."""
        if session_info is None:
            return signup
        waba_id, phone_number_id = claimed_ids(session_info)

        def edit(stored: Signup) -> None:
            if stored.exchange:
                stored.exchange.session_info = session_info
                stored.exchange.waba_id = waba_id
                stored.exchange.phone_number_id = phone_number_id

        return change(self.store, signup.id, edit)

    def _prove(self, signup: Signup, chosen: str | None) -> Signup:
        exchange = signup.exchange
        if exchange is None or exchange.token is None:
            raise Problem("not_authorized_yet", "Send the code first.")
        token = self.vault.decrypt(exchange.token, token_context(signup.tenant, signup.id))
        try:
            waba, phones = self._granted(token, exchange, chosen)
        except UpstreamError as trouble:
            raise self._answer(trouble, code_spent=False) from trouble
        claimed = exchange.phone_number_id if waba.id == exchange.waba_id else None
        if claimed is not None and claimed not in {phone.id for phone in phones}:
            raise Problem("number_not_in_waba", "The phone number the browser named is not in the WABA.")
        now = self.clock.now()

        def authorize(stored: Signup) -> None:
            if stored.waba is not None:
                return
            stored.waba = waba
            stored.numbers = [
                Number(
                    phone_number_id=phone.id,
                    display_phone_number=phone.display_phone_number,
                    verified_name=phone.verified_name,
                )
                for phone in phones
            ]
            stored.tell("signup.authorized", now, waba_id=waba.id, proof=waba.proof)

        signup = change(self.store, signup.id, authorize)
        if signup.waba is None or signup.waba.id != waba.id:
            raise Problem("signup_closed", "This signup has been given another WABA.")
        self.telemetry.count("SignupsAuthorized")
        return publish(self.store, self.bus, self.telemetry, signup)

    def _granted(
        self, token: str, exchange: Exchange, chosen: str | None
    ) -> tuple[Waba, tuple[PhoneFacts, ...]]:
        """Which WABA it is and the proof that it is the customer's (docs/upstreams.md, "Meta")."""
        granted = list(self.meta.inspect(token).waba_ids)
        waba_id = chosen or exchange.waba_id
        if waba_id is None:
            if len(granted) != 1:
                raise Problem(
                    "waba_ambiguous",
                    "Name the WABA: call again with waba_id and without a code.",
                    candidates=self._candidates(token, granted),
                )
            waba_id = granted[0]
        if granted and waba_id not in granted:
            raise Problem("waba_not_granted", "The customer's token does not grant this WABA.")
        with ThreadPoolExecutor(max_workers=3) as pool:
            reading = pool.submit(self.meta.read_waba, token, waba_id)
            numbers = pool.submit(self.meta.read_numbers, token, waba_id)
            business = None if granted else pool.submit(self.meta.business_of, token)
            facts, phones = reading.result(), tuple(numbers.result())
            business_id = business.result() if business else None
        if not granted and facts.owner_business_id and facts.owner_business_id != business_id:
            raise Problem("waba_not_granted", "The WABA belongs to another business than the token.")
        waba = Waba(
            id=waba_id,
            name=facts.name,
            business_id=facts.owner_business_id or business_id,
            proof=PROVED_BY_GRANT if granted else PROVED_BY_USE,
        )
        return waba, phones

    def _candidates(self, token: str, waba_ids: list[str]) -> list[dict[str, str]]:
        """The granted WABAs with their names, in a stable order; a name that cannot be read is left out."""

        def describe(waba_id: str) -> dict[str, str]:
            try:
                name = self.meta.read_waba(token, waba_id).name
            except UpstreamError:
                name = None
            return {"waba_id": waba_id, "name": name} if name else {"waba_id": waba_id}

        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(describe, sorted(waba_ids)))

    def _answer(self, trouble: UpstreamError, *, code_spent: bool) -> Problem:
        """What the caller is told about Meta's refusal; the operator gets a metric."""
        self.telemetry.count("MetaRefusals", code=trouble.code)
        if trouble.code == "meta_configuration":
            self.telemetry.count("MetaConfigurationErrors")
        self.telemetry.warn(
            "meta refused", code=trouble.code, status=trouble.status, reference=trouble.reference
        )
        if code_spent:
            return Problem(
                "meta_unavailable",
                "Meta did not answer and may have used the code up. Send it once more; if that fails, let the"
                " customer go through the popup again.",
                retryable=True,
            )
        retry_after = int(trouble.retry_after or 2) if isinstance(trouble, Throttled) else None
        detail = _DETAILS.get(trouble.code, "Meta could not be reached. Try again at once.")
        if not isinstance(trouble, Permanent):
            return Problem("meta_unavailable", detail, retryable=True, retry_after=retry_after)
        return Problem(trouble.code, detail)


_DETAILS: Final = {
    "code_expired": "The code is older than 30 seconds. Let the customer go through the popup again.",
    "code_already_used": "Meta has exchanged this code before. Let the customer go through the popup again.",
    "code_invalid": "Meta does not know this code. Send the code of the popup, unchanged.",
    "meta_configuration": "The operator of this service must mend its Meta app id, secret or domain.",
    "waba_not_granted": "The token does not allow to read this WABA. Let the customer share it in the popup.",
}


def claimed_ids(session_info: dict[str, JsonValue] | None) -> tuple[str | None, str | None]:
    """The WABA and phone number id the browser claims.

    Both session messages are understood: `{type, event, data: {…}}` and the bare `data`. A message that
    tells of an abandoned popup claims nothing.
    """
    if session_info is None:
        return None, None
    event = text(session_info.get("event"))
    if event is not None and not event.startswith("FINISH"):
        return None, None
    data = mapping(session_info.get("data")) or session_info
    waba_id = text(data.get("waba_id"))
    listed = data.get("waba_ids")
    if waba_id is None and isinstance(listed, list) and len(listed) == 1:
        waba_id = text(listed[0])
    return waba_id, text(data.get("phone_number_id"))
