"""Taking a tenant's wish for numbers, and taking failed ones up again.

State and pending work are one write; the queue message behind it is only a wake-up call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onramp.domain.errors import Problem
from onramp.domain.schedule import SETTLE
from onramp.domain.signup import Intent, Number, Signup, StepDone
from onramp.domain.states import Progress, Status, Step
from onramp.ports import (
    Bus,
    Clock,
    NumberTaken,
    Queue,
    SignupStore,
    Telemetry,
    UnavailableError,
)
from onramp.usecases.changing import change, pointer_to, publish

RECLAIMABLE: Final = frozenset({Status.FAILED, Status.CANCELLED})
"""A tenant may take its own number into a new signup when the old one has come to nothing."""


@dataclass(frozen=True, slots=True)
class SubmitNumber:
    """What submitting needs."""

    store: SignupStore
    queue: Queue
    bus: Bus
    clock: Clock
    telemetry: Telemetry

    def submit(self, signup: Signup, phone_number_ids: Sequence[str], plan_tier: str | None) -> Signup:
        """Claim the numbers, mark them wanted and wake the worker; a repeat changes nothing.

        Without ids: the number the browser claimed, or the only one. Raises `Problem` with the codes of the
        route; `unavailable` when the queue does not answer (the sweep then sends what is stored).
        """
        if signup.waba is None:
            raise Problem("not_authorized_yet", "Send the code first.")
        wanted = self._choose(signup, phone_number_ids)
        now = self.clock.now()
        ids = {number.phone_number_id for number in wanted}
        replaced = self._abandoned(signup, wanted)

        def want(stored: Signup) -> None:
            for number in stored.numbers:
                if number.phone_number_id in ids and not number.wanted:
                    number.wanted = True
                    number.plan_tier = plan_tier or stored.plan_tier
                    number.steps = [StepDone(status=Progress.PENDING, at=now)]
                    number.due_at = now
                    if number.phone_number_id in replaced:
                        # The older signup may have left a living channel: look before submitting.
                        number.intent = Intent(action=Step.SUBMIT, at=now - SETTLE)
                    stored.tell("number.pending", now, number)

        claims = [pointer_to(signup, number) for number in wanted if not number.wanted]
        try:
            saved = change(self.store, signup.id, want, claims=claims, replaces=replaced)
        except NumberTaken as taken:
            raise self._taken(signup, taken.phone_number_id) from taken
        return self._wake(saved, ids)

    def retry(self, signup: Signup) -> Signup:
        """Run the failed numbers again from the step that failed.

        Raises `Problem(nothing_to_retry)`, `Problem(number_taken)` when a later signup has the number now.
        """
        failed = [number for number in signup.numbers if number.status is Status.FAILED]
        if not failed and any(_waits_for_retry(signup, number) for number in signup.numbers):
            return self._wake(signup, {number.phone_number_id for number in signup.numbers})
        if not failed:
            raise Problem("nothing_to_retry", "No number of this signup has failed.")
        ids = {number.phone_number_id for number in failed}

        def revive(stored: Signup) -> None:
            for number in stored.numbers:
                if number.phone_number_id in ids and number.failure:
                    take_up_again(stored, number, self.clock)

        claims = [pointer_to(signup, number) for number in failed]
        try:
            return self._wake(change(self.store, signup.id, revive, claims=claims), ids)
        except NumberTaken as taken:
            raise self._taken(signup, taken.phone_number_id) from taken

    def _wake(self, signup: Signup, ids: set[str]) -> Signup:
        try:
            for number in signup.numbers:
                if number.phone_number_id in ids and number.next_step and number.due_at:
                    self.queue.send_job(signup.id, number.phone_number_id)
        except UnavailableError as trouble:
            raise Problem(
                "unavailable", "The wish is stored but the queue does not answer. Send it again."
            ) from trouble
        return publish(self.store, self.bus, self.telemetry, signup)

    def _choose(self, signup: Signup, phone_number_ids: Sequence[str]) -> list[Number]:
        if phone_number_ids:
            return [
                self._named(signup, index, phone_number_id)
                for index, phone_number_id in enumerate(dict.fromkeys(phone_number_ids))
            ]
        claimed = signup.exchange.phone_number_id if signup.exchange else None
        number = signup.number(claimed) if claimed else None
        if number is None and len(signup.numbers) == 1:
            number = signup.numbers[0]
        if number is None:
            raise Problem(
                "number_ambiguous",
                "Name the numbers in phone_number_ids."
                if signup.numbers
                else "The WABA has no phone number yet. Add one at Meta and open a new signup.",
                candidates=[
                    {
                        "phone_number_id": number.phone_number_id,
                        "display_phone_number": number.display_phone_number,
                    }
                    for number in signup.numbers
                ],
            )
        return [number]

    def _named(self, signup: Signup, index: int, phone_number_id: str) -> Number:
        number = signup.number(phone_number_id)
        if number is None:
            raise Problem(
                "number_not_in_waba",
                "The WABA of this signup has no such phone number.",
                errors=[{"field": f"phone_number_ids.{index}", "message": "is not a number of the WABA"}],
            )
        return number

    def _abandoned(self, signup: Signup, wanted: Sequence[Number]) -> dict[str, str]:
        """The tenant's own older signups whose hold on a number has come to nothing."""
        replaced = {}
        for number in wanted:
            claim = self.store.find_claim(number.phone_number_id)
            if claim is None or claim.signup_id == signup.id or claim.tenant != signup.tenant:
                continue
            older = self.store.load(claim.signup_id)
            held = older.number(number.phone_number_id) if older else None
            if held is None or held.status in RECLAIMABLE:
                replaced[number.phone_number_id] = claim.signup_id
        return replaced

    def _taken(self, signup: Signup, phone_number_id: str) -> Problem:
        claim = self.store.find_claim(phone_number_id)
        if claim is not None and claim.tenant == signup.tenant:
            detail = f"Your signup {claim.signup_id} has the number {phone_number_id}. Follow that one."
        else:
            detail = f"The number {phone_number_id} cannot be submitted here."
        return Problem("number_taken", detail)


def _waits_for_retry(signup: Signup, number: Number) -> bool:
    """Whether a retry was stored and its job may not have reached the queue: nothing has happened since."""
    told = [entry.event for entry in signup.timeline if entry.phone_number_id == number.phone_number_id]
    return number.due_at is not None and told[-1:] == ["number.retried"]


def take_up_again(signup: Signup, number: Number, clock: Clock) -> None:
    """Clear a number's failure so that its failed step runs anew, with all attempts."""
    now = clock.now()
    number.failure = None
    number.attempts = 0
    number.due_at = now
    signup.tell("number.retried", now, number)
