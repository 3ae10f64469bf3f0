"""What the contract suite cannot see: how items look in the table, and what DynamoDB's errors become."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from onramp.adapters.dynamo import DynamoBudget, DynamoStore
from onramp.adapters.dynamo_budget import TRIES as BUDGET_TRIES
from onramp.adapters.dynamo_table import LONGEST_PART, part, unpart
from onramp.domain.budget import BudgetRule
from onramp.domain.errors import BudgetUnavailable, LeaseLost, PutOff
from onramp.domain.partner_events import Channel
from onramp.ports import ClientRecord, Conflict, EventClaim, NumberTaken, UnavailableError
from tests.contract.examples import CHANNEL, event, pointer, signup
from tests.fakes import START, ManualClock
from tests.table import make_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "records"
RULE = BudgetRule(calls=5, window=timedelta(seconds=30))
CLAIM = EventClaim("e1", "run1", attempts=1)


@pytest.fixture
def client() -> "Iterator[DynamoDBClient]":
    made = boto3.client(
        "dynamodb", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with contextlib.closing(made):
        yield made


# --- keys

texts = st.one_of(st.text(), st.text(alphabet="#%~a", max_size=8), st.text(min_size=300, max_size=1000))


@given(texts)
def test_a_part_of_a_key_can_be_read_back(text: str) -> None:
    key = part(text)
    assert "#" not in key
    assert len(key.encode()) <= LONGEST_PART
    if key.startswith("~"):
        with pytest.raises(ValueError, match="hashed"):
            unpart(key)
    else:
        assert unpart(key) == text


@given(st.tuples(texts, texts), st.tuples(texts, texts))
def test_no_two_names_make_one_key(first: tuple[str, str], second: tuple[str, str]) -> None:
    keys = {f"{part(one)}#{part(two)}" for one, two in (first, second)}
    assert len(keys) == len({first, second})


def test_an_ordinary_name_stays_readable() -> None:
    assert part("jane.doe+x@example.com") == "jane.doe+x@example.com"


# --- items


def items(client: "DynamoDBClient") -> dict[tuple[str, str], dict[str, Any]]:
    """Every item by its keys, values without their types."""
    found = client.scan(TableName=TABLE)["Items"]
    plain: list[dict[str, Any]] = [
        {name: next(iter(value.values())) for name, value in item.items()} for item in found
    ]
    return {(item.pop("pk"), item.pop("sk")): item for item in plain}


def test_items_look_as_the_documentation_says(client: "DynamoDBClient") -> None:
    with mock_aws():
        make_table(client, TABLE)
        store = DynamoStore(client, TABLE, ManualClock())
        made = store.create_signup(signup(), ("key", "print"))
        made.numbers[0].due_at = START
        store.save(made, claims=[pointer(made)], channel=("c1", pointer(made)))
        store.save_client(ClientRecord("acme", "jane@example.com", client_id="abcCL"))
        claim = store.claim_event(event(), "run1", START)
        assert claim is not None
        store.park_event(claim, event(), Channel(id="c1"), "WABA#w2", now=START, due_at=None)
        claim = store.claim_event(event(), "run2", START)
        assert claim is not None
        store.release_event(claim, counted=False)
        DynamoBudget(client, TABLE, ManualClock(), partner_id="pA", rule=RULE).take("job", START)
        found = items(client)
    number = {
        "signup_id": "s1",
        "phone_number_id": "p-s1",
        "tenant": "acme",
        "waba_id": "w1",
        "digits": "4915123456789",
    }
    data = found["SIGNUP#s1", "SIGNUP"].pop("data")
    assert '"version"' not in data
    assert found.pop(("SIGNUP#s1", "SIGNUP")) == {
        "version": "1",
        "tenant_key": "TENANT#acme",
        "created_key": "2031-05-06T07:08:09.123Z#s1",
        "status": "authorized",
        "due_shard": "DUE",
        "due_at": "2031-05-06T07:08:09.123Z",
    }
    assert found.pop(("PHONE#p-s1", "CLAIM")) == number
    assert found.pop(("DIGITS#4915123456789", "POINTER")) == number
    assert found.pop(("CHANNEL#c1", "POINTER")) == number
    assert found.pop(("IDEMPOTENCY#acme#key", "KEY")) == {
        "signup_id": "s1",
        "fingerprint": "print",
        "expires_at_epoch": str(int(START.timestamp()) + 24 * 3600),
    }
    assert found.pop(("CLIENT#acme#jane@example.com", "CLIENT")) == {"version": "1", "client_id": "abcCL"}
    assert found.pop(("CLIENTID#abcCL", "OWNER")) == {"tenant": "acme"}
    in_thirty_days = str(int(START.timestamp()) + 30 * 24 * 3600)
    assert found.pop(("EVENT#e1", "EVENT")) == {
        "name": "channel_created",
        "state": "parked",
        "owner": "run2",
        "attempts": "0",
        "lease_until": "2031-05-06T07:09:39.123456+00:00",
        "received_at": "2031-05-06T07:08:09.123Z",
        "raw": event().raw,
        "place": "WABA%23w2",
        "parked_at": "2031-05-06T07:08:09.123456+00:00",
        "expires_at_epoch": in_thirty_days,
    }
    assert found.pop(("PARKED#WABA%23w2", "e1")) == {
        "name": "channel_created",
        "due_shard": "DUE",
        "due_at": "2031-05-06T07:09:09.123Z",
        "expires_at_epoch": in_thirty_days,
    }
    assert set(found.pop(("BUDGET#pA", "BUDGET"))) == {"version", "data"}
    assert not found


def test_a_place_that_cannot_be_read_back_is_refused(client: "DynamoDBClient") -> None:
    with mock_aws():
        make_table(client, TABLE)
        store = DynamoStore(client, TABLE, ManualClock())
        claim = store.claim_event(event(), "run1", START)
        assert claim is not None
        with pytest.raises(ValueError, match="hashed"):
            store.park_event(claim, event(), CHANNEL, "WABA#" + "9" * 1000, now=START, due_at=None)


def test_an_idempotency_key_whose_signup_is_gone_says_so(client: "DynamoDBClient") -> None:
    with mock_aws():
        make_table(client, TABLE)
        store = DynamoStore(client, TABLE, ManualClock())
        store.create_signup(signup(), ("key", "print"))
        client.delete_item(TableName=TABLE, Key={"pk": {"S": "SIGNUP#s1"}, "sk": {"S": "SIGNUP"}})
        with pytest.raises(UnavailableError):
            store.create_signup(signup("s2"), ("key", "print"))


# --- errors


class Answers:
    """DynamoDB as it answers in the order told, one call after the other."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._stub = Stubber(client)
        self.clock = ManualClock()
        self.store = DynamoStore(client, TABLE, self.clock)
        self.budget = DynamoBudget(client, TABLE, self.clock, partner_id="pA", rule=RULE)

    def gives(self, operation: str, **answer: object) -> None:
        """The next call is this one and gets an answer."""
        self._stub.add_response(operation, answer)

    def fails(self, operation: str, code: str, reasons: list[str] | None = None) -> None:
        """The next call is this one and fails."""
        extra = {"CancellationReasons": [{"Code": reason} for reason in reasons]} if reasons else {}
        self._stub.add_client_error(operation, code, modeled_fields=extra)

    def __enter__(self) -> Self:
        self._stub.activate()
        return self

    def __exit__(self, *_: object) -> None:
        self._stub.deactivate()

    def all_used(self) -> None:
        """Every expected call was made."""
        self._stub.assert_no_pending_responses()


