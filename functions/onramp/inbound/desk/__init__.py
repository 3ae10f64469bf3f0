"""What an operator may ask of a stage: commands in areas, joined in one table (`table`).

Each area is a module with `COMMANDS`. A command names its arguments as a model, and what it runs; the handler
checks, runs, answers. Whoever may invoke the function may ask for everything here.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onramp.domain.errors import Problem
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.storage import Span
from onramp.usecases.read import place_of

MOST: Final = 100
"""Items of one page."""
SIGNUP: Final = r"[0-9a-f]{32}"
PHONE_NUMBER: Final = r"[0-9]{5,20}"

LONGEST: Final = timedelta(days=800)
"""Of a span of time: an empty month of it costs a query."""

type Name = Annotated[str, Field(min_length=1, max_length=200)]
"""The name of a record, or a part of one."""
type SignupId = Annotated[str, Field(pattern=rf"^{SIGNUP}$")]
"""Our own id of a signup."""
type PhoneNumberId = Annotated[str, Field(pattern=rf"^{PHONE_NUMBER}$")]
"""Meta's id of a number."""
type Limit = Annotated[int, Field(ge=1, le=MOST)]
"""Items of one page."""
type Cursor = Annotated[str, Field(min_length=1, max_length=2000)]
"""Where a list goes on: what the page before said."""
type Answer = Mapping[str, Any] | BaseModel


class Asked(BaseModel):
    """The arguments of a command; one that it does not know is refused, and text is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Nothing(Asked):
    """No arguments."""


class AtHub(Asked):
    """What is asked of one hub; of the default one, where none is named. The ports are that hub's then."""

    hub: Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9\-]{0,30}$")] = None


class PageAsked(Asked):
    """A page of a list: at most `limit` items, behind `cursor`."""

    limit: Limit = 50
    cursor: Cursor | None = None


class SpanAsked(PageAsked):
    """A page of a span of time, from its end backwards; without `since` it is `KEPT` long."""

    KEPT: ClassVar[timedelta]

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @property
    def is_spanned(self) -> bool:
        """Whether a span was asked for."""
        return self.since is not None or self.until is not None

    def span(self, desk: Ports) -> Span:
        """The span. Raises `Problem(invalid_request)` when it is too long, or the cursor another list's."""
        until = self.until or desk.clock.now()
        since = self.since or until - self.KEPT
        if until - since > LONGEST:
            errors = [{"field": "since", "message": f"is more than {LONGEST.days} days before the end"}]
            raise Problem("invalid_request", f"A span has at most {LONGEST.days} days.", errors=errors)
        return Span(since, until, place_of(self.cursor))


class NumberAsked(Asked):
    """One number, by Meta's id."""

    phone_number_id: PhoneNumberId


class SignupAsked(Asked):
    """One signup, by our own id."""

    signup_id: SignupId


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `run` takes the ports and the checked arguments, and raises `Problem`.

    `changes`: it changes what is stored, ends or moves something; who asked is logged then. `spends`: Partner
    API calls that one run of it makes at most.
    """

    name: str
    about: str
    arguments: type[Asked]
    run: Callable[[Ports, Any], Answer]
    changes: bool = False
    spends: int = 0
