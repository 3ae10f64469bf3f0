"""Signup links: made with their signup, listed, taken back, and followed by the customer who has one."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from onramp.domain.errors import Problem, UnavailableError
from onramp.domain.link import Link, LinkStatus, read_token
from onramp.domain.return_urls import ADDED, RENEWED, completed, mistake_in
from onramp.domain.signup import Remembered, Signup
from onramp.domain.values import dataclass
from onramp.ports import Ports
from onramp.ports.storage import Position
from onramp.usecases.changing import Along, change
from onramp.usecases.limits import admit, release
from onramp.usecases.open_signup import Wanted, asked_for, first_of, new_signup, remembered
from onramp.usecases.read import Listing, Whole, cursor_at, place_of

DETAILS: Final[Mapping[str, str]] = {
    "link_expired": "The link's time is over. Its maker can make a new one.",
    "link_revoked": "The link was taken back. Its maker can make a new one.",
    "link_used": "The link was used by another visit, and lets only that one go on.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLink:
    """What a caller wants a link to be; without `days` it lives as long as the configuration says."""

    signup: Wanted
    language: str | None = None
    success_url: str | None = None
    failure_url: str | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link, and what its address carries, which is known only now; None for one that has ended."""

    link: Link
    token: str | None


@dataclass(frozen=True, slots=True)
class Linked:
    """A customer who has come with a link: it, its signup, and the browser's own random text."""

    link: Link
    signup: Signup
    visit: str


def make_link(ports: Ports, *, tenant: str, wanted: WantedLink, idempotency_key: str | None) -> MadeLink:
    """Open a signup and make a link to it, in one write.

    The same `idempotency_key` gives the first link again, with one more secret: the one before may have been
    lost with its answer, or sent to the customer. Raises `Problem` as `open_signup` does, and for a return
    address that is not allowed.
    """
    rules = ports.rules.links
    _require_returns(ports, wanted)
    now = ports.clock.now()
    expires_at = now + timedelta(days=wanted.days or rules.days)
    link_id = ports.clock.new_id()
    signup = new_signup(ports, tenant, wanted.signup, expires_at=expires_at, link_id=link_id)
    link = Link(
        id=link_id,
        tenant=tenant,
        signup_id=signup.id,
        reference=signup.reference,
        language=wanted.language,
        success_url=wanted.success_url,
        failure_url=wanted.failure_url,
        created_at=now,
        expires_at=expires_at,
    )
    secret = ports.clock.new_secret()
    link.add_secret(secret)
    link.made()
    key = remembered(ports, idempotency_key, signup, _asked(ports.hub, wanted)) if idempotency_key else None
    if not admit(ports, signup, link, repeated=key) and key is not None:
        return _again(ports, key)
    ports.telemetry.count("SignupsOpened")
    return MadeLink(link, f"{link.id}.{secret}")


def revoke_link(ports: Ports, tenant: str, link_id: str) -> Link:
    """Take a link back; a repeat changes nothing. Raises `Problem(not_found)`, also for another tenant's."""
    own_link(ports, tenant, link_id)

    def edit(stored: Link) -> Along:
        stored.revoke(ports.clock.now())
        return None

    link = change(ports, Link, (link_id,), edit)
    release(ports, tenant, link_id)
    return link


def own_link(ports: Ports, tenant: str, link_id: str) -> Link:
    """The tenant's link. Raises `Problem(not_found)`, also for one of another tenant."""
    link = ports.store.read(Link, link_id)
    if link is None or link.tenant != tenant:
        raise Problem("not_found", "There is no such link.")
    return link


def links(ports: Ports, tenant: str, status: str | None, cursor: str | None, limit: int) -> Listing[Link]:
    """A page of the tenant's links, the last to end first.

    Raises `Problem(invalid_request)` for a cursor that is not ours.
    """
    now = ports.clock.now()
    positions = ports.store.links_of(tenant, status, place_of(cursor), limit + 1, now)
    shown = positions[:limit]
    found = ports.store.read_all(Link, [(position.id,) for position in shown])
    kept = [link for link in found if status is None or link.status(now) == status]
    return Listing(kept, cursor_at(shown[-1]) if len(positions) > limit else None)


def link_cursor(link: Link) -> str:
    """The cursor that leads behind a link of a list."""
    return cursor_at(Position(link.expires_at, link.id))


