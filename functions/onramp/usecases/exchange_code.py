"""Exchanging a code and proving what was granted, inside the request that brings the code.

    intent stored ──► Meta exchanges ──► token stored, encrypted ──► grants proved ──► WABA, numbers stored

A repeat of the same call goes on behind the last stored step; a code that Meta has taken is not sent again.
Storage has patience here: there is no second chance to get this token.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from onramp.domain.errors import (
    Ambiguous,
    Conflict,
    OnrampError,
    Problem,
    UnavailableError,
    UpstreamError,
)
from onramp.domain.facts import FactType
from onramp.domain.records import Stored
from onramp.domain.signup import (
    PROVED_BY_GRANT,
    PROVED_BY_USE,
    Exchange,
    Exchanging,
    Signup,
    Waba,
    parts_of,
)
from onramp.domain.states import SignupStatus
from onramp.domain.text import mapping, members, text
from onramp.ports import Ports
from onramp.ports.upstreams import Grant, PhoneFacts, WabaFacts
from onramp.usecases.changing import Along, change, pause
from onramp.usecases.limits import release
from onramp.usecases.links import spender
from onramp.usecases.list_numbers import listed_as, note_refusal, open_token, problem_of, token_context
from onramp.usecases.remembering import proved_by, remembered_user

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future, ThreadPoolExecutor

IN_PROGRESS: Final = timedelta(seconds=30)
"""A started exchange without an outcome is somebody else's for as long as the function may run."""
SAME_CODE: Final = timedelta(seconds=12)
"""The same code again after so long: whoever had it is gone, and the code has some seconds left to live."""
PAUSES: Final = (0.5, 2.0, 4.0)
"""Seconds between tries to encrypt and to store what has been paid for with a code."""
TRIES: Final = 6
TOLD: Final = frozenset(
    {
        "code_already_used",
        "code_expired",
        "code_invalid",
        "meta_configuration",
        "meta_unavailable",
        "number_not_in_waba",
        "waba_blocked",
        "waba_locked",
        "waba_not_granted",
    }
)
"""Problems with which Meta, or the proof, has ended an exchange: a fact of its signup."""

LATE: Final = (1.0, 2.0)
"""Seconds between reads of the numbers while the one that the browser named is not listed yet."""

_TAIL: Final = re.compile(r"(?:#|%23)_(?:(?:=|%3D)_)?\Z", re.IGNORECASE)
"""What Facebook appends to redirect addresses, whole, cut or encoded, and people copy with the code."""


def exchange_code(
    ports: Ports,
    signup: Signup,
    code: str,
    session_info: dict[str, JsonValue] | None,
    visit: str | None = None,
    *,
    redirect_uri: str | None = None,
) -> Signup:
    """Exchange `code`, prove the grants, store and give the signup.

    `session_info` is the browser's message, verbatim: its ids are claims. The signup's link, where it has
    one, is spent in the write that stores the token, and belongs to `visit` from then on. `redirect_uri` is
    the page that a dialog without a popup came back to; `Problem(invalid_request)` where it is not one of the
    configured ones. Raises `Problem` with the codes of the route; those of `TOLD` are written down as a fact.
    """
    _require_page(ports, redirect_uri)
    try:
        return _exchange(ports, signup, code, session_info, visit, redirect_uri=redirect_uri)
    except Problem as refusal:
        _tell_failure(ports, signup, refusal.code)
        raise


def _tell_failure(ports: Ports, signup: Signup, code: str) -> None:
    """Write down that an exchange failed; the caller's answer does not depend on it."""
    if code not in TOLD:
        return

    def edit(stored: Signup) -> Along:
        stored.tell(FactType.SIGNUP_EXCHANGE_FAILED, ports.clock.now(), code=code)
        return None

    try:
        change(ports, Signup, (signup.id,), edit)
    except OnrampError:
        ports.telemetry.warn("a failed exchange could not be written down", signup_id=signup.id, code=code)


def _require_page(ports: Ports, redirect_uri: str | None) -> None:
    """Meta compares the address as text, and so do we: a page that is nobody's shall bring no code."""
    if redirect_uri is None or redirect_uri in ports.rules.redirect_uris:
        return
    raise Problem(
        "invalid_request",
        "redirect_uri is not one of [meta] redirect_uris.",
        errors=[{"field": "redirect_uri", "message": "is not one of redirect_uris of GET /v1/config"}],
    )