@pytest.fixture
def dynamodb(client: "DynamoDBClient") -> Iterator[Answers]:
    with Answers(client) as answers:
        yield answers
        answers.all_used()


def cancelled(answers: Answers, *reasons: str) -> None:
    answers.fails("transact_write_items", "TransactionCanceledException", list(reasons))


def test_a_save_alone_is_one_plain_write(dynamodb: Answers) -> None:
    dynamodb.gives("put_item")
    assert dynamodb.store.save(signup()).version == 1


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("ConditionalCheckFailedException", Conflict),
        ("TransactionConflictException", Conflict),
        ("ProvisionedThroughputExceededException", UnavailableError),
        ("ThrottlingException", UnavailableError),
        ("InternalServerError", UnavailableError),
        ("AccessDeniedException", UnavailableError),
        ("ValidationException", UnavailableError),
    ],
)
def test_what_a_failed_write_means(dynamodb: Answers, code: str, meaning: type[Exception]) -> None:
    dynamodb.fails("put_item", code)
    with pytest.raises(meaning):
        dynamodb.store.save(signup())


BAD = "ConditionalCheckFailed"
BUSY = "TransactionConflict"
OK = "None"


@pytest.mark.parametrize(
    ("reasons", "meaning"),
    # the signup, the claims of p1 and p2, the event, the digits
    [
        ([BAD, OK, OK, OK, OK], Conflict),
        ([BAD, BAD, OK, BAD, OK], Conflict),
        ([OK, OK, BAD, BAD, OK], NumberTaken),
        ([OK, BUSY, BAD, OK, OK], NumberTaken),
        ([OK, OK, OK, BAD, OK], LeaseLost),
        ([BUSY, OK, OK, OK, OK], Conflict),
        ([OK, OK, OK, OK, BUSY], Conflict),
        ([OK, "ThrottlingError", OK, OK, OK], UnavailableError),
        ([OK, "ItemCollectionSizeLimitExceeded", OK, OK, OK], UnavailableError),
    ],
)
def test_what_a_cancelled_transaction_means(
    dynamodb: Answers, reasons: list[str], meaning: type[Exception]
) -> None:
    cancelled(dynamodb, *reasons)
    claims = [pointer(signup(), "p1"), pointer(signup(), "p2")]
    with pytest.raises(meaning) as caught:
        dynamodb.store.save(signup(), claims=claims, done=CLAIM, outcome="applied")
    if isinstance(caught.value, NumberTaken):
        assert caught.value.phone_number_id == "p2"


