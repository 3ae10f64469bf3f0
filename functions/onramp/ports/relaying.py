"""What handing events on needs: the way to its own function, the bucket of large bodies, the targets."""

from collections.abc import Mapping
from typing import Protocol

from onramp.domain.relaying import Target
from onramp.domain.values import dataclass


class Relay(Protocol):
    """The relay's own queue and its dead letters. Both raise `UnavailableError`."""

    def send(self, message: str) -> None:
        """Put a message on its way to one target."""

    def bury(self, message: str, reason: str) -> None:
        """Keep a message for a person in the dead-letter queue."""


class Bodies(Protocol):
    """Bodies that are too large to be handed on themselves."""

    bucket: str

    def put(self, key: str, content: bytes) -> None:
        """Store one, where the same may lie already. Raises `UnavailableError`."""

    def link(self, key: str, seconds: int) -> str:
        """An address at which everybody can read it for a while, at most as long as our own rights last."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The target has it."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """It has not, or may have and did not say so; `code` says why.

    `retry_after` in seconds, where the target said it; `final`: asking again gives the same.
    """

    code: str
    status: int | None = None
    retry_after: float | None = None
    final: bool = False


type Handed = Taken | NotTaken


class Outlets(Protocol):
    """The targets. What goes wrong is an answer: nothing is raised."""

    def hand(self, target: Target, envelope: Mapping[str, object], message_id: str) -> Handed:
        """Hand an envelope to a target, at least once: `message_id` is the same each time."""