def _exchange(
    ports: Ports,
    signup: Signup,
    code: str,
    session_info: dict[str, JsonValue] | None,
    visit: str | None,
    *,
    redirect_uri: str | None,
) -> Signup:
    code = _TAIL.sub("", code)
    if not code:
        raise Problem("code_invalid", "Send the code of the popup, unchanged.")
    asked = _asked(ports, code, session_info)
    exchange = ports.store.read(Exchange, signup.id) or Exchange(
        signup_id=signup.id, until=signup.forgotten_at
    )
    same = exchange.done is not None and exchange.done.code_sha256 == asked.code_sha256
    if signup.waba is not None:
        if same:
            return signup
        # Who has lost the link to another visit is told so: it may have happened since the link was read.
        spender(ports, signup, visit)()
        raise _closed()
    _require_open(ports, signup)
    if same:
        exchange = _claim(ports, exchange, asked)
        return prove(ports, signup, exchange, open_token(ports, signup, exchange), None)
    exchange = _begin(ports, exchange, asked)
    token = _ask_meta(ports, exchange, code, redirect_uri)
    signup, exchange = _keep(ports, signup, exchange, token, spender(ports, signup, visit))
    release(ports, signup.tenant, signup.link_id)
    return prove(ports, signup, exchange, token, None)


def choose_waba(ports: Ports, signup: Signup, waba_id: str) -> Signup:
    """Resolve `waba_ambiguous`: prove the named WABA with the token already stored."""
    if signup.waba is not None:
        if signup.waba.id == waba_id:
            return signup
        raise _closed()
    _require_open(ports, signup)
    exchange = ports.store.read(Exchange, signup.id)
    if exchange is None or exchange.token is None:
        raise Problem("not_authorized_yet", "Send the code first.")
    try:
        return prove(ports, signup, exchange, open_token(ports, signup, exchange), waba_id)
    except Problem as refusal:
        _tell_failure(ports, signup, refusal.code)
        raise


def claimed_ids(session_info: dict[str, JsonValue] | None) -> tuple[str | None, str | None]:
    """The WABA and phone number id the browser claims.

    Both session messages are understood: `{type, event, data: {…}}` and the bare `data`. A message that tells
    of an abandoned popup claims nothing.
    """
    if session_info is None:
        return None, None
    event = text(session_info.get("event"))
    if event is not None and not event.startswith("FINISH"):
        return None, None
    data = mapping(session_info.get("data")) or session_info
    waba_id = text(data.get("waba_id"))
    listed = members(data.get("waba_ids"))
    if waba_id is None and len(listed) == 1:
        waba_id = text(listed[0])
    return waba_id, text(data.get("phone_number_id"))


def _asked(ports: Ports, code: str, session_info: dict[str, JsonValue] | None) -> Exchanging:
    waba_id, phone_number_id = claimed_ids(session_info)
    return Exchanging(
        code_sha256=hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest(),
        owner=ports.clock.new_id(),
        started_at=ports.clock.now(),
        session_info=session_info,
        waba_id=waba_id,
        phone_number_id=phone_number_id,
    )


def _closed() -> Problem:
    return Problem("signup_closed", "This signup has its WABA already. Open a new signup.")


def _require_open(ports: Ports, signup: Signup) -> None:
    if signup.status(ports.clock.now()) is SignupStatus.EXPIRED:
        raise Problem("signup_closed", "This signup has expired. Open a new signup.")


def _patiently[T](ports: Ports, call: Callable[[], T]) -> T:
    """Again while a service of ours does not answer; the last try's trouble goes through."""
    for wait in PAUSES:
        try:
            return call()
        except UnavailableError:
            ports.clock.sleep(wait)
    return call()


def _write(
    ports: Ports,
    exchange: Exchange,
    edit: Callable[[Exchange], None],
    along: Callable[[], Sequence[Stored]] = tuple,
) -> Exchange:
    """Change the exchange, patiently; `edit` may run several times, each time on what is stored now.

    So may `along`, which gives what is written with it.
    """
    for tries in range(TRIES):
        edit(exchange)
        others = _patiently(ports, along)
        try:
            _patiently(ports, partial(ports.store.commit, exchange, *others))
        except Conflict:
            pause(ports, tries)
            stored = _patiently(ports, partial(ports.store.read, Exchange, exchange.signup_id))
            exchange = stored or Exchange(signup_id=exchange.signup_id)
        else:
            return exchange
    raise UnavailableError("the exchange is being changed by others")


def _begin(ports: Ports, exchange: Exchange, asked: Exchanging) -> Exchange:
    """Write down that the code is about to be sent."""

    def edit(stored: Exchange) -> None:
        running, done = stored.running, stored.done
        if done is not None and done.code_sha256 == asked.code_sha256:
            raise Problem(
                "exchange_in_progress", "This code has just been exchanged. Send it again.", retry_after=1
            )
        if running is not None:
            theirs = SAME_CODE if running.code_sha256 == asked.code_sha256 else IN_PROGRESS
            if asked.started_at - running.started_at < theirs:
                raise Problem(
                    "exchange_in_progress", "A code of this signup is being exchanged.", retry_after=2
                )
        stored.running = asked

    return _write(ports, exchange, edit)


