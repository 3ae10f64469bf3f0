"""What comes of events and notifications under each fault of those who are told: rows of the fault matrix."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpcore

from harness.world import Options
from onramp.adapters.aws_light import AwsError
from onramp.domain.notifications import Delivery, DeliveryState, Endpoint
from onramp.domain.states import Status
from onramp.inbound.desk.deliveries import ResendAsked, resend
from onramp.inbound.desk.endpoints import EndpointAsked, enable
from tests.faults.outward import ENDPOINTS, LARGE, PARTLY, TARGETS, Behaviour, Outward, answer

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
DOWN: Final = 2 * HOUR


@dataclass(frozen=True)
class Telling:
    """One fault of somebody who is told, `to`; None: of ours.

    `lasts`: how long all is watched; `others`: what the others may wait for something, in seconds.
    """

    group: str
    name: str
    to: str | None
    prepare: Callable[[Outward], None]
    lasts: float = HOUR
    others: float = 1


@dataclass(frozen=True)
class Told:
    """What came of a row: what the one with the fault has, what all others have, how the signup went."""

    row: Telling
    came: str
    most: int
    within: float
    kept: str
    others: float
    number: str
    calls: int
    took: int

    @property
    def ends_well(self) -> bool:
        """Whether signup and neighbours have noticed nothing; what is lost has raised an error before."""
        return (self.number, self.calls, self.took) == ("connected", 5, 4) and self.others <= self.row.others


def _https(behaviours: Mapping[str, Behaviour], to: str, group: str) -> list[Telling]:
    return [Telling(group, name, to, _plan(to, behaviour)) for name, behaviour in behaviours.items()]


def _plan(to: str, behaviour: Behaviour, times: int = 1) -> Callable[[Outward], None]:
    def prepare(world: Outward) -> None:
        world.theirs.plans[to] = [behaviour] * times

    return prepare


def _for(to: str, behaviour: Behaviour, seconds: float | None) -> Callable[[Outward], None]:
    """It is so for a time; None: for ever."""

    def prepare(world: Outward) -> None:
        world.theirs.always[to] = behaviour
        if seconds is not None:
            world.later(seconds, world.theirs.always.clear)

    return prepare


def _refused(*said: object, takes: bool = False) -> Behaviour:
    status, *headers = said
    return Behaviour(takes=takes, says=answer(int(str(status)), *map(str, headers)))


SILENT: Final = httpcore.ReadTimeout("silent")
ABSENT: Final = Behaviour(takes=False, says=httpcore.ConnectError("refused"), at="connect")
HTTPS: Final = {
    "no connection": ABSENT,
    "name leads nowhere": Behaviour(takes=False, says=OSError("unknown"), at="resolve"),
    "name leads to a private address": Behaviour(takes=False, says=b"10.0.0.1", at="resolve"),
    "no answer, not taken": Behaviour(takes=False, says=SILENT),
    "no answer, taken": Behaviour(takes=True, says=SILENT),
    "answer cut, taken": Behaviour(takes=True, says=b"HTTP/1.1 20"),
    "no HTTP, taken": Behaviour(takes=True, says=b"220 mail.example.com ESMTP\r\n"),
    "500, not taken": _refused(500),
    "500, taken": _refused(500, takes=True),
    "503 with Retry-After": _refused(503, "retry-after: 60"),
    "429": _refused(429),
    "429 with Retry-After": _refused(429, "retry-after: 7"),
    "redirect": _refused(307, "location: https://audit.example.com/"),
    "200, unreadable body": Behaviour(takes=True, says=answer(200, body="\x00\xff{")),
}
LOST: Final = AwsError("timeout", code="timeout")
AWS: Final = {
    "throttled": Behaviour(takes=False, says=AwsError("no", code="ThrottlingException", status=400)),
    "not allowed": Behaviour(takes=False, says=AwsError("no", code="AccessDenied", status=403)),
    "answer lost, taken": Behaviour(takes=True, says=LOST),
    "no answer, not taken": Behaviour(takes=False, says=LOST),
}


def _lose_key(world: Outward) -> None:
    keys = dict(world.keys)
    world.keys.clear()
    world.later(600, lambda: world.keys.update(keys))


def _break(name: str, seconds: float = 120) -> Callable[[Outward], None]:
    """One of our services does not answer for a while, from when the number is submitted."""

    def prepare(world: Outward) -> None:
        service = getattr(world, name)
        service.broken = True
        world.later(seconds, lambda: setattr(service, "broken", False))

    return prepare


def _lose_wake_ups(world: Outward) -> None:
    world.queue.loses_deliveries = True
    _plan("crm", _refused(500), 3)(world)


def _spoil_delivery(world: Outward) -> None:
    """The record of one endpoint's first delivery cannot be read when the bus tells of the fact again."""

    def spoil() -> None:
        fact = world.bus.published[0]
        for delivery in world.store.records(Delivery):
            if (delivery.endpoint, delivery.fact_id) == ("crm", fact.id):
                world.store.spoil(delivery)
                world.spoiled.add(("crm", fact.id))
            elif delivery.fact_id == fact.id:
                # As when the function had died before it came to this one.
                world.store.commit(gone=[delivery])
        world.theirs.came = [one for one in world.theirs.came if (one.to, one.id) != ("audit", fact.id)]
        world.telling.tell(fact)

    world.later(60, spoil)


def _spoil_endpoint(world: Outward) -> None:
    """What is known of one endpoint cannot be read."""
    world.store.commit(Endpoint(name="crm"))
    [endpoint] = world.store.records(Endpoint)
    world.store.spoil(endpoint)
    world.later(600, lambda: world.store.commit(gone=[endpoint]))


