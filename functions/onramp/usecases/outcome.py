"""What became of a popup that brought no code: written down, and counted by screen."""

from onramp.domain.facts import FactType
from onramp.domain.outcome import MOST, PopupOutcome
from onramp.domain.signup import Signup
from onramp.ports import Ports
from onramp.usecases.changing import Along, change


def note_outcome(ports: Ports, signup: Signup, told: PopupOutcome) -> None:
    """Put an outcome into the signup's timeline and count it; beyond `MOST` it is only counted.

    Also for a signup that has gone on since: a browser's last word may come late. Raises `UnavailableError`.
    """
    ports.telemetry.count("PopupOutcomes", outcome=told.outcome, step=told.counted_step)

    def edit(stored: Signup) -> Along:
        if stored.outcomes < MOST:
            stored.outcomes += 1
            stored.tell(
                FactType.SIGNUP_OUTCOME,
                ports.clock.now(),
                outcome=told.outcome,
                # The browser's word may hold anything; what is shaped like Meta's names a screen.
                step=None if told.step is None else told.counted_step,
                error_code=told.error_code,
                session_id=told.session_id,
            )
        return None

    if signup.outcomes < MOST:
        change(ports, Signup, (signup.id,), edit)
