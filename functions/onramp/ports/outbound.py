"""What goes out to the partner's own endpoints: signed posts, and what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Final, Protocol

from onramp.domain.signing import SECRET_PREFIX
from onramp.domain.values import dataclass

UNANSWERED: Final[Mapping[str, str]] = {
    "address_not_allowed": "The endpoint's name leads to an address that is not public",
    "address_unknown": "The endpoint's name leads nowhere",
    "address_unusable": "The endpoint's address cannot be used",
    "not_connected": "The endpoint could not be connected to, or its certificate did not fit",
    "too_slow": "The endpoint did not answer in time",
    "answer_unreadable": "The endpoint broke off, or answered with something else than HTTP",
}
"""Why there was no answer, by its code."""


@dataclass(frozen=True, slots=True)
class Post:
    """One post to be made."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The endpoint has answered. `retry_after` in seconds, a day at most; `text` is how its body begins.

    The text is the endpoint's own and may hold anything: it is for the eyes of an operator who asks for it.
    """

    status: int
    milliseconds: int
    retry_after: float | None = None
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It has not; `code` is one of `UNANSWERED`."""

    code: str
    milliseconds: int = 0


type Answer = Answered | Unanswered


class Outbound(Protocol):
    """Posts to addresses that are others' to name: only public ones are connected to."""

    def post_all(self, posts: Sequence[Post]) -> Sequence[Answer]:
        """Make all posts at the same time; gives what came of each, in their order. Raises nothing."""


@dataclass(frozen=True, slots=True)
class NewKeys:
    """The keys of an endpoint, just made: two secrets, and the public half of the second."""

    secret: str = field(repr=False)
    private: str = field(repr=False)
    public: str

    def __post_init__(self) -> None:
        """Refuse what nobody could verify with."""
        if not self.secret.startswith(SECRET_PREFIX):
            raise ValueError("a secret has another form")


class Signer(Protocol):
    """Makes keys, and signs with them."""

    def new_keys(self) -> NewKeys:
        """Keys for an endpoint."""

    def sign(self, secret: str, private: str, message_id: str, at: datetime, body: bytes) -> Sequence[str]:
        """A signature `v1,…` and one `v1a,…`."""