def _gone(world: Outward) -> None:
    """An endpoint wants no more; after an hour an operator enables it, and has all sent again."""
    world.theirs.plans["crm"] = [_refused(410)]

    def mend() -> None:
        enable(world.ports, EndpointAsked(endpoint="crm"))
        since = world.clock.now() - timedelta(hours=1)
        resend(world.ports, ResendAsked(endpoint="crm", since=since))

    world.later(600, mend)


ROWS: Final[Sequence[Telling]] = [
    *_https(HTTPS, "hooks", "relay, https"),
    Telling("relay, https", "410", "hooks", _plan("hooks", _refused(410))),
    Telling("relay, https", "413", "hooks", _plan("hooks", _refused(413))),
    Telling("relay, https", "no key for ten minutes", "hooks", _lose_key),
    Telling("relay, https", "down for two hours", "hooks", _for("hooks", ABSENT, DOWN), 9 * HOUR),
    Telling("relay, https", "500 for ever", "hooks", _for("hooks", _refused(500), None), 4 * DAY),
    Telling("relay, https", "no answer for ever", "hooks", _for("hooks", ABSENT, None), 4 * DAY),
    *_https(AWS, "queue", "relay, queue"),
    Telling("relay, queue", "gone for ever", "queue", _for("queue", AWS["not allowed"], None), 4 * DAY),
    *_https(AWS, "bus", "relay, bus"),
    Telling("relay, bus", "an entry refused", "bus", _plan("bus", Behaviour(takes=False, says=PARTLY))),
    Telling("relay, ours", "its queue down for two minutes", None, _break("relay")),
    Telling("relay, ours", "bucket down for two minutes", None, _break("bodies")),
    *_https(HTTPS, "crm", "endpoint"),
    Telling("endpoint", "410, enabled ten minutes later", "crm", _gone),
    Telling("endpoint", "down for two hours", "crm", _for("crm", ABSENT, DOWN), 9 * HOUR),
    Telling("endpoint", "500 for ever", "crm", _for("crm", _refused(500), None), 4 * DAY),
    Telling("endpoint", "no answer for ever", "crm", _for("crm", ABSENT, None), 6 * DAY),
    Telling("endpoint", "its record unreadable for ten minutes", "crm", _spoil_endpoint),
    # The bus tells of it after a minute.
    Telling("endpoint", "a delivery's record unreadable", "crm", _spoil_delivery, others=60),
    Telling("notifications, ours", "wake-ups lost", "crm", _lose_wake_ups),
    Telling("notifications, ours", "keys down for two minutes", None, _break("endpoint_keys")),
]


def run(row: Telling) -> Told:
    """One signup from the popup to the end, and a large event, beside the fault."""
    with Outward(Options(sweep_seconds=60 if row.lasts < DAY else 600)) as world:
        row.prepare(world)
        began = world.clock.now()
        signup = world.submitted(world.customer())
        world.dialog_tells("large", "history", LARGE)
        world.run(until=world.settled(signup.id))
        took = (world.clock.now() - began).total_seconds()
        world.run(seconds=row.lasts)
        world.assert_nothing_lost()
        (number,) = world.numbers(signup.id)
        assert number.status == Status.CONNECTED
        everybody = [target.name for target in TARGETS] + list(ENDPOINTS)
        mine = [row.to] if row.to else everybody
        all_of = {to: world.told() if to in ENDPOINTS else world.events for to in everybody}
        for to in set(everybody) - set(mine):
            assert world.times(to).keys() == all_of[to].keys(), (to, world.times(to))
            assert max(world.times(to).values()) == 1, (to, world.times(to))
        return Told(
            row=row,
            came=f"{sum(len(world.times(to)) for to in mine)} of {sum(len(all_of[to]) for to in mine)}",
            most=max((max(world.times(to).values(), default=0) for to in mine), default=0),
            within=max(world.within(to) for to in mine),
            kept=_kept(world, mine),
            others=max((world.within(to) for to in everybody if to not in mine), default=0),
            number=str(number.status),
            calls=world.dialog_state()["budget"]["requests"],
            took=round(took),
        )


def _kept(world: Outward, mine: Sequence[str]) -> str:
    """What has become of the rest."""
    dead = sum(len(world.dead(to)) for to in mine)
    failed = [
        one.failure
        for one in world.store.records(Delivery)
        if one.endpoint in mine and one.state == DeliveryState.FAILED
    ]
    told = [f"{dead} dead letter" + "s" * (dead > 1)] if dead else []
    told += [f"{failed.count(why)} {why}" for why in sorted(map(str, set(failed)))]
    return ", ".join(told) or "none"


def render(results: Sequence[Told], span: Callable[[float], str]) -> list[str]:
    """The second part of the document."""
    lines = [
        "",
        "## Those who are told",
        "",
        "The same signup, told to a bus, a queue and an https target by the relay, and to two endpoints",
        "by notifications, with one fault of one of them or of ours. One of 360dialog's events is so",
        "large that it goes by reference. *Came*: what has come to the one with the fault, at least",
        "once, and under the same id each time; *most*: how often one thing came; *within*: how long",
        "the slowest took until it came for the first time; *rest*: what has become of what did not",
        "come. All others had everything once, after at most *others*; and in each row the signup was",
        "connected with 5 calls after 4 s. A fault of ours is everybody's.",
        "",
        "| whose | fault | came | most | within | rest | others |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.row.group} | {one.row.name} | {one.came} | {one.most} | {span(one.within)} | {one.kept} |"
        f" {span(one.others)} |"
        for one in results
    ]
    return lines