def linked(ports: Ports, sent: str | None) -> Linked:
    """Who comes with `<link_id>.<secret>.<visit>`. Opening a link changes nothing.

    Raises `Problem(unauthenticated)` for what is not a link's, `Problem(link_expired | link_revoked |
    link_used)` for a dead link, with where a new one is made.
    """
    token = read_token(sent)
    link = ports.store.read(Link, token.link_id) if token else None
    if token is None or link is None or not link.knows(token.secret):
        raise Problem("unauthenticated", "The link is not one of ours, or it ended long ago.")
    code = link.refusal(token.visit, ports.clock.now())
    if code is not None:
        raise refused(ports, link, code)
    signup = ports.store.read(Signup, link.signup_id)
    if signup is None:
        raise UnavailableError("the signup of a link is missing")
    return Linked(link, signup, token.visit)


def refused(ports: Ports, link: Link, code: str) -> Problem:
    """What somebody with a dead link is told."""
    page = ports.rules.links.refresh_url
    added = dict(zip(RENEWED, (link.id, link.reference), strict=True))
    return Problem(code, DETAILS[code], refresh_url=completed(page, added) if page else None)


def spender(ports: Ports, signup: Signup, visit: str | None) -> Callable[[], Link | None]:
    """Reads a signup's link and spends it, to be written with the token of the code that has spent it.

    Each call reads anew. It raises `Problem(link_revoked | link_used)` when `visit` has lost the link in the
    meantime. Who comes without a visit has the tenant's own token, and no link stands in their way.
    """

    def spent() -> Link | None:
        link = ports.store.read(Link, signup.link_id) if signup.link_id else None
        if link is None:
            return None
        now = ports.clock.now()
        code = None if visit is None else link.refusal(visit, now)
        # Its time may run out while Meta answers; the code came in time.
        if code is not None and code != LATE:
            raise refused(ports, link, code)
        before = link.used_at
        link.spend(visit, now)
        return link if link.used_at != before else None

    return spent


LATE: Final = "link_expired"


def return_urls(whole: Whole, link: Link, status: str) -> tuple[str | None, str | None]:
    """Where the customer goes back to after success, and after failure: complete with what is known now."""
    signup = whole.signup
    numbers = whole.numbers.values()
    client = signup.client.id or next((number.client_id for number in numbers if number.client_id), None)
    channels = [number.channel_id for number in numbers if number.channel_id and not number.cancelled_at]
    values = (client, f"[{','.join(channels)}]", signup.id, status, signup.reference)
    added = dict(zip(ADDED, values, strict=True))
    success, failure = (
        completed(url, added) if url else None for url in (link.success_url, link.failure_url)
    )
    return success, failure


def _require_returns(ports: Ports, wanted: WantedLink) -> None:
    """Raise `Problem(invalid_request)` for return addresses that are not allowed."""
    origins = ports.rules.links.return_origins
    errors = [
        {"field": name, "message": mistake}
        for name, url in (("success_url", wanted.success_url), ("failure_url", wanted.failure_url))
        if url is not None and (mistake := mistake_in(url, origins))
    ]
    if errors:
        names = ", ".join(error["field"] for error in errors)
        raise Problem("invalid_request", f"Not valid: {names}.", errors=errors)


def _asked(hub: str, wanted: WantedLink) -> list[object]:
    """What a call asked for, never the same as what a signup without a link was asked for with."""
    own = {
        "language": wanted.language,
        "success_url": wanted.success_url,
        "failure_url": wanted.failure_url,
        "days": wanted.days,
    }
    return ["link", own, asked_for(hub, wanted.signup)]


def _again(ports: Ports, key: Remembered) -> MadeLink:
    """The link that the key's first call made, with one more secret while it is open."""
    link_id = first_of(ports, key).link_id
    if link_id is None:  # pragma: no cover - the fingerprint tells the two kinds of calls apart
        raise UnavailableError("the link of an idempotency key is missing")
    secret = ports.clock.new_secret()

    def edit(stored: Link) -> Along:
        if stored.status(ports.clock.now()) is LinkStatus.OPEN:
            stored.add_secret(secret)
        return None

    link = change(ports, Link, (link_id,), edit)
    return MadeLink(link, f"{link.id}.{secret}" if link.knows(secret) else None)
