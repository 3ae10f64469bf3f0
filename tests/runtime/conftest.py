"""Every function on Lambda's own runtime interface, each started once for all tests of this folder."""

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from harness.services import Services, services
from infra.cards import CARDS
from local import rie

type Runtimes = Mapping[str, rie.Running]


@pytest.fixture(scope="session")
def around() -> Iterator[Services]:
    """AWS and the upstreams."""
    with services() as running:
        yield running


@pytest.fixture(scope="session")
def runtimes(around: Services) -> Iterator[Runtimes]:
    """All functions."""
    with contextlib.ExitStack() as exits:
        yield {name: exits.enter_context(rie.running(around.function(name), around.folder)) for name in CARDS}
