"""The relay's queue and its targets: what each is sent, and what becomes of its refusals."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from standardwebhooks import Webhook

from onramp.adapters.aws_light import AwsError
from onramp.adapters.memory import ManualClock
from onramp.adapters.outlets import LONGEST_TYPE, SOURCE, AwsOutlets, SqsRelay, headers_in, queue_url
from onramp.domain.errors import UnavailableError
from onramp.domain.relaying import Target
from onramp.domain.signing import secret_of
from onramp.ports.outbound import Answer, Answered, Post, Unanswered
from onramp.ports.relaying import Handed, NotTaken, Taken

ENVELOPE = {"id": "evt-1", "event": "channel_live", "body": "as it came", "hub": "default"}
BUS = Target("own", "bus")
QUEUE = Target("archive", "arn:aws:sqs:eu-central-1:444455556666:partner-events")
HOOKS = Target("hooks", "https://hooks.example.com/in")
KEY, NEXT_KEY = secret_of(bytes(range(32))), secret_of(bytes(range(1, 33)))


class Aws:
    """A client of AWS's that keeps what it is asked, and answers or refuses."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {}
        self.trouble: AwsError | None = None

    def _do(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.trouble is not None:
            raise self.trouble
        return self.answer

    put_events = send_message = _do


class Network:
    """Endpoints that give one answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.posts: list[Post] = []

    def post_all(self, posts: Sequence[Post]) -> Sequence[Answer]:
        self.posts += posts
        return [self.answer for _ in posts]


class Bench:
    """The outlets with all that is around them."""

    def __init__(self) -> None:
        self.events, self.sqs = Aws(), Aws()
        self.network = Network(Answered(204, 3))
        self.secret: Mapping[str, str] | None = {"relay_key_hooks": KEY}
        self.clock = ManualClock()

    def hand(self, target: Target, envelope: Mapping[str, object] = ENVELOPE) -> Handed:
        outlets = AwsOutlets(
            events=lambda: self.events,  # type: ignore[arg-type,return-value]
            bus_name="onramp-prod",
            sqs=lambda: self.sqs,  # type: ignore[arg-type,return-value]
            outbound=lambda: self.network,
            secret=self._value,
            clock=self.clock,
        )
        return outlets.hand(target, envelope, "evt_1")

    def _value(self, name: str) -> str | None:
        if self.secret is None:
            raise UnavailableError("secret")
        return self.secret.get(name)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def refused(code: str = "Refused", status: int = 403) -> AwsError:
    return AwsError("refused", code=code, status=status)


def test_the_bus_gets_the_envelope_as_an_events_detail(bench: Bench) -> None:
    assert bench.hand(BUS) == Taken()
    ((entry,),) = [one["Entries"] for one in bench.events.asked]
    assert json.loads(entry.pop("Detail")) == ENVELOPE
    assert entry == {"EventBusName": "onramp-prod", "Source": SOURCE, "DetailType": "channel_live"}


def test_an_events_long_name_is_cut_for_the_bus_alone(bench: Bench) -> None:
    name = "n" * 300
    bench.hand(BUS, {**ENVELOPE, "event": name})
    ((entry,),) = [one["Entries"] for one in bench.events.asked]
    assert entry["DetailType"] == name[:LONGEST_TYPE]
    assert json.loads(entry["Detail"])["event"] == name


def test_what_the_bus_does_not_take_is_not_taken(bench: Bench) -> None:
    bench.events.answer = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    assert bench.hand(BUS) == NotTaken("ThrottlingException")


def test_a_queue_gets_the_envelope_as_a_message(bench: Bench) -> None:
    assert bench.hand(QUEUE) == Taken()
    (message,) = bench.sqs.asked
    assert json.loads(message["MessageBody"]) == ENVELOPE
    assert message["QueueUrl"] == "https://sqs.eu-central-1.amazonaws.com/444455556666/partner-events"
    assert message["MessageAttributes"]["event"]["StringValue"] == "channel_live"


def test_a_queue_in_china_has_its_address_there() -> None:
    arn = "arn:aws-cn:sqs:cn-north-1:444455556666:q"
    assert queue_url(arn) == "https://sqs.cn-north-1.amazonaws.com.cn/444455556666/q"


@pytest.mark.parametrize("target", [BUS, QUEUE], ids=lambda target: target.name)
def test_a_refusal_of_aws_is_an_answer(bench: Bench, target: Target) -> None:
    bench.events.trouble = bench.sqs.trouble = refused("AccessDenied")
    assert bench.hand(target) == NotTaken("AccessDenied", 403)


def test_a_post_is_signed_with_every_key_of_its_target(bench: Bench) -> None:
    bench.secret = {"relay_key_hooks": f"{KEY} {NEXT_KEY}", "relay_key_other": "whsec_b3RoZXI="}
    assert bench.hand(HOOKS) == Taken()
    (post,) = bench.network.posts
    assert post.url == HOOKS.to
    assert post.headers["webhook-id"] == "evt_1"
    at = bench.clock.now()
    assert post.headers["webhook-timestamp"] == str(int(at.timestamp()))
    theirs = [Webhook(key).sign("evt_1", at, post.body.decode()) for key in (KEY, NEXT_KEY)]
    assert post.headers["webhook-signature"].split() == theirs
    assert json.loads(post.body) == ENVELOPE


def test_a_post_brings_its_targets_own_headers_and_none_of_them_replaces_ours(bench: Bench) -> None:
    bench.secret = {
        "relay_key_hooks": KEY,
        "relay_headers_hooks": "Authorization: Bearer a:b\nno header\nwebhook-id: mine\n",
    }
    bench.hand(HOOKS)
    (post,) = bench.network.posts
    assert (post.headers["Authorization"], post.headers["webhook-id"]) == ("Bearer a:b", "evt_1")


def test_what_is_no_header_is_left_out() -> None:
    assert headers_in("A: 1\n\nB\n: 2\nÄ: 3\na b: 5\nD: ü\nE: \x01\r\nC:4") == {"A": "1", "C": "4"}


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ({}, "key_missing"),
        ({"relay_key_hooks": "whsec_not base64"}, "key_unusable"),
        ({"relay_key_hooks": "whsec_€"}, "key_unusable"),
        ({"relay_key_hooks": "whsec_"}, "key_unusable"),
        ({"relay_key_hooks": "whsec_c2hvcnQ="}, "key_unusable"),
        (None, "secret_unavailable"),
    ],
)
def test_without_a_key_that_can_sign_nothing_is_posted(
    bench: Bench, secret: Mapping[str, str] | None, code: str
) -> None:
    bench.secret = secret
    assert bench.hand(HOOKS) == NotTaken(code)
    assert bench.network.posts == []


@pytest.mark.parametrize(
    ("answer", "handed"),
    [
        (Answered(200, 1), Taken()),
        (Answered(299, 1), Taken()),
        (Answered(302, 1), NotTaken("refused", 302)),
        (Answered(429, 1, 30.0), NotTaken("refused", 429, 30.0)),
        (Answered(410, 1), NotTaken("refused", 410, final=True)),
        (Answered(413, 1), NotTaken("refused", 413, final=True)),
        (Unanswered("too_slow"), NotTaken("too_slow")),
        (Unanswered("address_not_allowed"), NotTaken("address_not_allowed")),
    ],
)
def test_what_an_endpoint_says(bench: Bench, answer: Answer, handed: Handed) -> None:
    bench.network.answer = answer
    assert bench.hand(HOOKS) == handed


def test_messages_go_to_the_relays_queue_and_its_dead_letters() -> None:
    sqs = Aws()
    relay = SqsRelay(sqs, queue="https://sqs.example/relay", dead="https://sqs.example/dead")  # type: ignore[arg-type]
    relay.send("one")
    relay.bury("two", "unreadable")
    first, second = sqs.asked
    assert (first["QueueUrl"], first["MessageBody"]) == ("https://sqs.example/relay", "one")
    assert (second["QueueUrl"], second["MessageBody"]) == ("https://sqs.example/dead", "two")
    assert second["MessageAttributes"]["reason"]["StringValue"] == "unreadable"


def test_a_queue_that_does_not_answer_is_unavailable() -> None:
    sqs = Aws()
    sqs.trouble = refused("ServiceUnavailable", 503)
    with pytest.raises(UnavailableError):
        SqsRelay(sqs, queue="https://sqs.example/relay").send("one")  # type: ignore[arg-type]