def test_a_silent_service_is_unavailable(client: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb.invalid")

    monkeypatch.setattr(client, "_make_api_call", silent)
    store = DynamoStore(client, TABLE, ManualClock())
    for call in (
        lambda: store.load("s1"),
        lambda: store.due(START, 1),
        lambda: store.save(signup()),
        lambda: store.save(signup(), channel=("c1", pointer(signup()))),
        lambda: store.load_client("acme", "jane@example.com"),
        lambda: store.claim_event(event(), "run1", START),
        lambda: store.finish_event(CLAIM, "applied"),
    ):
        with pytest.raises(UnavailableError):
            call()
    with pytest.raises(BudgetUnavailable):
        DynamoBudget(client, TABLE, ManualClock(), partner_id="pA", rule=RULE).take("job", START)


def test_an_event_is_finished_although_others_are_busy_with_it(dynamodb: Answers) -> None:
    dynamodb.fails("update_item", "TransactionConflictException")
    dynamodb.fails("update_item", "TransactionConflictException")
    dynamodb.gives("update_item")
    dynamodb.store.finish_event(CLAIM, "applied")
    assert len(dynamodb.clock.sleeps) == 2


def test_who_stays_busy_for_long_is_unavailable(dynamodb: Answers) -> None:
    for _ in range(8):
        dynamodb.fails("update_item", "TransactionConflictException")
    with pytest.raises(UnavailableError):
        dynamodb.store.finish_event(CLAIM, "applied")
    assert sum(dynamodb.clock.sleeps) < 1


def test_an_event_that_is_always_snatched_away_is_put_off(dynamodb: Answers) -> None:
    for _ in range(4):
        dynamodb.gives("get_item")
        dynamodb.fails("put_item", "ConditionalCheckFailedException")
    with pytest.raises(PutOff):
        dynamodb.store.claim_event(event(), "run1", START)


def test_a_lost_race_for_the_budget_is_run_again_at_the_later_time(dynamodb: Answers) -> None:
    dynamodb.gives("get_item")
    dynamodb.fails("put_item", "ConditionalCheckFailedException")
    starts = ",".join([f'"{START.isoformat()}"'] * 5)
    stored = {"version": {"N": "1"}, "data": {"S": f'{{"starts":[{starts}]}}'}}
    dynamodb.gives("get_item", Item=stored)
    dynamodb.gives("put_item")
    assert dynamodb.budget.take("job", START) == START + timedelta(seconds=31)
    assert len(dynamodb.clock.sleeps) == 1


def test_a_start_after_a_lost_race_is_counted_when_it_happens(dynamodb: Answers) -> None:
    dynamodb.gives("get_item")
    dynamodb.fails("put_item", "ConditionalCheckFailedException")
    dynamodb.gives("get_item")
    dynamodb.gives("put_item")
    assert dynamodb.budget.take("job", START) is None
    assert dynamodb.clock.now() > START


def test_a_budget_everybody_writes_is_unavailable(dynamodb: Answers) -> None:
    for _ in range(BUDGET_TRIES):
        dynamodb.gives("get_item")
        dynamodb.fails("put_item", "ConditionalCheckFailedException")
    with pytest.raises(BudgetUnavailable):
        dynamodb.budget.take("job", START)


def test_asking_again_for_the_same_slot_writes_nothing(dynamodb: Answers) -> None:
    slot = START + timedelta(seconds=31)
    starts = ",".join([f'"{START.isoformat()}"'] * 5)
    data = f'{{"starts":[{starts}],"reserved":{{"job":"{slot.isoformat()}"}}}}'
    dynamodb.gives("get_item", Item={"version": {"N": "1"}, "data": {"S": data}})
    assert dynamodb.budget.take("job", START + timedelta(seconds=1)) == slot
