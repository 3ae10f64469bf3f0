"""Taking a tenant's wish for numbers.

A number's record is the claim on it: whoever writes it first has it, and a later signup of the same tenant is
a reconnect of the same record. Another tenant who proves it has it when it is free. State and pending work
are one write; the queue message behind it only wakes.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import PROBLEMS, Conflict, Problem, UnavailableError
from onramp.domain.number import Number, WabaOf
from onramp.domain.phone_numbers import canonical
from onramp.domain.signup import ListedNumber, Signup, Waba
from onramp.domain.states import Attention, Standing
from onramp.domain.verification import WHAT_TO_DO, verdict_on
from onramp.ports import Ports
from onramp.usecases.changing import pause, wake_at_once
from onramp.usecases.list_numbers import ids_in, list_again, listed_in
from onramp.usecases.resolve import read_numbers

AT_ONCE: Final = 16
"""Numbers in one write: each is an item, up to four facts and an older signup; a transaction has 100."""
TRIES: Final = 12
PROVED: Final = timedelta(hours=1)
"""So long a popup's proof is enough to take a number from another tenant; later Meta is asked once more."""


def submit_numbers(
    ports: Ports, signup: Signup, phone_number_ids: Sequence[str], plan_tier: str | None
) -> Signup:
    """Take the numbers for this signup and wake the worker; a repeat changes nothing.

    Without ids: the number the browser claimed, or the only one. Raises `Problem` with the codes of the
    route; `unavailable` when the queue does not answer (the sweep then sends what is stored).
    """
    if signup.waba is None:
        raise Problem("not_authorized_yet", "Send the code first.")
    signup, wanted = _wanted(ports, signup, phone_number_ids)
    owners = _Owners(ports, signup)
    numbers: list[Number] = []
    for start in range(0, len(wanted), AT_ONCE):
        signup, taken = _take(ports, signup, owners, wanted[start : start + AT_ONCE], plan_tier)
        numbers += taken
    wake_at_once(ports, numbers)
    return signup


def _take(
    ports: Ports, signup: Signup, owners: "_Owners", wanted: Sequence[ListedNumber], plan_tier: str | None
) -> tuple[Signup, list[Number]]:
    """Make or reconnect the records of some numbers, all in one write with the signups they belong to."""
    for tries in range(TRIES):
        taking = _Taking(ports, signup, owners, plan_tier)
        stored = read_numbers(ports, [number.phone_number_id for number in wanted])
        known = {number.phone_number_id: number for number in stored}
        for listed in wanted:
            taking.take(listed, known.get(listed.phone_number_id))
        if not taking.changed:
            return signup, stored
        try:
            ports.store.commit(signup, *taking.numbers, *taking.older.values())
        except Conflict:
            pause(ports, tries)
            signup = ports.store.read(Signup, signup.id) or signup
        else:
            return signup, taking.numbers
    raise UnavailableError("the numbers are being changed by others")


class _Owners:
    """Whether numbers of other tenants are free for a signup; Meta is asked once for each WABA."""

    def __init__(self, ports: Ports, signup: Signup) -> None:
        self._ports = ports
        self._signup = signup
        self._lists: dict[tuple[str, str], frozenset[str] | None] = {}

    def require_free(self, number: Number) -> None:
        """Raise `Problem(number_taken)`, which says what would help and nothing of the other."""
        if not life.is_free(number) and not self._has_moved(number):
            self._refuse(number, _what_helps(number, self._signup))
        if not self._is_proved_now(number):
            self._refuse(number, _OLD_PROOF)

    @staticmethod
    def _refuse(number: Number, why: str) -> None:
        raise Problem(
            "number_taken",
            f"The number {number.phone_number_id} belongs to somebody else here. {why}",
            phone_number_id=number.phone_number_id,
        )

    def _has_moved(self, number: Number) -> bool:
        """Whether it is in another WABA than its owner proved, by the owner's own token."""
        if number.waba.id == _waba_of(self._signup.waba).id:
            return False
        owner = self._ports.store.read(Signup, number.signup_id)
        found = None if owner is None else self._list(owner, number.waba.id)
        return found is not None and number.phone_number_id not in found

    def _is_proved_now(self, number: Number) -> bool:
        """Whether our own WABA has it by now, and not only had it when the popup ended."""
        signup = self._signup
        if signup.authorized_at and self._ports.clock.now() - signup.authorized_at < PROVED:
            return True
        return number.phone_number_id in (self._list(signup, _waba_of(signup.waba).id) or ())

    def _list(self, signup: Signup, waba_id: str) -> frozenset[str] | None:
        key = (signup.id, waba_id)
        if key not in self._lists:
            self._lists[key] = ids_in(self._ports, signup, waba_id)
        return self._lists[key]


