"""`links.*`: signup links of any tenant: made, listed, taken back."""

from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.errors import Problem
from onramp.domain.link import LONGEST, Link, LinkStatus
from onramp.domain.signup import Client
from onramp.inbound.desk import Answer, Asked, Command, Name, PageAsked
from onramp.inbound.models import Language, Line, LinkView, ReturnUrl
from onramp.ports import Ports
from onramp.usecases.links import WantedLink, links, make_link, revoke_link
from onramp.usecases.open_signup import Wanted, at_hub, require_messaging

type PlanTier = Annotated[str, Field(pattern=r"^(basic|regular|premium)$")]


class MakeAsked(Asked):
    """Whose link, for which customer; without `days` it lives as long as the stage's links do.

    The customer is named by 360dialog's client id, or by name, email and user name.
    """

    tenant: Line
    client_id: Name | None = None
    name: Line | None = None
    email: Name | None = None
    user_name: Line | None = None
    plan_tier: PlanTier | None = None
    reference: Line | None = None
    language: Language | None = None
    success_url: ReturnUrl | None = None
    failure_url: ReturnUrl | None = None
    days: Annotated[int, Field(ge=1, le=LONGEST.days)] | None = None
    hub: Name | None = None
    messaging: Name | None = None
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class ListAsked(PageAsked):
    """A page of a tenant's links, of one state."""

    tenant: Name
    status: LinkStatus | None = None


class RevokeAsked(Asked):
    """One link of a tenant."""

    tenant: Name
    link_id: Name


def shown(link: Link, desk: Ports) -> dict[str, Any]:
    """A link as its tenant sees it, and whose it is."""
    return {**LinkView.of(link, desk.clock.now()).model_dump(mode="json"), "tenant": link.tenant}


def make(desk: Ports, asked: MakeAsked) -> Answer:
    """`links.create`. `token` is what its address carries behind the `#`; it is told here alone.

    Null where `key` was used before and that link has ended.
    """
    at = at_hub(desk, asked.hub)
    require_messaging(at, asked.messaging, None)
    wanted = WantedLink(
        signup=Wanted(
            client=_customer(asked),
            plan_tier=asked.plan_tier or at.rules.plan_tier,
            reference=asked.reference,
            messaging=asked.messaging,
        ),
        language=asked.language,
        success_url=asked.success_url,
        failure_url=asked.failure_url,
        days=asked.days,
    )
    made = make_link(at, tenant=asked.tenant, wanted=wanted, idempotency_key=asked.key)
    return {"link": shown(made.link, desk), "token": made.token}


def _customer(asked: MakeAsked) -> Client:
    """Who the customer is. Raises `Problem(invalid_request)` unless they are named in one way."""
    person = (asked.name, asked.email, asked.user_name)
    if (asked.client_id is None) == (None in person) or (asked.client_id and any(person)):
        errors = [{"field": "client_id", "message": "or name, email and user_name must be given"}]
        raise Problem("invalid_request", "Say who the customer is, in one way.", errors=errors)
    return Client(id=asked.client_id, name=asked.name, email=asked.email, user_name=asked.user_name)


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`links.list`."""
    found = links(desk, asked.tenant, asked.status, asked.cursor, asked.limit)
    return {"items": [shown(link, desk) for link in found.items], "cursor": found.cursor}


def revoke(desk: Ports, asked: RevokeAsked) -> Answer:
    """`links.revoke`."""
    return {"link": shown(revoke_link(desk, asked.tenant, asked.link_id), desk)}


COMMANDS: Final = (
    Command("links.create", "Make a signup link for a tenant's customer", MakeAsked, make, changes=True),
    Command("links.list", "A tenant's signup links, the last to end first", ListAsked, listed),
    Command("links.revoke", "Take a signup link back", RevokeAsked, revoke, changes=True),
)
