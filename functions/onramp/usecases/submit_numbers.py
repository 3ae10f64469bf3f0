"""Taking a tenant's wish for numbers, and taking failed ones up again.

A number's record is the claim on it: whoever writes it first has it, and a later signup of the same tenant is
a reconnect of the same record. State and pending work are one write; the queue message behind it only wakes.
"""

from collections.abc import Sequence
from typing import Final

from onramp.domain import number as life
from onramp.domain.errors import Conflict, Problem, UnavailableError
from onramp.domain.number import Number, WabaOf
from onramp.domain.phone_numbers import canonical
from onramp.domain.signup import Listed, ListedNumber, Signup, Waba, all_listed
from onramp.ports import Ports
from onramp.usecases.changing import change, change_number, needs_a_run, pause

AT_ONCE: Final = 20
"""Numbers in one write: each is an item and a fact, and a transaction has 100."""
TRIES: Final = 12


def submit_numbers(
    ports: Ports, signup: Signup, phone_number_ids: Sequence[str], plan_tier: str | None
) -> Signup:
    """Take the numbers for this signup and wake the worker; a repeat changes nothing.

    Without ids: the number the browser claimed, or the only one. Raises `Problem` with the codes of the
    route; `unavailable` when the queue does not answer (the sweep then sends what is stored).
    """
    if signup.waba is None:
        raise Problem("not_authorized_yet", "Send the code first.")
    wanted = _choose(signup, listed_in(ports, signup), phone_number_ids)
    numbers: list[Number] = []
    for start in range(0, len(wanted), AT_ONCE):
        signup, taken = _take(ports, signup, wanted[start : start + AT_ONCE], plan_tier)
        numbers += taken
    _wake(ports, numbers)
    return signup


def listed_in(ports: Ports, signup: Signup) -> list[ListedNumber]:
    """The numbers that Meta lists in the signup's WABA."""
    parts = [(signup.id, f"{part:03d}") for part in range(signup.parts)]
    return all_listed(ports.store.read_all(Listed, parts))


def retry_signup(ports: Ports, signup: Signup) -> Signup:
    """Run the signup's failed numbers again from the step that failed.

    Raises `Problem(nothing_to_retry)`.
    """
    numbers = _of(ports, signup)
    failed = [number for number in numbers if number.failure]
    mendable = [number.phone_number_id for number in failed if number.failure and number.failure.retryable]
    if not mendable:
        stored = [
            number for number in numbers if needs_a_run(number, ports.clock.now()) and not number.attempts
        ]
        if not stored:
            raise Problem("nothing_to_retry", _why_not(failed))
        _wake(ports, stored)
        return signup
    revived: list[Number] = []
    for start in range(0, len(mendable), AT_ONCE):
        signup, some = _revive(ports, signup, mendable[start : start + AT_ONCE])
        revived += some
    _wake(ports, revived)
    return signup


def retry_number(ports: Ports, number: Number) -> Number:
    """Run one failed number again. Raises `Problem(nothing_to_retry)`."""
    failure = number.failure
    if failure is None or not failure.retryable:
        if needs_a_run(number, ports.clock.now()) and not number.attempts:
            _wake(ports, [number])
            return number
        raise Problem("nothing_to_retry", _why_not([number] if failure else []))

    def edit(stored: Number) -> None:
        if stored.failure is not None and stored.failure.retryable:
            life.retry(stored, ports.clock.now())

    number = change_number(ports, number.phone_number_id, edit)
    _wake(ports, [number])
    return number


def _why_not(failed: Sequence[Number]) -> str:
    if not failed:
        return "No number has failed."
    titles = {number.failure.title for number in failed if number.failure}
    return f"A retry cannot mend this: {'; '.join(sorted(titles))}."


def _of(ports: Ports, signup: Signup) -> list[Number]:
    return ports.store.read_all(Number, [(phone_number_id,) for phone_number_id in signup.submitted])


def _wake(ports: Ports, numbers: Sequence[Number]) -> None:
    now = ports.clock.now()
    due = [number.phone_number_id for number in numbers if needs_a_run(number, now)]
    try:
        ports.queue.wake_numbers(due)
    except UnavailableError as trouble:
        raise Problem(
            "unavailable", "The wish is stored but the queue does not answer. Send it again."
        ) from trouble


