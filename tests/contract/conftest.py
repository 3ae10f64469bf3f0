"""The same tests for the stores in memory, on moto and on MiniStack (marker `flow`)."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from local.children import run_folder
from local.ministack import emulator
from onramp.adapters.dynamo import DynamoBudget, DynamoStore
from onramp.domain.budget import BudgetRule
from onramp.ports import BudgetStore, ClientStore, EventStore, SignupStore
from tests.fakes import ManualClock, MemoryBudget, MemoryStore
from tests.table import make_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RULE = BudgetRule(calls=5, window=timedelta(seconds=30))

IN_MEMORY = pytest.param("memory", id="memory")
ON_MOTO = pytest.param("moto", id="moto")
ON_MINISTACK = pytest.param("ministack", id="ministack", marks=pytest.mark.flow)


@dataclass(frozen=True)
class Stores:
    """The stores under test and the clock they share. `budget` makes one for a partner under `RULE`."""

    signups: SignupStore
    clients: ClientStore
    events: EventStore
    budget: Callable[[str], BudgetStore]
    clock: ManualClock


@pytest.fixture(scope="session")
def ministack_dynamodb() -> "Iterator[DynamoDBClient]":
    """A client for the DynamoDB of a MiniStack that runs for this session."""
    with run_folder() as folder, emulator(folder) as running:
        yield running.aws.dynamodb


def on_dynamodb(client: "DynamoDBClient") -> Stores:
    """Stores on a table of their own."""
    clock = ManualClock()
    table = f"records-{uuid.uuid4().hex}"
    make_table(client, table)
    store = DynamoStore(client, table, clock)
    return Stores(
        store,
        store,
        store,
        lambda partner: DynamoBudget(client, table, clock, partner_id=partner, rule=RULE),
        clock,
    )


def in_memory() -> Stores:
    """Stores over dictionaries."""
    clock = ManualClock()
    store = MemoryStore(clock)
    budgets: dict[str, MemoryBudget] = {}
    return Stores(store, store, store, lambda name: budgets.setdefault(name, MemoryBudget(RULE)), clock)


@contextlib.contextmanager
def _on_moto() -> Iterator[Stores]:
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        with contextlib.closing(client):
            yield on_dynamodb(client)


@pytest.fixture(params=[IN_MEMORY, ON_MOTO, ON_MINISTACK])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Empty stores, one variant after the other."""
    if request.param == "memory":
        yield in_memory()
    elif request.param == "moto":
        with _on_moto() as made:
            yield made
    else:
        yield on_dynamodb(request.getfixturevalue("ministack_dynamodb"))


@pytest.fixture(params=[IN_MEMORY, ON_MINISTACK])
def shared(request: pytest.FixtureRequest) -> Stores:
    """Empty stores that may be used by several threads; moto's may not."""
    if request.param == "memory":
        return in_memory()
    return on_dynamodb(request.getfixturevalue("ministack_dynamodb"))
