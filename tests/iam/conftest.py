"""A local run of its own, in which the emulator evaluates policies and signatures."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping

import pytest

from infra.cards import CARDS
from local.ministack import EmulatorOptions
from local.options import RunOptions
from local.run import LocalStack, local_stack
from tests.flow.walks import Dialog, Tenant
from tests.iam.calls import Account, Caller
from tests.iam.roles import acting_as, role_of

OPTIONS = RunOptions(
    budget_calls=500,
    budget_window_seconds=30,
    step_seconds=0.1,
    reconcile_after_seconds=2,
    retry_schedule="1,1",
    emulator=EmulatorOptions(enforce_iam=True),
)


@pytest.fixture(scope="module")
def run() -> Iterator[LocalStack]:
    with local_stack(OPTIONS) as stack:
        yield stack


@pytest.fixture
def tenant(run: LocalStack) -> Iterator[Tenant]:
    name = f"tenant-{secrets.token_hex(4)}"
    with run.front_end(name) as front_end:
        yield Tenant(run=run, name=name, front_end=front_end)


@pytest.fixture
def dialog(run: LocalStack) -> Iterator[Dialog]:
    dialog = Dialog(run)
    yield dialog
    dialog.call("DELETE", "webhook-faults")
    dialog.call("DELETE", "faults")


@pytest.fixture(scope="module")
def callers(run: LocalStack) -> Iterator[Mapping[str, Caller]]:
    """Each function's own rights, in the hands of the test."""
    account = Account.of(run)
    roles = {name: role_of(run, name) for name in CARDS}
    with contextlib.ExitStack() as exits:
        yield {
            name: Caller(
                name=name,
                aws=exits.enter_context(acting_as(run.aws, role)),
                root=run.aws,
                account=account,
                roles=roles,
            )
            for name, role in roles.items()
        }
