"""The numbers of a proven WABA, read again at Meta with the token that is stored.

A popup may end without a number; a number may be listed some seconds late, be added later, or be verified
after the popup. None of these needs a new popup while the token lives. Who wants a number has the list read
and stored anew; who only looks is shown what there is, and nothing is stored.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from onramp.domain.errors import Permanent, Problem, Throttled, UnavailableError, Unreadable, UpstreamError
from onramp.domain.records import Stored
from onramp.domain.signup import Exchange, Listed, ListedNumber, Signup, all_listed, parts_of
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.upstreams import PhoneFacts
from onramp.usecases.changing import change
from onramp.usecases.read import Whole, awaits_numbers

FRESH: Final = 5.0
"""Seconds for which what a reader was shown is shown again, without asking Meta."""
REFUSED: Final = 60.0
"""Seconds for which Meta is left alone that has refused, or told us to stop, at least."""
REMEMBERED: Final = 500
"""Signups whose numbers one instance remembers, the latest."""

_DETAILS: Final = {
    "code_expired": "The code is older than 30 seconds. Let the customer go through the popup again.",
    "code_already_used": "Meta has exchanged this code before. Let the customer go through the popup again.",
    "code_invalid": "Meta does not know this code. Send the code of the popup, unchanged.",
    "meta_configuration": "The operator of this service must mend its configuration at Meta.",
    "waba_blocked": "Meta has blocked the account for a breach of its rules. Let the customer appeal there.",
    "waba_locked": "Meta has locked the account. Let the customer unlock it in Meta Business Suite.",
    "waba_not_granted": "The token does not allow to read this WABA. Let the customer share it in the popup.",
}


def token_context(tenant: str, signup_id: str) -> dict[str, str]:
    """The encryption context of a customer's business token."""
    return {"tenant": tenant, "signup": signup_id, "purpose": "business_token"}


def open_token(ports: Ports, signup: Signup, exchange: Exchange) -> str:
    """The customer's business token, in clear. Raises `UnavailableError`."""
    return ports.vault.decrypt(exchange.token or "", token_context(signup.tenant, signup.id))


def listed_as(phone: PhoneFacts) -> ListedNumber:
    """A number of Meta's as it is kept."""
    return ListedNumber(
        phone_number_id=phone.id,
        display_phone_number=phone.display_phone_number,
        verified_name=phone.verified_name,
        verification=phone.verification,
        name_status=phone.name_status,
        meta_status=phone.meta_status,
    )


def listed_in(ports: Ports, signup: Signup) -> list[ListedNumber]:
    """The numbers that Meta listed in the signup's WABA when it was last asked for good."""
    return all_listed(_parts(ports, signup))


def list_again(
    ports: Ports, signup: Signup, known: Sequence[ListedNumber]
) -> tuple[Signup, Sequence[ListedNumber]]:
    """Read the list anew and store it; `known` where the token may not read it any more.

    Raises `Problem(meta_unavailable | meta_configuration | waba_blocked | waba_locked)`.
    """
    try:
        numbers = _read(ports, signup)
    except UpstreamError as trouble:
        if trouble.code == "waba_not_granted":
            return signup, known
        note_refusal(ports, trouble)
        raise problem_of(trouble) from trouble
    if numbers is None:
        return signup, known
    return _store(ports, signup, numbers), numbers