def _what_helps(number: Number, signup: Signup) -> str:
    """What makes a taken number free, as far as its state tells."""
    if number.ending_at is not None:
        return "Its end is under way at 360dialog: send this call again when it has ended."
    state = _STATES.get(number.standing, "It is being connected for them.")
    if number.waba.id == _waba_of(signup.waba).id:
        return f"{state} It is free once they have cancelled it."
    return f"{state} It is free once they have cancelled it, or once it is removed from the WABA they shared."


_OLD_PROOF: Final = (
    "It is free, but the proof of this signup is old and cannot be renewed right now: send this call again,"
    " or open a new signup."
)
_STATES: Final = {
    Standing.CONNECTED: "It is connected for them.",
    Standing.RESTRICTED: "It is connected for them, and restricted by Meta.",
    Standing.FAILED: "360dialog has it from them, although it failed later.",
}


class _Taking:
    """One write's worth of numbers that are taken for a signup."""

    def __init__(self, ports: Ports, signup: Signup, owners: _Owners, plan_tier: str | None) -> None:
        self._ports = ports
        self._signup = signup
        self._owners = owners
        self._plan_tier = plan_tier or signup.plan_tier
        self._now = ports.clock.now()
        self.numbers: list[Number] = []
        self.older: dict[str, Signup] = {}
        self.changed = False

    def take(self, listed: ListedNumber, number: Number | None) -> None:
        """Take one number. Raises `Problem(number_taken)`."""
        if number is not None and self._is_ours(number):
            # A repeat of the same call.
            self.numbers.append(number)
            return
        if number is None:
            number = self._new(listed)
        elif number.tenant != self._signup.tenant:
            self._inherit(number, listed)
        else:
            self._move(number)
            self._lost_by_older(number)
            self._give(number, listed)
            life.reconnect(number, self._now)
        self._warn(number, listed)
        self._signup.gain(number.phone_number_id, number.standing, self._now)
        self.numbers.append(number)
        self.changed = True

    def _is_ours(self, number: Number) -> bool:
        return (number.tenant, number.signup_id) == (self._signup.tenant, self._signup.id)

    def _new(self, listed: ListedNumber) -> Number:
        signup = self._signup
        number = Number(
            phone_number_id=listed.phone_number_id,
            tenant=signup.tenant,
            signup_id=signup.id,
            hub=signup.hub,
            waba=_waba_of(signup.waba),
            created_at=self._now,
        )
        self._give(number, listed)
        life.submit(number, self._now)
        return number

    def _inherit(self, number: Number, listed: ListedNumber) -> None:
        """Another tenant's number that is free: from now on it is like a new one."""
        self._owners.require_free(number)
        self._lost_by_older(number)
        life.hand_over(number, self._signup.tenant, self._now)
        number.hub = self._signup.hub
        # When it came to somebody else is nobody's business.
        number.created_at = self._now
        self._give(number, listed)
        life.submit(number, self._now)

    def _move(self, number: Number) -> None:
        """To the hub of the signup, where nothing of it lives at its own. Raises `Problem(number_taken)`."""
        if number.hub == self._signup.hub:
            return
        if not life.is_free(number):
            detail = f"It is at the hub {number.hub}: end it there, or sign up for that hub."
            raise Problem("number_taken", detail)
        life.move(number, self._signup.hub)

    def _give(self, number: Number, listed: ListedNumber) -> None:
        """What this signup knows of the number."""
        signup = self._signup
        number.signup_id = signup.id
        number.reference = signup.reference
        number.waba = _waba_of(signup.waba)
        number.plan_tier = self._plan_tier
        number.messaging = signup.messaging
        number.authorized_at = signup.authorized_at
        number.display_phone_number = listed.display_phone_number
        number.verified_name = listed.verified_name
        number.verification = listed.verification
        number.name_status = listed.name_status
        number.digits = canonical(listed.display_phone_number)

    def _warn(self, number: Number, listed: ListedNumber) -> None:
        """What Meta says of it and may yet do no harm."""
        warned = verdict_on(listed).warned
        if warned is None:
            life.settle_notice(number, Attention.UNVERIFIED, self._now)
        else:
            life.note(number, Attention.UNVERIFIED, self._now, warned)

    def _lost_by_older(self, number: Number) -> None:
        """The signup that had it until now has it no more."""
        older = self.older.get(number.signup_id) or self._ports.store.read(Signup, number.signup_id)
        if older is not None:
            older.lose(number.phone_number_id, number.standing, self._now)
            self.older[older.id] = older