def _revive(ports: Ports, signup: Signup, ids: Sequence[str]) -> tuple[Signup, list[Number]]:
    """Clear the failures of some numbers, all in one write with their signup's counts."""
    revived: list[Number] = []

    def edit(stored: Signup) -> Sequence[Number]:
        revived.clear()
        for number in ports.store.read_all(Number, [(phone_number_id,) for phone_number_id in ids]):
            if number.failure is not None and number.failure.retryable:
                before = number.standing
                life.retry(number, ports.clock.now())
                stored.count(before, number.standing, ports.clock.now())
                revived.append(number)
        return revived

    return change(ports, Signup, (signup.id,), edit), revived


def _take(
    ports: Ports, signup: Signup, wanted: Sequence[ListedNumber], plan_tier: str | None
) -> tuple[Signup, list[Number]]:
    """Make or reconnect the records of some numbers, all in one write with the signups they belong to."""
    for tries in range(TRIES):
        taking = _Taking(ports, signup, plan_tier)
        stored = ports.store.read_all(Number, [(number.phone_number_id,) for number in wanted])
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


class _Taking:
    """One write's worth of numbers that are taken for a signup."""

    def __init__(self, ports: Ports, signup: Signup, plan_tier: str | None) -> None:
        self._ports = ports
        self._signup = signup
        self._plan_tier = plan_tier or signup.plan_tier
        self._now = ports.clock.now()
        self.numbers: list[Number] = []
        self.older: dict[str, Signup] = {}
        self.changed = False

    def take(self, listed: ListedNumber, number: Number | None) -> None:
        """Take one number. Raises `Problem(number_taken)`."""
        if number is None:
            number = self._new(listed)
            life.submit(number, self._now)
        elif number.tenant != self._signup.tenant:
            raise Problem(
                "number_taken",
                f"The number {number.phone_number_id} belongs to somebody else here.",
                phone_number_id=number.phone_number_id,
            )
        elif number.signup_id == self._signup.id:
            # A repeat of the same call.
            self.numbers.append(number)
            return
        else:
            self._take_over(number, listed)
        self._signup.gain(number.phone_number_id, number.standing, self._now)
        self.numbers.append(number)
        self.changed = True

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
        return number

    def _give(self, number: Number, listed: ListedNumber) -> None:
        """What this signup knows of the number."""
        signup = self._signup
        number.signup_id = signup.id
        number.reference = signup.reference
        number.waba = _waba_of(signup.waba)
        number.plan_tier = self._plan_tier
        number.authorized_at = signup.authorized_at
        number.display_phone_number = listed.display_phone_number
        number.verified_name = listed.verified_name
        number.verification = listed.verification
        number.digits = canonical(listed.display_phone_number)

    def _take_over(self, number: Number, listed: ListedNumber) -> None:
        """A later signup of the same tenant: the record goes on, for this signup from now on."""
        before = number.standing
        older = self.older.get(number.signup_id) or self._ports.store.read(Signup, number.signup_id)
        if older is not None:
            older.lose(number.phone_number_id, before, self._now)
            self.older[older.id] = older
        self._give(number, listed)
        life.reconnect(number, self._now)


def _waba_of(waba: Waba | None) -> WabaOf:
    if waba is None:  # pragma: no cover - a number is taken only after the proof
        raise AssertionError("no WABA")
    return WabaOf(id=waba.id, business_id=waba.business_id)


def _choose(
    signup: Signup, listed: Sequence[ListedNumber], phone_number_ids: Sequence[str]
) -> list[ListedNumber]:
    by_id = {number.phone_number_id: number for number in listed}
    if phone_number_ids:
        return [
            _named(by_id, index, phone_number_id)
            for index, phone_number_id in enumerate(dict.fromkeys(phone_number_ids))
        ]
    number = by_id.get(signup.claimed or "")
    if number is None and len(listed) == 1:
        number = listed[0]
    if number is not None:
        return [number]
    raise Problem(
        "number_ambiguous",
        "Name the numbers in phone_number_ids."
        if listed
        else "The WABA has no phone number yet. Add one at Meta and open a new signup.",
        candidates=[
            {
                "phone_number_id": number.phone_number_id,
                "display_phone_number": number.display_phone_number,
            }
            for number in listed
        ],
    )


def _named(by_id: dict[str, ListedNumber], index: int, phone_number_id: str) -> ListedNumber:
    number = by_id.get(phone_number_id)
    if number is None:
        raise Problem(
            "number_not_in_waba",
            "The WABA of this signup has no such phone number.",
            errors=[{"field": f"phone_number_ids.{index}", "message": "is not a number of the WABA"}],
        )
    return number