def ids_in(ports: Ports, signup: Signup, waba_id: str) -> frozenset[str] | None:
    """The numbers that a WABA has by now, by the signup's token; None when that is not sure."""
    try:
        token = _token(ports, signup)
        return None if token is None else ports.meta.whole_list(token, waba_id)
    except (UpstreamError, UnavailableError, Unreadable):
        return None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look has shown: by two clocks, and for how many seconds it is shown again."""

    at: tuple[float, float]
    numbers: Sequence[ListedNumber]
    lasts: float

    def is_fresh(self, now: tuple[float, float]) -> bool:
        """Whether no clock says that it is too old, or has been set back."""
        return all(0 <= clock - then < self.lasts for clock, then in zip(now, self.at, strict=True))


class Glances:
    """What signups without numbers were found to have, for readers: one instance asks at most each `FRESH`.

    By both clocks: a frozen function's monotonic clock may stand still, and a wall clock may be set back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, _Seen] = {}

    def shown(self, ports: Ports, whole: Whole) -> Whole:
        """The signup with the numbers that Meta lists by now, if it awaits any.

        Never fails because of Meta, or because the token cannot be had.
        """
        if not awaits_numbers(whole):
            return whole
        now = (ports.clock.now().timestamp(), self._monotonic())
        seen = self._seen.pop(whole.signup.id, None)
        if seen is None or not seen.is_fresh(now):
            seen = _look(ports, whole.signup, now, seen.numbers if seen else ())
        self._seen[whole.signup.id] = seen
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return replace(whole, listed=seen.numbers)


def _look(ports: Ports, signup: Signup, now: tuple[float, float], known: Sequence[ListedNumber]) -> _Seen:
    """Ask Meta; what was known stays while it does not answer."""
    try:
        return _Seen(now, _read(ports, signup) or (), FRESH)
    except UpstreamError as trouble:
        note_refusal(ports, trouble)
        return _Seen(now, known, _rest(trouble))
    except (UnavailableError, Unreadable) as trouble:
        ports.telemetry.warn("numbers could not be looked up", reason=type(trouble).__name__)
        return _Seen(now, known, FRESH)


def _rest(trouble: UpstreamError) -> float:
    """Seconds until Meta is asked again: more calls make a limit last longer, and a refusal stays one."""
    if isinstance(trouble, Throttled):
        return max(trouble.retry_after or 0, REFUSED)
    return REFUSED if isinstance(trouble, Permanent) else FRESH


def note_refusal(ports: Ports, trouble: UpstreamError) -> None:
    """Tell the operator of Meta's refusal."""
    ports.telemetry.count("MetaRefusals", code=trouble.code)
    if trouble.code == "meta_configuration":
        ports.telemetry.count("MetaConfigurationErrors")
    ports.telemetry.warn(
        "meta refused", code=trouble.code, status=trouble.status, reference=trouble.reference
    )


def problem_of(trouble: UpstreamError) -> Problem:
    """What the caller is told about Meta's refusal."""
    retry_after = int(trouble.retry_after or 2) if isinstance(trouble, Throttled) else None
    detail = _DETAILS.get(trouble.code, "Meta could not be reached. Try again at once.")
    if not isinstance(trouble, Permanent):
        return Problem("meta_unavailable", detail, retryable=True, retry_after=retry_after)
    return Problem(trouble.code, detail)


def _token(ports: Ports, signup: Signup) -> str | None:
    exchange = ports.store.read(Exchange, signup.id)
    return None if exchange is None or exchange.token is None else open_token(ports, signup, exchange)


def _read(ports: Ports, signup: Signup) -> list[ListedNumber] | None:
    """What Meta lists now; None without a token or a WABA. Raises `UpstreamError`."""
    token = _token(ports, signup)
    if token is None or signup.waba is None:
        return None
    return [listed_as(phone) for phone in ports.meta.read_numbers(token, signup.waba.id)]


def _store(ports: Ports, signup: Signup, numbers: Sequence[ListedNumber]) -> Signup:
    """Keep the list; parts that are needed no more are emptied, for none is ever deleted."""

    def edit(stored: Signup) -> Sequence[Stored]:
        known = {part.part: part for part in _parts(ports, stored)}
        wanted = {part.part: part.numbers for part in parts_of(stored.id, numbers)}
        stored.parts = max([stored.parts, *(part + 1 for part in wanted)])
        changed = []
        for index in range(stored.parts):
            part = known.get(index) or Listed(signup_id=stored.id, part=index)
            if part.numbers != wanted.get(index, []):
                part.numbers = wanted.get(index, [])
                changed.append(part)
        return changed

    return change(ports, Signup, (signup.id,), edit)


def _parts(ports: Ports, signup: Signup) -> list[Listed]:
    return ports.store.read_all(Listed, signup.part_names)
