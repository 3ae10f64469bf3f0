"""Every cell of the rights table judged by a policy simulator, on the template as it goes to AWS.

The emulator judges by use, but fills in no encryption contexts, never uses the table's key as DynamoDB does,
and needs some statements changed (`as_evaluated` in local/template.py). The simulator judges by reading, and
takes every condition and every statement as it is. What both can judge has to come out the same.
"""

import dataclasses
from collections.abc import Mapping
from typing import get_args

import pytest

from infra.cards import CARDS
from infra.grants import QueueName
from tests.iam import simulator
from tests.iam.calls import COLUMNS
from tests.iam.policies import Policies
from tests.iam.requests import EVERY_ROW, WRONG_CONTEXTS, Requests
from tests.infra.conftest import synthesize

pytestmark = pytest.mark.skipif(not simulator.is_there(), reason="the simulator is not there: make policies")

QUEUES: tuple[str, ...] = get_args(QueueName)
CELLS = [(row, name) for row in EVERY_ROW for name in COLUMNS]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    # Tracing is allowed on everything and has no row.
    off = {"stage.tracing": "false"}
    return Policies(synthesize("example", tmp_path_factory.mktemp("assembly-policies"), off))


@pytest.fixture(scope="module")
def requests(policies: Policies) -> Requests:
    return Requests(policies)


@pytest.fixture(scope="module")
def verdicts(policies: Policies, requests: Requests) -> Mapping[tuple[str, str], bool]:
    """What becomes of each cell's request."""
    asked = [requests.of_row(row, name) for row, name in CELLS]
    return dict(zip(CELLS, simulator.allowed(asked, policies), strict=True))


@pytest.mark.parametrize("row", EVERY_ROW)
def test_a_function_may_do_what_its_cell_says(verdicts: Mapping[tuple[str, str], bool], row: str) -> None:
    assert {name: verdicts[row, name] for name in COLUMNS} == {
        name: mark == "+" for name, mark in EVERY_ROW[row].items()
    }


@pytest.mark.parametrize("wrong", WRONG_CONTEXTS)
def test_under_a_context_that_no_function_writes_nothing_is_encrypted_or_opened(
    policies: Policies, requests: Requests, wrong: str
) -> None:
    uses = [(name, action) for name in CARDS for action in ("kms:Encrypt", "kms:Decrypt")]
    asked = [requests.with_context(name, action, WRONG_CONTEXTS[wrong]) for name, action in uses]
    verdicts = simulator.allowed(asked, policies)
    assert [use for use, allowed in zip(uses, verdicts, strict=True) if allowed] == []


def test_no_queue_takes_what_comes_in_clear(policies: Policies, requests: Requests) -> None:
    asked = [requests.in_clear(name, queue) for name in CARDS for queue in QUEUES]
    assert not any(simulator.allowed(asked, policies))


@pytest.mark.parametrize("name", CARDS)
def test_each_right_comes_from_one_statement_and_from_no_other(
    policies: Policies, requests: Requests, name: str
) -> None:
    permitted = [row for row, marks in EVERY_ROW.items() if marks[name] == "+"]
    tried = [(number, row) for number in range(len(policies.statements(name))) for row in permitted]
    asked = [dataclasses.replace(requests.of_row(row, name), without=number) for number, row in tried]
    verdicts = zip(tried, simulator.allowed(asked, policies), strict=True)
    refused = [cell for cell, allowed in verdicts if not allowed]
    assert sorted(row for _, row in refused) == sorted(permitted)
    assert {number for number, _ in refused} == {number for number, _ in tried}


def test_a_condition_that_is_left_out_is_noticed(policies: Policies, requests: Requests) -> None:
    """The judge can tell: without its condition a statement lets a foreign context pass."""
    asked = [requests.with_context("code_exchange", "kms:Decrypt", WRONG_CONTEXTS["another purpose"])]
    assert simulator.allowed(asked, policies) == [False]
    assert simulator.allowed(asked, policies.without_conditions()) == [True]
