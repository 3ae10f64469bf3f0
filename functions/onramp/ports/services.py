"""Services of our own that use cases call: time and chance, queue, bus, keys, logs and metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from onramp.domain.records import HUB, Fact
from onramp.domain.values import dataclass


class Clock(Protocol):
    """Time and chance, so that tests can hold both still."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def draw(self) -> float:
        """A number in [0, 1), for jitter."""

    def new_id(self) -> str:
        """A new identifier that nobody can guess and that sorts by time."""

    def new_secret(self) -> str:
        """256 random bits as 43 characters of base64 for addresses."""


class Queue(Protocol):
    """The jobs queue and the dead letters. Everything raises `UnavailableError`."""

    def wake_numbers(self, phone_number_ids: Sequence[str]) -> None:
        """Wake a worker for each number; as few requests as there can be."""

    def wake_census(self, hub: str, asked_at: datetime | None = None) -> None:
        """Wake a worker for the census of a hub. `asked_at`: of one that shall have begun since then."""

    def wake_deliveries(self, deliveries: Sequence[tuple[str, ...]], seconds: int = 0) -> None:
        """Wake the sender for each delivery, by its identity; in so many seconds, 900 at most."""

    def bury_notification(self, body: str, reason: str) -> None:
        """Keep a message of the notifications' queue that cannot be read in its dead letters."""

    def replay_event(self, body: str, hub: str = HUB) -> None:
        """Put an event's body into the events queue once more, as its hub's."""

    def bury_number(self, phone_number_id: str, reason: str) -> None:
        """Put the job of a number that is given up with its reason into the dead-letter queue."""

    def bury_event(self, body: str, encoding: str, reason: str, hub: str = HUB) -> None:
        """Keep a body for a person in the dead-letter queue, as its hub's."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it was received; `receipt` is what it can be deleted or released by."""

    id: str
    sent_at: datetime
    body: str
    attributes: Mapping[str, str]
    receipt: str

    @property
    def reason(self) -> str:
        """Why it was given up, as far as whoever buried it said so."""
        return self.attributes.get("reason") or self.attributes.get("ErrorCode") or "not told"


class Letters(Protocol):
    """The dead letters of all queues, for an operator. Everything but the names raises `UnavailableError`."""

    def names(self) -> Sequence[str]:
        """What the dead letters' queues are called."""

    def returns(self, queue: str) -> bool:
        """Whether there is a queue that its letters can be sent back to."""

    def count(self, queue: str) -> int:
        """About how many there are, hidden ones too."""

    def receive(self, queue: str, hidden_for: int) -> Sequence[Letter]:
        """Some, which nobody else sees for so many seconds; none at times although there are some."""

    def send_back(self, queue: str, letter: Letter) -> None:
        """Put a copy into the queue that it came from."""

    def delete(self, queue: str, letter: Letter) -> None:
        """Throw it away."""

    def release(self, queue: str, letters: Sequence[Letter]) -> None:
        """Let others see them again at once."""


class Bus(Protocol):
    """The partner's own systems. Only `event_publisher` has it."""

    def publish(self, facts: Sequence[Fact]) -> Sequence[str]:
        """Send facts; gives the ids of those that were not taken. At least once: each has an id."""


class Vault(Protocol):
    """Encryption bound to what a secret is for."""

    def encrypt(self, plain: str, context: Mapping[str, str]) -> str:
        """Cipher text, as text. Raises `UnavailableError`."""

    def decrypt(self, secret: str, context: Mapping[str, str]) -> str:
        """The reverse; raises `UnavailableError`, also for another context."""


class Telemetry(Protocol):
    """Counting and telling. Values are masked by the caller's choice of fields: ids only."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Add to a metric."""

    def info(self, message: str, **fields: str | float | None) -> None:
        """Write a log line."""

    def warn(self, message: str, **fields: str | float | None) -> None:
        """Write a log line somebody should see."""
