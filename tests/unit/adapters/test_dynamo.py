"""What the contract suite cannot see: how items look, lost answers, what errors become, how much is asked."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.dynamodb import CountingDynamo
from onramp.adapters.aws_light import AwsError
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.dynamo.table import LONGEST_PART, TRIES, Table, When, part, unpart
from onramp.adapters.memory import START, ManualClock
from onramp.adapters.system import SystemClock
from onramp.domain.budget import BudgetState
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Conflict, UnavailableError
from onramp.domain.facts import FactType
from onramp.domain.ledger import Outcome
from onramp.domain.number import Number
from onramp.domain.records import Fact, Stored
from onramp.domain.signup import Exchange, Listed, Remembered, Signup
from onramp.domain.states import Progress
from onramp.ports.storage import Due, Line
from tests.contract.examples import event, fact, number, signup, stored

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "records"
WRITES = {"put_item", "update_item", "transact_write_items"}

type Call = Callable[[], Any]


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


@given(st.text(alphabet=st.characters(categories=["Cs"]), min_size=1, max_size=4))
def test_halves_of_characters_in_a_name_make_a_key_of_their_own(text: str) -> None:
    assert unpart(part(text)) == text
    part(text).encode()


def test_an_ordinary_name_stays_readable() -> None:
    assert part("jane.doe+x@example.com") == "jane.doe+x@example.com"


# --- a table that fails when it is told to


class Shaky:
    """A counting table whose writes do what `plan` says, one after the other."""

    def __init__(self) -> None:
        self.real = CountingDynamo()
        self.plan: list[Callable[[Call], Any]] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.silent = False
        self.clock = ManualClock()
        self.store = DynamoStore(cast("DynamoDBClient", self), TABLE, self.clock)

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self.requests.append((name, request))
            if self.silent:
                raise lost("TimeoutError")
            if name in WRITES and self.plan:
                return self.plan.pop(0)(lambda: getattr(self.real, name)(**request))
            return getattr(self.real, name)(**request)

        return call

    def names(self) -> list[str]:
        """What was asked, and forget it."""
        names = [name for name, _ in self.requests]
        self.requests.clear()
        return names


@pytest.fixture
def shaky() -> Shaky:
    return Shaky()


def refusal(code: str, status: int = 400, reasons: tuple[str, ...] = ()) -> AwsError:
    return AwsError(f"dynamodb: {status} {code}", code=code, status=status, reasons=reasons)


def lost(kind: str) -> AwsError:
    return AwsError(f"dynamodb does not answer: {kind}", code=kind)


def fails(trouble: Exception) -> Callable[[Call], Any]:
    """Nothing is done, and it says so."""

    def act(_: Call) -> Any:
        raise trouble

    return act


def loses(trouble: Exception, meanwhile: Call = lambda: None) -> Callable[[Call], Any]:
    """It works, and the answer is lost; `meanwhile` happens before we can look."""

    def act(write: Call) -> Any:
        write()
        meanwhile()
        raise trouble

    return act


LOST: dict[str, Exception] = {
    "timeout": lost("TimeoutError"),
    "closed": lost("Garbled"),
    "server error": refusal("InternalServerError", 500),
    "service unavailable": refusal("ServiceUnavailable", 503),
}
"""Troubles that leave it open whether the write worked."""
OUR_OWN = {
    "update_item": refusal("ConditionalCheckFailedException"),
    "put_item": refusal("ConditionalCheckFailedException"),
    "transact_write_items": refusal(
        "TransactionCanceledException", reasons=("ConditionalCheckFailed", "None")
    ),
}
"""The client has sent the write again by itself, and the second one met the first."""


def telling(record: Number) -> Number:
    record.tell(FactType.NUMBER_PENDING, START)
    return record


KINDS: dict[str, tuple[str, Callable[[], tuple[list[Stored], list[Fact]]]]] = {
    "a record": ("update_item", lambda: ([number()], [])),
    "a fact": ("put_item", lambda: ([], [fact()])),
    "a record and what it tells": ("transact_write_items", lambda: ([telling(number())], [])),
    "two records": ("transact_write_items", lambda: ([number(), signup()], [])),
    "records and facts": ("transact_write_items", lambda: ([telling(number()), signup()], [fact()])),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", [*LOST, "our own"])
def test_a_write_that_worked_is_recognised_although_its_answer_was_lost(
    shaky: Shaky, kind: str, trouble: str
) -> None:
    request, make = KINDS[kind]
    records, facts = make()
    told = sum(len(record.told) for record in records) + len(facts)
    shaky.plan = [loses(LOST.get(trouble) or OUR_OWN[request])]
    shaky.store.commit(*records, facts=facts)
    assert shaky.names() == [request, "get_item"]
    for record in records:
        assert (record.version, record.told) == (1, [])
        assert stored(shaky.store, record) == record
    assert len(shaky.store.facts_of("s1", 99)) == told
    for record in records:
        shaky.store.commit(record)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", LOST)
def test_a_write_that_did_not_work_may_be_repeated(shaky: Shaky, kind: str, trouble: str) -> None:
    _, make = KINDS[kind]
    records, facts = make()
    told = sum(len(record.told) for record in records) + len(facts)
    shaky.plan = [fails(LOST[trouble])]
    with pytest.raises(UnavailableError):
        shaky.store.commit(*records, facts=facts)
    assert all(record.version == 0 for record in records)
    assert sum(len(record.told) for record in records) + len(facts) == told
    shaky.store.commit(*records, facts=facts)
    assert len(shaky.store.facts_of("s1", 99)) == told


@pytest.mark.parametrize("trouble", [*LOST, "our own"])
def test_a_transaction_is_recognised_by_its_fact_when_its_record_is_written_over(
    shaky: Shaky, trouble: str
) -> None:
    record = telling(number())

    def rival() -> None:
        found = stored(shaky.store, number())
        found.verified_name = "rival"
        shaky.store.commit(found)

    shaky.plan = [loses(LOST.get(trouble) or OUR_OWN["transact_write_items"], rival)]
    shaky.store.commit(record)
    assert len(shaky.store.facts_of("s1", 99)) == 1
    with pytest.raises(Conflict):
        shaky.store.commit(record)


def test_the_write_of_somebody_else_is_not_taken_for_ones_own(shaky: Shaky) -> None:
    shaky.store.commit(number())
    mine = stored(shaky.store, number())
    shaky.store.commit(stored(shaky.store, number()))
    with pytest.raises(Conflict):
        shaky.store.commit(mine)
    shaky.plan = [fails(LOST["timeout"])]
    with pytest.raises(UnavailableError):
        shaky.store.commit(mine)
    assert mine.version == 1


def test_when_the_table_does_not_say_whose_write_it_was_nothing_is_known(shaky: Shaky) -> None:
    def gone_silent() -> None:
        shaky.silent = True

    shaky.plan = [loses(LOST["timeout"], gone_silent)]
    record = number()
    with pytest.raises(UnavailableError):
        shaky.store.commit(record)
    assert record.version == 0


# --- others at the same item

CONFLICT = refusal("TransactionCanceledException", reasons=("TransactionConflict", "None"))


@pytest.mark.parametrize(
    "busy",
    [CONFLICT, refusal("TransactionConflictException"), refusal("TransactionInProgressException")],
    ids=["cancelled", "conflict", "in progress"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_write_waits_for_others_that_are_at_the_same_item(shaky: Shaky, kind: str, busy: AwsError) -> None:
    records, facts = KINDS[kind][1]()
    shaky.plan = [fails(busy)] * 3
    shaky.store.commit(*records, facts=facts)
    assert len(shaky.clock.sleeps) == 3
    tokens = {request.get("ClientRequestToken") for _, request in shaky.requests}
    assert len(tokens) == 1


def test_a_hit_whose_record_is_being_written_is_left_to_its_writer(shaky: Shaky) -> None:
    record = number(due_at=START)
    shaky.store.commit(record)
    (hit,) = shaky.store.due(START, 9, line=Line.WORK)
    shaky.plan = [fails(refusal("TransactionConflictException"))]
    assert not shaky.store.postpone(hit, START + timedelta(minutes=5))
    assert list(shaky.store.due(START, 9, line=Line.WORK)) == [hit]


def test_patience_with_others_has_an_end_in_less_than_a_second(shaky: Shaky) -> None:
    shaky.plan = [fails(CONFLICT)] * TRIES
    record = telling(number())
    with pytest.raises(Conflict):
        shaky.store.commit(record)
    assert not shaky.plan
    assert sum(shaky.clock.sleeps) < 1
    assert (record.version, len(record.told)) == (0, 1)


def test_a_token_of_a_transaction_is_short_enough_for_dynamodb() -> None:
    table = Shaky()
    store = DynamoStore(cast("DynamoDBClient", table), TABLE, SystemClock())
    store.commit(number(), signup())
    ((_, request),) = table.requests
    assert 1 <= len(request["ClientRequestToken"]) <= 36


# --- what errors mean


@pytest.mark.parametrize(
    ("trouble", "meaning"),
    [
        (refusal("ConditionalCheckFailedException"), Conflict),
        (refusal("ProvisionedThroughputExceededException"), UnavailableError),
        (refusal("ThrottlingException"), UnavailableError),
        (refusal("InternalServerError", 500), UnavailableError),
        (refusal("AccessDeniedException"), UnavailableError),
        (refusal("ValidationException"), UnavailableError),
        (refusal("IdempotentParameterMismatchException"), UnavailableError),
        (refusal("TransactionCanceledException", reasons=("ThrottlingError", "None")), UnavailableError),
        (
            refusal("TransactionCanceledException", reasons=("None", "ItemCollectionSizeLimitExceeded")),
            UnavailableError,
        ),
        (
            refusal(
                "TransactionCanceledException", reasons=("TransactionConflict", "ConditionalCheckFailed")
            ),
            Conflict,
        ),
        (AwsError("dynamodb: 400 "), UnavailableError),
        (lost("OSError"), UnavailableError),
    ],
    ids=str,
)
def test_what_a_failed_write_means(shaky: Shaky, trouble: Exception, meaning: type[Exception]) -> None:
    shaky.plan = [fails(trouble)]
    with pytest.raises(meaning):
        shaky.store.commit(telling(number()))
    assert shaky.store.read(Number, "1001") is None


def test_a_silent_table_is_unavailable_whatever_is_asked(shaky: Shaky) -> None:
    shaky.silent = True
    store = shaky.store
    for call in (
        lambda: store.read(Number, "1"),
        lambda: store.read_all(Number, [("1",)]),
        lambda: store.commit(number()),
        lambda: store.commit(number(), signup()),
        lambda: store.facts_of("s1", 1),
        lambda: store.facts_since(START, START, None, 1),
        lambda: store.due(START, 1, line=Line.WORK),
        lambda: store.postpone(Due("NUMBER", ("1",), START), START),
        lambda: store.numbers_at("p", 1),
        lambda: store.numbers_with("h", "1"),
        lambda: store.ledger("p", 1),
        lambda: store.signups_of("t", None, None, 1, START),
        lambda: store.numbers_of("t", None, None, 1),
    ):
        with pytest.raises(UnavailableError):
            call()


def test_keys_that_dynamodb_did_not_get_to_are_asked_for_again(shaky: Shaky) -> None:
    shaky.store.commit(number("1"), number("2"), number("3"))
    real = shaky.real.batch_get_item
    turns = iter([1, 1, 3])

    def some(**request: Any) -> dict[str, Any]:
        ((name, asked),) = request["RequestItems"].items()
        count = next(turns)
        left = asked["Keys"][count:]
        answer = real(RequestItems={name: {"Keys": asked["Keys"][:count]}})
        return {**answer, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}

    shaky.real.batch_get_item = some  # type: ignore[method-assign]
    found = shaky.store.read_all(Number, [("1",), ("2",), ("3",)])
    assert [record.phone_number_id for record in found] == ["1", "2", "3"]
    assert len(shaky.clock.sleeps) == 2


def test_keys_that_dynamodb_never_gets_to_are_unavailable(shaky: Shaky) -> None:
    def none(**request: Any) -> dict[str, Any]:
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    shaky.real.batch_get_item = none  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        shaky.store.read_all(Number, [("1",)])
    assert sum(shaky.clock.sleeps) < 2


def test_a_partition_is_read_page_by_page_as_long_as_somebody_wants_more(shaky: Shaky) -> None:
    for index in range(5):
        shaky.store.commit(facts=[fact(detail={"index": str(index)})])
    shaky.names()
    table = Table(cast("DynamoDBClient", shaky), TABLE, shaky.clock)
    items = table.query(When.of("#pk = :pk", pk="SIGNUP#s1"), page=2)
    for _ in range(3):
        next(items)
    assert shaky.names() == ["query"] * 2
    assert len(list(items)) == 2
    assert shaky.names() == ["query"]


# --- how much is asked

OPERATIONS: dict[str, tuple[list[str], Callable[[DynamoStore], object]]] = {
    "a read": (["get_item"], lambda store: store.read(Number, "1")),
    "many reads": (["batch_get_item"], lambda store: store.read_all(Number, [(str(n),) for n in range(100)])),
    "more reads": (
        ["batch_get_item"] * 2,
        lambda store: store.read_all(Number, [(str(n),) for n in range(101)]),
    ),
    "no reads": ([], lambda store: store.read_all(Number, [])),
    "a commit": (["update_item"], lambda store: store.commit(number("new"))),
    "a commit of several": (["transact_write_items"], lambda store: store.commit(number("a"), number("b"))),
    "a commit with a fact": (["transact_write_items"], lambda store: store.commit(telling(number("c")))),
    "a fact": (["put_item"], lambda store: store.commit(facts=[fact()])),
    "facts": (["query"], lambda store: store.facts_of("s1", 10)),
    "what is due": (["query"], lambda store: store.due(START, 10, line=Line.WORK)),
    "a postponement": (["update_item"], lambda store: store.postpone(Due("NUMBER", ("1",), START), START)),
    "numbers at a place": (["query"], lambda store: store.numbers_at("WABA#default#w1", 10)),
    "numbers with digits": (["query"], lambda store: store.numbers_with("default", "4915123456789")),
    "an empty ledger": (["query"], lambda store: store.ledger("CHANNEL#default#none", 40)),
    "a ledger": (["query", "batch_get_item"], lambda store: store.ledger(event().place, 40)),
    "signups of a status": (
        ["query"],
        lambda store: store.signups_of("acme", "authorized", None, 10, START),
    ),
    # Those of links have a partition of their own.
    "open signups": (["query"] * 2, lambda store: store.signups_of("acme", "open", None, 10, START)),
    "links of a status": (["query"], lambda store: store.links_of("acme", "open", None, 10, START)),
    "all links": (["query"] * 3, lambda store: store.links_of("acme", None, None, 10, START)),
    "all signups": (["query"] * 6, lambda store: store.signups_of("acme", None, None, 10, START)),
    "numbers of a class": (
        ["query"],
        lambda store: store.numbers_of("acme", number().standing, None, 10),
    ),
    "all numbers": (["query"] * 5, lambda store: store.numbers_of("acme", None, None, 10)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_makes_so_many_requests_and_no_more(shaky: Shaky, name: str) -> None:
    for index in range(60):
        waiting = event(str(index))
        waiting.outcome = Outcome.UNRESOLVED
        shaky.store.commit(waiting, number(str(index), due_at=START), signup(str(index)), facts=[fact()])
    shaky.names()
    expected, call = OPERATIONS[name]
    call(shaky.store)
    assert shaky.names() == expected


def test_a_list_reads_no_more_than_it_gives_however_much_there_is(shaky: Shaky) -> None:
    def spent(count: int) -> float:
        for index in range(count):
            shaky.store.commit(signup(f"{count}-{index}"), number(f"{count}-{index}"))
        before = shaky.real.spent.copy()
        shaky.store.signups_of("acme", None, None, 10, START)
        shaky.store.numbers_of("acme", None, None, 10)
        return shaky.real.spent.since(before).reads

    assert spent(20) == spent(500)


# --- items


def test_items_look_as_the_documentation_says(shaky: Shaky) -> None:
    waiting = event()
    waiting.outcome = Outcome.UNRESOLVED
    until = START + timedelta(days=1)
    connected = number("1002", channel_id="c1", progress=Progress.CONNECTED)
    shaky.store.commit(
        signup(),
        Exchange(signup_id="s1", token="x"),
        Listed(signup_id="s1", part=2),
        number(due_at=START),
        number("1003", due_at=START, progress=Progress.SUBMITTED, digits=""),
        connected,
        ClientRecord(name="jane@example.com", tenant="acme"),
        waiting,
        BudgetState(),
        Census(due_at=START),
        Remembered(tenant="acme", key="k", signup_id="s1", fingerprint="f", until=until),
        facts=[fact(), fact("HUB#default")],
    )
    always = {"schema", "version", "mark"}
    shown = {
        f"{pk} / {sk}": {
            name: next(iter(value.values()))
            for name, value in item.items()
            if name not in {"pk", "sk", "data", "data_zlib", *always}
        }
        for (pk, sk), item in shaky.real.items.items()
    }
    mark = shaky.real.items["SIGNUP#s1", "SIGNUP"]["mark"]["S"]
    now = "2031-05-06T07:08:09.123Z"
    later = {
        "day": str(int(until.timestamp())),
        "event": str(int((START + timedelta(days=30)).timestamp())),
        "fact": str(int((START + timedelta(days=400)).timestamp())),
    }
    opened = {
        "bus": "1",
        "at": now,
        "expires_at_epoch": later["fact"],
        "tenant_key": "OPENED#2031-05",
        "created_key": f"{now}#s1",
    }
    assert shown == {
        "SIGNUP#s1 / SIGNUP": {"tenant_key": "SIGNUPS#acme#open", "created_key": f"{now}#s1"},
        "SIGNUP#s1 / EXCHANGE": {},
        "SIGNUP#s1 / LISTED#002": {},
        "NUMBER#1001 / NUMBER": {
            "tenant_key": "NUMBERS#acme#onboarding",
            "created_key": f"{now}#1001",
            "due_shard": "WORK",
            "due_at": now,
            "channel_key": "WABA#default#w1",
            "waba_key": "WABA#default#w1",
            "digits_key": "DIGITS#default#4915123456789",
        },
        "NUMBER#1003 / NUMBER": {
            "tenant_key": "NUMBERS#acme#onboarding",
            "created_key": f"{now}#1003",
            "due_shard": "LOOK",
            "due_at": now,
            "channel_key": "WABA#default#w1",
            "waba_key": "WABA#default#w1",
        },
        "NUMBER#1002 / NUMBER": {
            "tenant_key": "NUMBERS#acme#connected",
            "created_key": f"{now}#1002",
            "channel_key": "CHANNEL#default#c1",
            "waba_key": "WABA#default#w1",
            "digits_key": "DIGITS#default#4915123456789",
        },
        "CLIENT#default#jane@example.com / CLIENT": {},
        "EVENT#default#e1 / EVENT": {
            "place_key": "CHANNEL#default#c1",
            "place_sort": f"U#{now}#e1",
            "expires_at_epoch": later["event"],
            "tenant_key": "EVENTS#default#2031-05-06",
            "created_key": f"{now}#e1",
        },
        "BUDGET#default / BUDGET": {},
        "CENSUS#default / CENSUS": {"due_shard": "WORK", "due_at": now},
        "IDEMPOTENCY#acme#k / KEY": {"expires_at_epoch": later["day"]},
        f"SIGNUP#s1 / FACT#{mark}00": opened,
        f"HUB#default / FACT#{mark}01": opened | {"created_key": f"{now}#HUB%23default"},
    }
    for (_, sk), item in shaky.real.items.items():
        assert item["schema"] == {"N": "1"}
        assert sk.startswith("FACT#") or (item["version"] == {"N": "1"} and item["mark"] == {"S": mark})


def test_a_record_says_only_what_is_not_a_default(shaky: Shaky) -> None:
    shaky.store.commit(BudgetState(), Signup.model_validate(signup().model_dump()))
    assert shaky.real.items["BUDGET#default", "BUDGET"]["data"] == {"S": "{}"}
    assert "version" not in shaky.real.items["SIGNUP#s1", "SIGNUP"]["data"]["S"]