def _ask_meta(ports: Ports, exchange: Exchange, code: str, redirect_uri: str | None) -> str:
    try:
        return ports.meta.exchange(code, redirect_uri)
    except UpstreamError as trouble:
        _forget(ports, exchange)
        raise _answer(ports, trouble, code_spent=isinstance(trouble, Ambiguous)) from trouble
    except UnavailableError:
        _forget(ports, exchange)
        raise


def _keep(
    ports: Ports, signup: Signup, exchange: Exchange, token: str, spent: Callable[[], Stored | None]
) -> tuple[Signup, Exchange]:
    """Encrypt the token and store it, with the link that is spent; until that is done nothing else counts.

    The signup is written with it, unchanged: while a WABA is being proved with the token before, its token is
    not replaced, and a WABA is not stored that another token has proved. Raises `Problem(signup_closed)`.
    """
    context = token_context(signup.tenant, signup.id)
    exchanged_at = ports.clock.now()
    mine = exchange.running
    known: Signup | None = signup

    def along() -> Sequence[Stored]:
        nonlocal signup, known
        # Who has lost the link is told so, whatever else has happened.
        link = spent()
        # As it was read, the first time; then somebody may have written it.
        signup = known or _read(ports, signup.id)
        known = None
        if signup.waba is not None:
            raise _closed()
        return (signup,) if link is None else (signup, link)

    try:
        secret = _patiently(ports, lambda: ports.vault.encrypt(token, context))

        def edit(stored: Exchange) -> None:
            # A newer code may have come in while ours was slow; ours is the one that worked.
            stored.running = None
            stored.done = mine
            stored.token = secret
            stored.exchanged_at = exchanged_at

        written = _write(ports, exchange.model_copy(deep=True), edit, along)
    except (UnavailableError, Problem):
        # A problem: another visit was faster, and the link is theirs.
        _forget(ports, exchange)
        raise
    return signup, written


def _read(ports: Ports, signup_id: str) -> Signup:
    """The signup as it is stored now. Raises `Problem(not_found)`."""
    signup = ports.store.read(Signup, signup_id)
    if signup is None:
        raise Problem("not_found", "There is no such signup.")
    return signup


def _forget(ports: Ports, exchange: Exchange) -> None:
    """The code brought nothing: another one may come at once. A token that is stored already stays."""
    owner = exchange.running.owner if exchange.running else None

    def edit(stored: Exchange) -> None:
        if stored.running is not None and stored.running.owner == owner:
            stored.running = None

    try:
        _write(ports, exchange, edit)
    except UnavailableError:
        ports.telemetry.warn("a started exchange could not be taken back", signup_id=exchange.signup_id)


def _claim(ports: Ports, exchange: Exchange, asked: Exchanging) -> Exchange:
    """Take a later session info of the same code."""
    if asked.session_info is None or exchange.done is None:
        return exchange

    def edit(stored: Exchange) -> None:
        if stored.done is not None:
            stored.done = stored.done.model_copy(
                update={name: getattr(asked, name) for name in ("session_info", "waba_id", "phone_number_id")}
            )

    return _write(ports, exchange, edit)


def prove(ports: Ports, signup: Signup, exchange: Exchange, token: str, chosen: str | None) -> Signup:
    """Find out which WABA it is and that it is the customer's, and store it with its numbers.

    Raises `Problem`.
    """
    claims = exchange.done
    claimed_waba = claims.waba_id if claims else None
    try:
        grant, waba, granted = _granted(ports, token, chosen or claimed_waba)
    except UpstreamError as trouble:
        raise _answer(ports, trouble, code_spent=False) from trouble
    claimed = claims.phone_number_id if claims and waba.id == claimed_waba else None
    phones = granted if claimed is None else _with_claimed(ports, token, waba, granted, claimed)
    parts = parts_of(signup.id, [listed_as(phone) for phone in phones])
    now = ports.clock.now()

    def edit(stored: Signup) -> Sequence[Stored]:
        if stored.waba is not None:
            return ()
        if stored.version != signup.version:
            _require_proved(ports, exchange)
        stored.waba = waba
        stored.authorized_at = exchange.exchanged_at or now
        stored.claimed = claimed
        # No popup comes after this one, and it is the customer's own data.
        stored.prefill = None
        stored.parts = len(parts)
        stored.tell(FactType.SIGNUP_AUTHORIZED, now, waba_id=waba.id, proof=waba.proof)
        seen = (*proved_by(ports, stored, waba.id), *remembered_user(ports, stored, grant.user_id))
        return [*parts, *seen, *_staying(ports, signup.id)]

    saved = change(ports, Signup, (signup.id,), edit, known=signup)
    if saved.waba is None or saved.waba.id != waba.id:
        raise Problem("signup_closed", "This signup has been given another WABA.")
    ports.telemetry.count("SignupsAuthorized")
    release(ports, saved.tenant, saved.id)
    return saved


