"""`endpoints.*`: where notifications go, with which keys, and whether they arrive."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from onramp.domain.errors import Problem
from onramp.domain.notifications import TEST, Endpoint
from onramp.inbound.desk import Answer, Asked, Command, Name, Nothing
from onramp.inbound.desk.deliveries import shown as shown_delivery
from onramp.ports import EndpointRule, Ports
from onramp.usecases.notify import Happened, add_keys, delivery_of

LONGEST_OVERLAP: Final = 7 * 24
"""Hours that old keys may sign beside new ones."""


class EndpointAsked(Asked):
    """One endpoint, by its name in the configuration."""

    endpoint: Name


class RotateAsked(EndpointAsked):
    """New keys for an endpoint; the old ones sign beside them for so many hours."""

    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = 24


def rule_of(desk: Ports, name: str) -> EndpointRule:
    """What the configuration says of an endpoint. Raises `Problem(not_found)`."""
    rule = desk.rules.notifications.endpoints.get(name)
    if rule is None:
        raise Problem("not_found", "The configuration names no such endpoint.")
    return rule


def shown(endpoint: Endpoint, rule: EndpointRule) -> dict[str, Any]:
    """An endpoint as an operator sees it: no secret, and the public halves of its keys."""
    known = endpoint.model_dump(
        mode="json",
        include={"name", "failing_since", "failures", "rests_until", "disabled_at", "disabled_why"},
    )
    keys = [
        one.model_dump(mode="json", include={"id", "made_at", "ends_at", "public"}) for one in endpoint.keys
    ]
    return {
        **known,
        "url": rule.url,
        "events": list(rule.events),
        "status": endpoint.status,
        "keys": keys,
    }


def listed(desk: Ports, _: Nothing) -> Answer:
    """`endpoints.list`: all that the configuration names."""
    rules = desk.rules.notifications.endpoints
    known = {one.name: one for one in desk.store.read_all(Endpoint, [(name,) for name in rules])}
    items = [shown(known.get(name, Endpoint(name=name)), rule) for name, rule in rules.items()]
    return {"items": items, "cursor": None}


def test(desk: Ports, asked: EndpointAsked) -> Answer:
    """`endpoints.test`: a test event is on its way; `deliveries.show` tells the answer some seconds later."""
    rule_of(desk, asked.endpoint)
    now, fact_id = desk.clock.now(), desk.clock.new_id()
    detail = {"id": fact_id, "signup_id": None, "endpoint": asked.endpoint}
    happened = Happened(TEST, detail, fact_id, now, f"HUB#{desk.hub}")
    delivery = delivery_of(desk, happened, asked.endpoint)
    delivery.due_at = now
    desk.store.commit(delivery)
    desk.queue.wake_deliveries([delivery.identity])
    return {"delivery": shown_delivery(delivery)}


def rotate(desk: Ports, asked: RotateAsked) -> Answer:
    """`endpoints.rotate`: new keys. The only answer that ever shows an endpoint's secret."""
    rule = rule_of(desk, asked.endpoint)
    endpoint = desk.store.read(Endpoint, asked.endpoint) or Endpoint(name=asked.endpoint)
    keys = add_keys(desk, endpoint, timedelta(hours=asked.overlap_hours))
    desk.store.commit(endpoint)
    return {"endpoint": shown(endpoint, rule), "secret": keys.secret, "public": keys.public}


def enable(desk: Ports, asked: EndpointAsked) -> Answer:
    """`endpoints.enable`: begin anew with an endpoint that was disabled, or that rests."""
    rule = rule_of(desk, asked.endpoint)
    endpoint = desk.store.read(Endpoint, asked.endpoint) or Endpoint(name=asked.endpoint)
    endpoint.enable()
    desk.store.commit(endpoint)
    return {"endpoint": shown(endpoint, rule)}


COMMANDS: Final = (
    Command("endpoints.list", "Where notifications go, and whether they arrive", Nothing, listed),
    Command("endpoints.test", "Send a test event to an endpoint", EndpointAsked, test, changes=True),
    Command("endpoints.rotate", "Make new keys for an endpoint", RotateAsked, rotate, changes=True),
    Command("endpoints.enable", "Begin anew with an endpoint", EndpointAsked, enable, changes=True),
)
