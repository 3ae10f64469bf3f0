"""`signups.*`: also those that never came further than the popup."""

from datetime import timedelta
from typing import Any, Final

from onramp.domain.errors import Problem
from onramp.domain.records import Fact
from onramp.domain.states import SignupStatus
from onramp.inbound.desk import Answer, Command, Name, SignupAsked, SpanAsked
from onramp.inbound.models import SignupSummary
from onramp.ports import Ports
from onramp.usecases import operating, read
from onramp.usecases.operating import Sought
from onramp.usecases.read import TIMELINE, Whole
from onramp.usecases.wishes import retry_signup


class ListAsked(SpanAsked):
    """A page of signups: of one tenant, in one state; all of a span, where nothing else is said."""

    KEPT = timedelta(days=90)

    tenant: Name | None = None
    status: SignupStatus | None = None


class FindAsked(SpanAsked):
    """A page of those with an email, a reference or a number, looked for in a span."""

    KEPT = timedelta(days=90)

    tenant: Name | None = None
    email: Name | None = None
    reference: Name | None = None
    digits: Name | None = None


def shown(whole: Whole, desk: Ports) -> dict[str, Any]:
    """A signup as an operator sees it: as its tenant does, and whose it is."""
    signup = whole.signup
    view = SignupSummary.of(whole, desk.clock.now()).model_dump(mode="json")
    own = {"tenant": signup.tenant, "hub": signup.hub, "link_id": signup.link_id}
    return {**view, **own, "outcomes": signup.outcomes}


def fact_shown(fact: Fact) -> dict[str, Any]:
    """A fact as it was written down."""
    told = fact.model_dump(mode="json", include={"id", "type", "at", "phone_number_id", "channel_id"})
    return told | {"detail": {name: value for name, value in fact.detail.items() if value is not None}}


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`signups.list`."""
    if asked.tenant is not None and not asked.is_spanned:
        found = read.signups(desk, asked.tenant, asked.status, asked.cursor, asked.limit)
    else:
        sought = Sought(tenant=asked.tenant, status=asked.status)
        found = operating.signups_by_time(desk, sought, asked.span(desk), asked.limit)
    return {"items": [shown(whole, desk) for whole in found.items], "cursor": found.cursor}


def find(desk: Ports, asked: FindAsked) -> Answer:
    """`signups.find`."""
    if asked.digits is not None:
        own = operating.signups_of_digits(desk, asked.digits)
        return {"items": [shown(one, desk) for one in own], "cursor": None}
    if asked.email is None and asked.reference is None:
        errors = [{"field": "email", "message": "or reference, or digits, is required"}]
        raise Problem("invalid_request", "Say what to look for.", errors=errors)
    sought = Sought(tenant=asked.tenant, email=asked.email, reference=asked.reference)
    found = operating.signups_by_time(desk, sought, asked.span(desk), asked.limit)
    return {"items": [shown(whole, desk) for whole in found.items], "cursor": found.cursor}


def show(desk: Ports, asked: SignupAsked) -> Answer:
    """`signups.show`."""
    whole = read.whole(desk, operating.signup_of(desk, asked.signup_id), timeline=False)
    facts = [fact_shown(fact) for fact in desk.store.facts_of(asked.signup_id, TIMELINE)]
    return {
        "signup": shown(whole, desk),
        "timeline": facts,
        "come_back_in": read.come_back_to(whole, desk.clock.now()),
    }


def retry(desk: Ports, asked: SignupAsked) -> Answer:
    """`signups.retry`."""
    signup = retry_signup(desk, operating.signup_of(desk, asked.signup_id))
    return {"signup": shown(read.whole(desk, signup, timeline=False), desk)}


COMMANDS: Final = (
    Command("signups.list", "Signups, the last to be opened first", ListAsked, listed),
    Command("signups.find", "Signups by email, reference or digits", FindAsked, find),
    Command("signups.show", "One signup with all that happened", SignupAsked, show),
    Command("signups.retry", "Run a signup's failed numbers again", SignupAsked, retry, changes=True),
)
