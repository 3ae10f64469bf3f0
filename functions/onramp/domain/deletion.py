"""What a person asks for through Meta: that their data be deleted, or that the app be gone."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from onramp.domain.errors import Unreadable
from onramp.domain.records import Record, Stored
from onramp.domain.text import end_date, identifier

KEPT: Final = timedelta(days=400)
"""How long the answer to *was it done?* is kept."""
CODE: Final = re.compile(r"[a-z2-7]{24}")


class RequestKind(StrEnum):
    """What is asked for."""

    DELETION = "deletion"
    DEAUTHORIZE = "deauthorize"


class RequestStatus(StrEnum):
    """How far it is."""

    RECEIVED = "received"
    CARRIED_OUT = "carried_out"


class Asked(Record):
    """A request as the receiver hands it on: its signature has been checked."""

    code: str
    kind: RequestKind
    user_id: str
    issued_at: datetime


class DeletionRequest(Stored):
    """A request, by the code that Meta shows to its person.

    `user_id` is Meta's id of the person for our app; it is forgotten when the request is carried out.
    `signup_ids` are the signups of that person, as far as they are known. `receipts` name what the erasures
    have written.
    """

    KIND: ClassVar[str] = "REQUEST"

    code: str
    kind: RequestKind | str = Field(union_mode="left_to_right")
    user_id: str | None = None
    asked_at: datetime
    received_at: datetime
    status: RequestStatus | str = Field(default=RequestStatus.RECEIVED, union_mode="left_to_right")
    carried_out_at: datetime | None = None
    signup_ids: list[str] = Field(default_factory=list)
    receipts: list[str] = Field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """Its code."""
        return (self.code,)

    @property
    def forgotten_at(self) -> datetime:
        """Long after its person has stopped asking."""
        return self.received_at + KEPT


class MetaUser(Stored):
    """The signups that a person went through, by a digest of Meta's id of the person (`digest_of`)."""

    KIND: ClassVar[str] = "METAUSER"

    digest: str
    signup_ids: list[str] = Field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """The digest."""
        return (self.digest,)


def digest_of(user_id: str) -> str:
    """What a person is found by; Meta's id itself is not kept."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def read_request(body: bytes) -> Asked:
    """A request of the receiver's. Raises `Unreadable`."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the request is not JSON") from error
    return _asked(said if isinstance(said, dict) else {})


def _asked(said: Mapping[str, object]) -> Asked:
    code, user_id = identifier(said.get("code")), identifier(said.get("user_id"))
    issued_at = end_date(said.get("issued_at"))
    if code is None or not CODE.fullmatch(code) or user_id is None or issued_at is None:
        raise Unreadable("the request names nobody")
    if said.get("kind") not in set(RequestKind):
        raise Unreadable("the request is of no kind")
    return Asked(code=code, kind=RequestKind(str(said["kind"])), user_id=user_id, issued_at=issued_at)
