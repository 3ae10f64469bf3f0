"""The whole local run, once for all flow tests: they share the stack and differ in tenant and customer."""

import contextlib
import secrets
from collections.abc import Iterator

import pytest

from local.children import free_port
from local.journey import FrontEnd
from local.options import RunOptions
from local.run import LocalStack, local_stack
from local.serve import serve_page
from tests.flow.walks import Dialog, Tenant

PAGE_PORT = free_port()

OPTIONS = RunOptions(
    allowed_origins=(f"http://127.0.0.1:{PAGE_PORT}",),
    # The promise of the budget has tests of its own; here it would only make everything wait.
    budget_calls=500,
    budget_window_seconds=30,
    step_seconds=0.1,
    reconcile_after_seconds=3,
    retry_schedule="1,2,4,8",
)


@pytest.fixture(scope="session")
def run() -> Iterator[LocalStack]:
    with local_stack(OPTIONS) as stack:
        yield stack


@contextlib.contextmanager
def signed_in(run: LocalStack, kind: str) -> Iterator[Tenant]:
    name = f"{kind}-{secrets.token_hex(4)}"
    with run.front_end(name) as front_end:
        yield Tenant(run=run, name=name, front_end=front_end)


@pytest.fixture
def tenant(run: LocalStack) -> Iterator[Tenant]:
    with signed_in(run, "tenant") as tenant:
        yield tenant


@pytest.fixture
def rival(run: LocalStack) -> Iterator[Tenant]:
    with signed_in(run, "rival") as rival:
        yield rival


@pytest.fixture
def stranger(run: LocalStack) -> Iterator[FrontEnd]:
    with run.front_end(f"stranger-{secrets.token_hex(4)}") as front_end:
        yield front_end


@pytest.fixture
def dialog(run: LocalStack) -> Iterator[Dialog]:
    dialog = Dialog(run)
    options = dialog.call("GET", "options")
    yield dialog
    dialog.call("DELETE", "webhook-faults")
    dialog.call("DELETE", "faults")
    dialog.call("PATCH", "options", options)


@pytest.fixture
def page_url(run: LocalStack) -> Iterator[str]:
    with serve_page(run, port=PAGE_PORT) as url:
        yield url