def _require_proved(ports: Ports, exchange: Exchange) -> None:
    """Raise `Problem(exchange_in_progress)` when another code has brought another token since."""
    stored = ports.store.read(Exchange, exchange.signup_id)
    if stored is None or stored.token != exchange.token:
        raise Problem("exchange_in_progress", "Another code of this signup was exchanged.", retry_after=2)


def _staying(ports: Ports, signup_id: str) -> list[Exchange]:
    """The exchange of a signup that does not end by itself any more, where it would have."""
    exchange = ports.store.read(Exchange, signup_id) if ports.kept.signups else None
    if exchange is None or exchange.until is None:
        return []
    exchange.until = None
    return [exchange]


def _with_claimed(
    ports: Ports, token: str, waba: Waba, phones: Sequence[PhoneFacts], claimed: str
) -> Sequence[PhoneFacts]:
    """The numbers with the one that the browser named, which Meta may list some seconds late.

    Raises `Problem(number_not_in_waba)`.
    """
    for seconds in LATE:
        if claimed in {phone.id for phone in phones}:
            break
        ports.clock.sleep(seconds)
        try:
            phones = ports.meta.read_numbers(token, waba.id)
        except UpstreamError as trouble:
            raise _answer(ports, trouble, code_spent=False) from trouble
    if claimed not in {phone.id for phone in phones}:
        raise Problem(
            "number_not_in_waba",
            "The phone number the browser named is not in the WABA. Meta may list a new one late: send the"
            " same code once more in a minute.",
        )
    return phones


def _granted(ports: Ports, token: str, named: str | None) -> tuple[Grant, Waba, tuple[PhoneFacts, ...]]:
    """What was granted, which WABA it is, and the proof that it is theirs (docs/upstreams.md, "Meta").

    One that is named is read while the grants are: what was read counts only once they allow it.
    """
    with _threads(3) as pool:
        begun = None if named is None else _begin_reading(ports, pool, token, named)
        grant = ports.meta.inspect(token)
        granted = list(grant.waba_ids)
        if named is None and len(granted) != 1:
            raise Problem(
                "waba_ambiguous",
                "Name the WABA: call again with waba_id and without a code.",
                candidates=_candidates(ports, token, granted),
            )
        waba_id = named or granted[0]
        if granted and waba_id not in granted:
            raise Problem("waba_not_granted", "The customer's token does not grant this WABA.")
        business = None if granted else pool.submit(ports.meta.business_of, token)
        reading, numbers = begun or _begin_reading(ports, pool, token, waba_id)
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
    return grant, waba, phones


def _begin_reading(
    ports: Ports, pool: "Executor", token: str, waba_id: str
) -> "tuple[Future[WabaFacts], Future[Sequence[PhoneFacts]]]":
    """Ask for a WABA and its numbers, side by side."""
    meta = ports.meta
    return pool.submit(meta.read_waba, token, waba_id), pool.submit(meta.read_numbers, token, waba_id)


def _candidates(ports: Ports, token: str, waba_ids: list[str]) -> list[dict[str, str]]:
    """The granted WABAs with their names, in a stable order; a name that cannot be read is left out."""

    def describe(waba_id: str) -> dict[str, str]:
        try:
            name = ports.meta.read_waba(token, waba_id).name
        except UpstreamError:
            name = None
        return {"waba_id": waba_id, "name": name} if name else {"waba_id": waba_id}

    with _threads(4) as pool:
        return list(pool.map(describe, sorted(waba_ids)))


def _threads(most: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - who opens a signup starts without

    return ThreadPoolExecutor(max_workers=most)


def _answer(ports: Ports, trouble: UpstreamError, *, code_spent: bool) -> Problem:
    """What the caller is told about Meta's refusal; the operator gets a metric."""
    note_refusal(ports, trouble)
    if not code_spent:
        return problem_of(trouble)
    return Problem(
        "meta_unavailable",
        "Meta did not answer and may have used the code up. Send it once more; if that fails, let the"
        " customer go through the popup again.",
        retryable=True,
    )
