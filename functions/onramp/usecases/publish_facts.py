"""From facts to the world: the only use case that has the bus."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from onramp.domain.errors import UnavailableError
from onramp.domain.records import Fact
from onramp.ports import Ports

PAGE: Final = 200
"""Facts that are read at a time when they are published again."""


def publish_facts(ports: Ports, facts: Sequence[Fact]) -> Sequence[str]:
    """Put facts on the bus, in their order, at least once. Gives the ids that were not taken."""
    told = [fact for fact in facts if fact.bus]
    if not told:
        return ()
    refused = ports.bus.publish(told)
    ports.telemetry.count("FactsPublished", len(told) - len(refused))
    if refused:
        ports.telemetry.count("FactsRefused", len(refused))
    return refused


def republish(
    ports: Ports, since: datetime, until: datetime, cursor: str | None, enough: Callable[[], bool]
) -> tuple[int, str | None]:
    """Publish the facts of a span of time again, from the table. Gives how many, and where to go on.

    Raises `UnavailableError` when the bus did not take some of the first page: the same cursor may be tried
    again. What it does not take later is where to go on.
    """
    published, began_at = 0, cursor
    while True:
        facts, following = ports.store.facts_since(since, until, cursor, PAGE)
        refused = publish_facts(ports, sorted(facts, key=lambda fact: fact.id))
        if refused and cursor == began_at:
            raise UnavailableError("bus")
        if refused:
            return published, cursor
        published += sum(fact.bus for fact in facts)
        cursor = following
        if cursor is None or enough():
            return published, cursor
