"""From an event of the bus to the partner's endpoints, whatever these do."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.adapters.memory import ManualClock, MemoryQueue, MemoryStore, MemoryTelemetry, MemoryVault
from onramp.domain.errors import Conflict, UnavailableError, Unreadable
from onramp.domain.notifications import DISABLED_AFTER, Delivery, Endpoint
from onramp.domain.records import Stored
from onramp.domain.signup import Client, Signup
from onramp.ports import EndpointRule, NotificationRules, Ports, Rules
from onramp.ports.outbound import Answer, Answered, NewKeys, Post, Unanswered
from onramp.usecases.notify import Happened, Sending, add_keys, context_of, delivery_of
from onramp.usecases.sweep import sweep

OK = Answered(200, 12)
TIRED = Unanswered("too_slow", 15_000)


class Signer:
    """Signatures that tell which keys made them."""

    def __init__(self) -> None:
        self.made = 0

    def new_keys(self) -> NewKeys:
        self.made += 1
        return NewKeys(f"whsec_{self.made}", f"whsk_{self.made}", f"whpk_{self.made}")

    def sign(self, secret: str, private: str, message_id: str, at: datetime, body: bytes) -> Sequence[str]:
        return f"v1,{secret}/{message_id}", f"v1a,{private}"


class World:
    """Endpoints that answer by a script, and what they got; everything else in memory."""

    def __init__(self, **endpoints: Sequence[str]) -> None:
        self.clock = ManualClock(seed=1)
        self.store = MemoryStore(self.clock)
        self.queue = MemoryQueue()
        self.telemetry = MemoryTelemetry()
        self.vault = MemoryVault()
        self.signer = Signer()
        self.answers: dict[str, list[Answer]] = {}
        self.got: list[tuple[str, Post]] = []
        self.batches: list[int] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.store.commit(
            Signup.open(
                signup_id="s1",
                tenant="tenant",
                client=Client(name="A", email="a@example.com", user_name="a"),
                plan_tier="regular",
                reference=None,
                now=self.clock.now(),
            )
        )
        self.use(**(endpoints or {"crm": ["*"]}))

    def use(self, **endpoints: Sequence[str]) -> None:
        """The configuration names these."""
        rules = {
            name: EndpointRule(f"https://{name}.example.com/", events) for name, events in endpoints.items()
        }
        self.ports = Ports(
            store=self.store,
            clock=self.clock,
            telemetry=self.telemetry,
            queue=self.queue,
            vault=self.vault,
            outbound=self,
            signer=self.signer,
            rules=Rules(notifications=NotificationRules(endpoints=rules)),
        )

    def post_all(self, posts: Sequence[Post]) -> Sequence[Answer]:
        self.batches.append(len(posts))
        self.meanwhile()
        return [self._answer(post) for post in posts]

    def _answer(self, post: Post) -> Answer:
        name = post.url.removeprefix("https://").partition(".")[0]
        self.got.append((name, post))
        script = self.answers.get(name, [])
        return script.pop(0) if len(script) > 1 else script[0] if script else OK

    def happened(self, fact_id: str = "f1", event: str = "number.connected") -> Happened:
        detail = {"id": fact_id, "signup_id": "s1", "reference": "Café"}
        return Happened(event, detail, fact_id, self.clock.now(), "s1")

    def hear(self, *facts: str, event: str = "number.connected") -> None:
        """Events come from the bus, in one batch."""
        sending = Sending(self.ports, self.clock.new_id())
        for fact in facts or ("f1",):
            sending.tell(self.happened(fact, event))
        sending.send()

    def wake(self) -> None:
        """Wake-ups that wait in the queue come, as soon as they are due, and what the sweep finds."""
        names = {name for name, _ in self.queue.deliveries}
        self.queue.deliveries.clear()
        sending = Sending(self.ports, self.clock.new_id())
        for delivery in self.store.read_all(Delivery, sorted(names)):
            sending.take(delivery)
        sending.send()

    def delivery(self, endpoint: str = "crm", fact: str = "f1") -> Delivery:
        found = self.store.read(Delivery, "s1", fact, endpoint)
        assert found is not None
        return found

    def endpoint(self, name: str = "crm") -> Endpoint:
        found = self.store.read(Endpoint, name)
        assert found is not None
        return found

    def heard(self, name: str = "crm") -> list[str]:
        """The ids that an endpoint got, in order."""
        return [post.headers["webhook-id"] for who, post in self.got if who == name]


def test_an_event_is_posted_signed_with_type_time_and_data() -> None:
    world = World()
    world.hear()
    [(_, post)] = world.got
    assert post.url == "https://crm.example.com/"
    content = json.loads(post.body)
    assert list(content) == ["type", "timestamp", "data"]
    assert content["type"] == "number.connected"
    assert content["data"] == {"id": "f1", "signup_id": "s1", "reference": "Café"}
    assert post.headers["webhook-id"] == "msg_f1"
    assert post.headers["webhook-signature"] == "v1,whsec_1/msg_f1 v1a,whsk_1"
    assert world.delivery().state == "delivered"
    assert world.telemetry.counts["NotificationsDelivered"] == 1


def test_each_endpoint_hears_what_its_filters_let_through() -> None:
    world = World(crm=["number.*"], audit=["*"], none=["signup.*"])
    world.hear()
    assert {name for name, _ in world.got} == {"crm", "audit"}


def test_the_bus_may_tell_twice_and_the_endpoint_hears_once() -> None:
    world = World()
    world.hear()
    world.hear()
    assert world.heard() == ["msg_f1"]


def test_nobody_is_told_of_a_signup_that_was_erased_meanwhile() -> None:
    world = World()
    signup = world.store.read(Signup, "s1")
    assert signup is not None
    world.store.commit(gone=[signup])
    world.hear()
    assert world.got == []
    assert world.store.records(Delivery) == []


def test_a_wake_up_of_a_delivery_that_was_erased_meanwhile_sends_nothing() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5)]
    world.hear()
    world.store.commit(gone=[world.delivery()])
    world.clock.advance(timedelta(minutes=1))
    world.wake()
    assert len(world.got) == 1
    assert world.store.records(Delivery) == []


def test_what_is_told_of_a_hub_is_no_signups_and_goes_out() -> None:
    world = World()
    sending = Sending(world.ports, "run")
    happened = Happened("channels.unknown", {"id": "f1"}, "f1", world.clock.now(), "HUB#default")
    sending.tell(happened)
    sending.send()
    assert world.heard() == ["msg_f1"]


def test_an_erasure_while_the_post_is_under_way_leaves_no_delivery() -> None:
    world = World()

    def meanwhile() -> None:
        world.store.commit(gone=[world.delivery()])

    world.meanwhile = meanwhile
    world.hear()
    assert world.store.records(Delivery) == []


def test_two_runs_at_the_same_time_post_once() -> None:
    world = World()
    first, second = (Sending(world.ports, owner) for owner in ("one", "two"))
    one, two = (delivery_of(world.ports, world.happened(), "crm") for _ in range(2))
    first.take(one)
    second.take(two)
    three = delivery_of(world.ports, world.happened(), "crm")
    assert second.take(three) is None
    second.send()
    first.send()
    assert world.heard() == ["msg_f1"]


def test_keys_are_made_at_the_first_use_and_stored_encrypted_for_their_endpoint() -> None:
    world = World()
    world.hear()
    [keys] = world.endpoint().keys
    assert json.loads(world.vault.decrypt(keys.secrets, context_of("crm"))) == ["whsec_1", "whsk_1"]
    with pytest.raises(UnavailableError):
        world.vault.decrypt(keys.secrets, context_of("other"))
    assert "whsec" not in keys.model_dump_json().replace(keys.secrets, "")


def test_rotated_keys_both_sign_and_the_first_kind_stands_first() -> None:
    world = World()
    world.hear()
    endpoint = world.endpoint()
    add_keys(world.ports, endpoint)
    world.store.commit(endpoint)
    world.hear("f2")
    signatures = world.got[-1][1].headers["webhook-signature"].split(" ")
    assert signatures == ["v1,whsec_2/msg_f2", "v1,whsec_1/msg_f2", "v1a,whsk_2", "v1a,whsk_1"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
def test_every_other_answer_is_a_failed_try_and_comes_again_under_the_same_id(status: int) -> None:
    world = World()
    world.answers["crm"] = [Answered(status, 5), OK]
    world.hear()
    assert world.delivery().state == "pending"
    assert world.telemetry.counts["NotificationsRefused"] == 1
    [(_, seconds)] = world.queue.deliveries
    assert 4 < seconds < 8
    world.clock.advance(timedelta(seconds=seconds))
    world.wake()
    assert world.heard() == ["msg_f1", "msg_f1"]
    assert world.delivery().state == "delivered"
    assert world.endpoint().status == "working"


def test_an_endpoint_that_is_gone_is_disabled_and_nothing_more_is_sent_to_it() -> None:
    world = World()
    world.answers["crm"] = [Answered(410, 5)]
    world.hear("f1")
    assert (world.delivery().state, world.delivery().failure) == ("failed", "endpoint_gone")
    assert (world.endpoint().status, world.endpoint().disabled_why) == ("disabled", "gone")
    assert world.telemetry.counts["EndpointsDisabled"] == 1
    world.hear("f2")
    assert len(world.got) == 1
    assert world.delivery(fact="f2").failure == "endpoint_disabled"


def test_five_days_of_nothing_but_failures_disable_an_endpoint() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5)]
    world.hear("f1")
    world.clock.advance(DISABLED_AFTER)
    world.hear("f2")
    assert world.endpoint().disabled_why == "only_failures"
    assert world.telemetry.counts["EndpointsDisabled"] == 1


@pytest.mark.parametrize("answer", [Answered(429, 5), Answered(502, 5), Answered(504, 5), TIRED])
def test_an_endpoint_that_is_throttled_or_absent_rests_and_no_try_is_used_up(answer: Answer) -> None:
    world = World()
    world.answers["crm"] = [answer, OK]
    world.hear("f1")
    world.hear("f2")
    assert world.heard() == ["msg_f1"]
    waiting = world.delivery(fact="f2")
    assert (waiting.state, waiting.attempts, waiting.tries) == ("pending", 0, [])
    world.clock.advance(timedelta(seconds=10))
    world.wake()
    assert {world.delivery(fact=fact).state for fact in ("f1", "f2")} == {"delivered"}


def test_the_time_that_an_endpoint_asks_for_is_kept() -> None:
    world = World()
    world.answers["crm"] = [Answered(503, 5, retry_after=600.0), OK]
    world.hear("f1")
    assert world.delivery().due_at == world.clock.now() + timedelta(seconds=600)
    world.clock.advance(timedelta(seconds=599))
    world.hear("f2")
    assert world.heard() == ["msg_f1"]


def test_an_endpoint_that_is_dead_takes_part_in_few_batches_and_delays_no_other() -> None:
    world = World(dead=["*"], well=["*"])
    world.answers["dead"] = [TIRED]
    for index in range(50):
        world.hear(f"f{index:02d}")
    assert len(world.heard("well")) == 50
    assert len(world.heard("dead")) == 1
    for _ in range(60):
        world.clock.advance(timedelta(minutes=1))
        world.queue.deliveries += [((*one.identity,), 0) for one in world.store.records(Delivery)]
        world.wake()
    # An hour: a rest of five minutes at most lies between two tries, each of one batch.
    assert len([size for size in world.batches if size]) < 50 + 20
    assert all(one.state == "delivered" for one in world.store.records(Delivery) if one.endpoint == "well")


def test_a_delivery_to_an_endpoint_that_the_configuration_names_no_more_is_ended() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5)]
    world.hear()
    world.use(other=["*"])
    world.clock.advance(timedelta(seconds=10))
    world.wake()
    assert world.delivery().failure == "endpoint_removed"
    assert len(world.got) == 1


def test_after_ten_tries_a_delivery_is_given_up_and_counted() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5)]
    world.hear()
    while world.delivery().due_at is not None:
        world.clock.set(world.delivery().due_at or world.clock.now())
        world.queue.deliveries = [(world.delivery().identity, 0)]
        world.wake()
    assert len(world.got) == 10
    assert world.delivery().failure == "tried_out"
    assert world.telemetry.counts["NotificationsGivenUp"] == 1


def test_what_waits_longer_than_a_queue_can_is_woken_by_the_sweep() -> None:
    world = World()
    world.answers["crm"] = [Answered(503, 5, retry_after=7_200.0), OK]
    world.hear()
    assert world.queue.deliveries == []
    sweep(world.ports)
    assert world.queue.deliveries == []
    world.clock.advance(timedelta(hours=2))
    sweep(world.ports)
    assert [name for name, _ in world.queue.deliveries] == [("s1", "f1", "crm")]
    sweep(world.ports)
    assert len(world.queue.deliveries) == 1
    world.wake()
    assert world.delivery().state == "delivered"


def test_a_wake_up_that_is_lost_is_the_sweeps() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5), OK]
    world.queue.broken = True
    world.hear()
    world.queue.broken = False
    world.clock.advance(timedelta(minutes=1))
    sweep(world.ports)
    world.wake()
    assert world.delivery().state == "delivered"


def test_a_run_that_dies_while_it_posts_is_taken_up_after_its_lease_under_the_same_id() -> None:
    world = World()

    def die() -> None:
        world.meanwhile = lambda: None
        raise KeyboardInterrupt

    world.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        world.hear()
    world.clock.advance(timedelta(seconds=89))
    sweep(world.ports)
    assert world.queue.deliveries == []
    world.clock.advance(timedelta(seconds=2))
    sweep(world.ports)
    world.wake()
    assert world.delivery().state == "delivered"


def test_a_table_that_breaks_after_the_post_costs_its_neighbours_nothing() -> None:
    world = World()
    commit = world.store.commit

    def flaky(*records: Stored, **more: Any) -> None:
        if any(
            isinstance(record, Delivery) and record.fact_id == "f1" and record.tries for record in records
        ):
            raise UnavailableError("the table does not answer")
        commit(*records, **more)

    world.store.commit = flaky  # type: ignore[method-assign]
    world.hear("f1", "f2")
    assert world.delivery(fact="f2").state == "delivered"
    assert world.telemetry.counts["RecordsCrashed"] == 1
    world.store.commit = commit  # type: ignore[method-assign]
    world.clock.advance(timedelta(seconds=91))
    sweep(world.ports)
    world.wake()
    # Twice, for nobody knows of the first: the same id tells the endpoint.
    assert world.heard() == ["msg_f1", "msg_f2", "msg_f1"]


def test_keys_that_do_not_answer_hold_up_nothing_but_their_own() -> None:
    world = World()
    world.hear("f0")
    world.vault.broken = True
    world.hear("f1")
    assert world.heard() == ["msg_f0"]
    assert world.delivery().state == "pending"
    world.vault.broken = False
    world.clock.advance(timedelta(seconds=91))
    sweep(world.ports)
    world.wake()
    assert world.heard() == ["msg_f0", "msg_f1"]


def test_a_rotation_mends_keys_that_nobody_can_open_any_more() -> None:
    # As after a table was copied to another account: what was encrypted there opens nowhere else.
    world = World()
    world.hear("f1")
    endpoint = world.endpoint()
    endpoint.keys[0].secrets = world.vault.encrypt("[]", {"purpose": "of another account"})
    world.store.commit(endpoint)
    world.hear("f2")
    assert world.heard() == ["msg_f1"]
    add_keys(world.ports, endpoint := world.endpoint())
    world.store.commit(endpoint)
    world.clock.advance(timedelta(minutes=10))
    sweep(world.ports)
    world.wake()
    [_, (_, post)] = world.got
    assert post.headers["webhook-signature"] == "v1,whsec_2/msg_f2 v1a,whsk_2"
    assert ("warn", "a key does not open") in {line[:2] for line in world.telemetry.lines}


def test_a_record_that_cannot_be_read_keeps_nothing_from_the_other_endpoints() -> None:
    world = World(first=["*"], second=["*"], third=["*"])
    world.hear("f0")
    world.store.spoil(world.endpoint("second"))
    world.store.commit(gone=[world.delivery("third", "f0")])
    world.store.spoil(world.delivery("first", "f0"))
    sending = Sending(world.ports, "run")
    for fact in ("f0", "f1"):
        with pytest.raises(Unreadable):
            sending.tell(world.happened(fact))
    sending.send()
    assert world.heard("first") == ["msg_f0", "msg_f1"]
    assert world.heard("third") == ["msg_f0", "msg_f0", "msg_f1"]


def test_two_runs_that_learn_of_an_endpoint_at_once_both_write_it_down() -> None:
    world = World()
    world.hear("f0")
    world.answers["crm"] = [Answered(429, 5, retry_after=60.0)]

    def meanwhile() -> None:
        world.meanwhile = lambda: None
        other = world.endpoint()
        other.failed(world.clock.now(), 300.0)
        world.store.commit(other)

    world.meanwhile = meanwhile
    world.hear("f1")
    assert world.endpoint().failures == 2
    assert world.endpoint().resting(world.clock.now()) == world.clock.now() + timedelta(seconds=60)


def test_an_endpoint_that_works_is_written_once_and_never_again() -> None:
    world = World()
    for index in range(5):
        world.hear(f"f{index}")
    assert world.endpoint().version == 1


def test_a_conflict_on_a_new_endpoint_takes_the_keys_that_are_stored() -> None:
    world = World()
    commit = world.store.commit

    def late(*records: Stored, **more: Any) -> None:
        if isinstance(records[0], Endpoint):
            world.store.commit = commit  # type: ignore[method-assign]
            other = Endpoint(name="crm")
            add_keys(world.ports, other)
            commit(other)
            raise Conflict
        commit(*records, **more)

    world.store.commit = late  # type: ignore[method-assign]
    world.hear()
    assert world.got[0][1].headers["webhook-signature"].startswith("v1,whsec_2/")


def test_no_line_and_no_repr_holds_a_secret() -> None:
    world = World()
    world.answers["crm"] = [Answered(500, 5, text="whsec_1 +49 151 1234567"), TIRED, Answered(410, 1)]
    for index in range(3):
        world.hear(f"f{index}")
        world.clock.advance(timedelta(minutes=10))
    told = repr(world.telemetry.lines)
    assert "whsec" not in told
    assert "Café" not in told
    assert "+49" not in told
