"""A fresh bench for each test."""

import pytest

from tests.unit.usecases.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