def _waba_of(waba: Waba | None) -> WabaOf:
    if waba is None:  # pragma: no cover - a number is taken only after the proof
        raise AssertionError("no WABA")
    return WabaOf(id=waba.id, business_id=waba.business_id)


def _wanted(
    ports: Ports, signup: Signup, phone_number_ids: Sequence[str]
) -> tuple[Signup, list[ListedNumber]]:
    """The numbers that are meant; Meta is read once more before somebody is told that they cannot be had."""
    listed: Sequence[ListedNumber] = listed_in(ports, signup)
    try:
        return signup, _choose(signup, listed, phone_number_ids)
    except Problem as problem:
        if problem.code == "number_ambiguous" and listed:
            raise
    signup, listed = list_again(ports, signup, listed)
    return signup, _choose(signup, listed, phone_number_ids)


def _choose(
    signup: Signup, listed: Sequence[ListedNumber], phone_number_ids: Sequence[str]
) -> list[ListedNumber]:
    by_id = {number.phone_number_id: number for number in listed}
    wanted = dict.fromkeys(phone_number_ids)
    unknown = [phone_number_id for phone_number_id in wanted if phone_number_id not in by_id]
    if unknown:
        message = "is not a number of the WABA"
        raise Problem(
            "number_not_in_waba",
            "The WABA of this signup has no such phone number.",
            errors=[_error(phone_number_ids, phone_number_id, message) for phone_number_id in unknown],
        )
    chosen = [by_id[phone_number_id] for phone_number_id in wanted] or [_without_name(signup, by_id)]
    _require_fit(signup, chosen, phone_number_ids)
    return chosen


def _without_name(signup: Signup, by_id: Mapping[str, ListedNumber]) -> ListedNumber:
    """The number the browser claimed, or the only one."""
    number = by_id.get(signup.claimed or "")
    if number is None and len(by_id) == 1:
        number = next(iter(by_id.values()))
    if number is not None:
        return number
    raise Problem(
        "number_ambiguous",
        "Name the numbers in phone_number_ids."
        if by_id
        else "The WABA has no phone number yet. Let the customer add one at Meta, then send this call again.",
        candidates=[
            {
                "phone_number_id": number.phone_number_id,
                "display_phone_number": number.display_phone_number,
            }
            for number in by_id.values()
        ],
    )


def _require_fit(signup: Signup, chosen: Sequence[ListedNumber], phone_number_ids: Sequence[str]) -> None:
    """Refuse numbers that cannot be onboarded as Meta has them; what this signup has already, it has."""
    unfit = {
        number.phone_number_id: refused
        for number in chosen
        if number.phone_number_id not in signup.submitted and (refused := verdict_on(number).refused)
    }
    if not unfit:
        return
    name, code = next(iter(unfit.items()))
    raise Problem(
        code,
        f"Meta has the number {name} like that. {WHAT_TO_DO[code]}",
        errors=[_error(phone_number_ids, other, PROBLEMS[why].title) for other, why in unfit.items()],
        phone_number_id=name,
    )


def _error(phone_number_ids: Sequence[str], phone_number_id: str, message: str) -> dict[str, str]:
    """Which of the caller's ids it is about; the list as a whole when it named none."""
    named = phone_number_id in phone_number_ids
    field = f"phone_number_ids.{phone_number_ids.index(phone_number_id)}" if named else "phone_number_ids"
    return {"field": field, "message": message}
