"""The same tests for every store: in memory, on the counting table, on moto, on MiniStack (marker `flow`)."""

import contextlib
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from harness.dynamodb import CountingDynamo
from harness.table import make_table
from local.children import run_folder
from local.ministack import emulator
from onramp.adapters.aws_client import Client
from onramp.adapters.aws_light import Credentials, LightClient
from onramp.adapters.dynamo import DynamoStore
from onramp.adapters.dynamo.items import key_of
from onramp.adapters.memory import ManualClock, MemoryStore
from onramp.domain.records import Stored
from onramp.ports.storage import Store
from ops.stage.translated import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

IN_MEMORY = pytest.param("memory", id="memory")
COUNTING = pytest.param("counting", id="counting")
ON_MOTO = pytest.param("moto", id="moto")
ON_MINISTACK = pytest.param("ministack", id="ministack", marks=pytest.mark.flow)
_SEEDS = itertools.count(1)
"""Each test has ids of its own: a transaction's token holds for all tables of a MiniStack, and all tests."""


@dataclass
class Stage:
    """A store under test, its clock, and what it could not read."""

    store: Store
    clock: ManualClock
    unreadable: list[str] = field(default_factory=list)
    client: Any = None
    table: str = ""

    def spoil(self, record: Stored) -> None:
        """Make what is stored of a record unreadable."""
        if isinstance(self.store, MemoryStore):
            self.store.spoil(record)
        else:
            self.set(record, data={"S": '{"spoiled": '})

    def set(self, record: Stored, **attributes: dict[str, Any]) -> None:
        """Set attributes of a record's item, as DynamoDB writes them, behind the store's back."""
        self.client.update_item(
            TableName=self.table,
            Key=self._key(record),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def item(self, record: Stored) -> dict[str, dict[str, Any]]:
        """A record's item as DynamoDB has it."""
        answer = self.client.get_item(TableName=self.table, Key=self._key(record), ConsistentRead=True)
        return dict(answer["Item"])

    @staticmethod
    def _key(record: Stored) -> dict[str, dict[str, str]]:
        pk, sk = key_of(record.KIND, record.identity)
        return {"pk": {"S": pk}, "sk": {"S": sk}}


type Clients = tuple[DynamoDBClient, Any]
"""boto3's client, to make tables and to look at items, and the functions' own, for the store."""


@pytest.fixture(scope="session")
def ministack_dynamodb() -> Iterator[Clients]:
    """Clients for the DynamoDB of a MiniStack that runs for this session."""
    with run_folder() as folder, emulator(folder) as running:
        aws = running.aws
        credentials = Credentials(aws.access_key, aws.secret_key, "", aws.region)
        light = LightClient("dynamodb", lambda: credentials, aws.region, aws.endpoint)
        yield aws.dynamodb, Client(light)
        light.disconnect()


def in_memory() -> Stage:
    """A store over a dictionary."""
    clock, unreadable = ManualClock(seed=next(_SEEDS)), list[str]()
    return Stage(MemoryStore(clock, unreadable.append), clock, unreadable)


def on_dynamodb(client: "DynamoDBClient", own: Any, *, make: bool = True) -> Stage:
    """A store on a table of its own, which `own` is the client of."""
    clock, unreadable = ManualClock(seed=next(_SEEDS)), list[str]()
    table = f"records-{uuid.uuid4().hex}"
    if make:
        make_table(client, table)
    return Stage(DynamoStore(own, table, clock, unreadable.append), clock, unreadable, client, table)


@contextlib.contextmanager
def _on_moto() -> Iterator[Stage]:
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        with contextlib.closing(client):
            yield on_dynamodb(client, translated(client))


def _made(request: pytest.FixtureRequest) -> Iterator[Stage]:
    match request.param:
        case "memory":
            yield in_memory()
        case "counting":
            counting = CountingDynamo()
            yield on_dynamodb(cast("DynamoDBClient", counting), counting, make=False)
        case "moto":
            with _on_moto() as made:
                yield made
        case _:
            yield on_dynamodb(*request.getfixturevalue("ministack_dynamodb"))


@pytest.fixture(params=[IN_MEMORY, COUNTING, ON_MOTO, ON_MINISTACK])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """An empty store, one variant after the other."""
    yield from _made(request)


@pytest.fixture(params=[IN_MEMORY, ON_MOTO, ON_MINISTACK])
def strict(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Those that refuse what DynamoDB refuses; the counting table only counts."""
    yield from _made(request)


@pytest.fixture(params=[COUNTING, ON_MOTO, ON_MINISTACK])
def table(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Those that have items."""
    yield from _made(request)


@pytest.fixture(params=[ON_MOTO, ON_MINISTACK])
def real_table(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Those that know every type of attribute that DynamoDB has."""
    yield from _made(request)


@pytest.fixture(params=[IN_MEMORY, ON_MINISTACK])
def shared(request: pytest.FixtureRequest) -> Stage:
    """An empty store that may be used by several threads; moto's may not."""
    if request.param == "memory":
        return in_memory()
    return on_dynamodb(*request.getfixturevalue("ministack_dynamodb"))
