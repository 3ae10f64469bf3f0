"""`deliveries.*`: what was sent to the partner's endpoints, by endpoint or by signup, and sent again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field, model_validator

from onramp.domain.errors import Conflict, Problem
from onramp.domain.notifications import Delivery
from onramp.domain.text import from_iso, iso
from onramp.inbound.desk import Answer, Asked, Command, Cursor, Limit, Name, SignupId
from onramp.ports import Ports
from onramp.ports.storage import Position, delivery_named

BEGINNING: Final = datetime(2020, 1, 1, tzinfo=UTC)
AT_ONCE: Final = 25
"""Deliveries that are sent again in one invocation: each is a read and a write."""
MOST_OF_A_SIGNUP: Final = 2_000
"""Deliveries of one signup that are looked through, the newest."""
MOST_DIGITS: Final = 6
"""Of a cursor that counts."""
SPREAD: Final = 60
"""Seconds over which many deliveries are begun again, so that an endpoint just back is not overrun."""


class ListAsked(Asked):
    """Deliveries of one endpoint, or of one signup; the newest first."""

    endpoint: Name | None = None
    signup_id: SignupId | None = None
    state: Literal["pending", "delivered", "failed"] | None = None
    since: AwareDatetime | None = None
    bodies: bool = False
    limit: Limit = 50
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.endpoint is None) == (self.signup_id is None):
            raise ValueError("either endpoint or signup_id is needed")
        return self


class DeliveryAsked(Asked):
    """One delivery, by the id that a list gives it."""

    delivery_id: Annotated[str, Field(min_length=3, max_length=500)]


class ResendAsked(Asked):
    """One delivery, whatever became of it; or all of an endpoint that have failed since a time."""

    delivery_id: Annotated[str, Field(min_length=3, max_length=500)] | None = None
    endpoint: Name | None = None
    since: AwareDatetime | None = None
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.delivery_id is None) == (self.endpoint is None or self.since is None):
            raise ValueError("either delivery_id, or endpoint and since, are needed")
        return self


def shown(delivery: Delivery, *, body: bool = False) -> dict[str, Any]:
    """A delivery as an operator sees it; `body` is what the endpoint is told."""
    left_out = {"subject", "lease", "waiting_since", "expires_at", "fact_id"} | (set() if body else {"body"})
    own = delivery.model_dump(mode="json", exclude=left_out)
    signup_id = None if delivery.subject.startswith("HUB#") else delivery.subject
    return {
        "delivery_id": "/".join(delivery.identity),
        "message_id": delivery.message_id,
        "signup_id": signup_id,
        **own,
    }


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`deliveries.list`."""
    if asked.signup_id is not None:
        return _of_signup(desk, asked.signup_id, asked)
    page = _Page(asked.state, asked.since, asked.cursor, asked.limit)
    deliveries, cursor = _page(desk, asked.endpoint or "", page)
    return {"items": [shown(one, body=asked.bodies) for one in deliveries], "cursor": cursor}


def _of_signup(desk: Ports, signup_id: str, asked: ListAsked) -> Answer:
    """A page of what was told of one signup; `cursor` is how many are behind us."""
    begin = _behind(asked.cursor)
    since = asked.since or BEGINNING
    found = desk.store.deliveries_for(signup_id, MOST_OF_A_SIGNUP)
    meant = [one for one in found if asked.state in {None, one.state} and one.created_at >= since]
    end = begin + asked.limit
    items = [shown(one, body=asked.bodies) for one in meant[begin:end]]
    return {"items": items, "cursor": str(end) if end < len(meant) else None}


def _behind(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > MOST_DIGITS:
        raise _no_cursor()
    return int(cursor)


def show(desk: Ports, asked: DeliveryAsked) -> Answer:
    """`deliveries.show`."""
    return {"delivery": shown(_delivery(desk, asked.delivery_id), body=True)}


def resend(desk: Ports, asked: ResendAsked) -> Answer:
    """`deliveries.resend`: under the same `webhook-id`, with all tries before it."""
    if asked.delivery_id is not None:
        delivery = _delivery(desk, asked.delivery_id)
        return {"items": _begin([delivery], desk, 0), "cursor": None}
    page = _Page("failed", asked.since, asked.cursor, AT_ONCE)
    found, cursor = _page(desk, asked.endpoint or "", page)
    return {"items": _begin(found, desk, SPREAD), "cursor": cursor}


def _begin(deliveries: Sequence[Delivery], desk: Ports, spread: int) -> list[dict[str, Any]]:
    """Begin anew; one that somebody else writes at this moment is left to them."""
    now, begun = desk.clock.now(), []
    for delivery in deliveries:
        if delivery.endpoint not in desk.rules.notifications.endpoints:
            raise Problem("not_found", "The configuration does not name the delivery's endpoint any more.")
        seconds = int(desk.clock.draw() * spread)
        delivery.send_again(now + timedelta(seconds=seconds))
        try:
            desk.store.commit(delivery)
        except Conflict:
            continue
        desk.queue.wake_deliveries([delivery.identity], seconds + 1 if seconds else 0)
        begun.append(shown(delivery))
    return begun


class _Page(NamedTuple):
    """Which of an endpoint's deliveries are meant."""

    state: str | None
    since: datetime | None
    cursor: str | None
    limit: int


def _page(desk: Ports, endpoint: str, page: _Page) -> tuple[list[Delivery], str | None]:
    """A page of an endpoint's deliveries as they are stored, and where the next one begins."""
    state, since, cursor, limit = page
    places = desk.store.deliveries_of(endpoint, state, since or BEGINNING, _place(cursor), limit)
    found = desk.store.read_all(Delivery, [delivery_named(place.id, endpoint) for place in places])
    following = f"{iso(places[-1].at)} {places[-1].id}" if len(places) == limit else None
    return [one for one in found if state in {None, one.state}], following


def _place(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    at, _, name = cursor.partition(" ")
    try:
        return Position(from_iso(at), name)
    except ValueError:
        raise _no_cursor() from None


def _no_cursor() -> Problem:
    errors = [{"field": "cursor", "message": "is none of a page"}]
    return Problem("invalid_request", "The cursor is none of a page's.", errors=errors)


def _delivery(desk: Ports, delivery_id: str) -> Delivery:
    """A delivery, by `<signup or hub>/<fact>/<endpoint>`. Raises `Problem(not_found)`."""
    name, _, endpoint = delivery_id.rpartition("/")
    found = desk.store.read(Delivery, *delivery_named(name, endpoint))
    if found is None:
        raise Problem("not_found", "There is no such delivery, or its time is over.")
    return found


COMMANDS: Final = (
    Command("deliveries.list", "What was sent to an endpoint, or of a signup", ListAsked, listed),
    Command("deliveries.show", "One delivery with its tries and what it tells", DeliveryAsked, show),
    Command("deliveries.resend", "Send again, under the same id", ResendAsked, resend, changes=True),
)
