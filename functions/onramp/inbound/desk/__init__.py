"""What an operator may ask of a stage: commands in areas, joined in one table (`table`).

Each area is a module with `COMMANDS`. A command names its arguments as a model, and what it runs; the handler
checks, runs, answers. Whoever may invoke the function may ask for everything here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from onramp.ports import Ports

MOST: Final = 100
"""Items of one page."""
SIGNUP: Final = r"[0-9a-f]{32}"
PHONE_NUMBER: Final = r"[0-9]{5,20}"

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

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Nothing(Asked):
    """No arguments."""


class PageAsked(Asked):
    """A page of a list: at most `limit` items, behind `cursor`."""

    limit: Limit = 50
    cursor: Cursor | None = None


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
