"""What every test begins with, and in which order they go to the workers."""

import sys
from collections.abc import Sequence
from typing import Final

import pytest

_SHARED = ("_metrics", "_dimensions", "_metadata", "_default_dimensions")
WAITING: Final = ("drills", "flow", "web", "local", "infra", "docs", "ops", "clients", "iam")
"""Folders whose tests mostly wait for a stack, a browser or a command; those that come last end last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits first: what only computes fills the processors beside it, and no long module comes last."""
    items.sort(key=lambda item: _turn(item.path.relative_to(item.config.rootpath).parts))


def _turn(parts: Sequence[str]) -> int:
    folder = parts[1] if len(parts) > 2 else ""
    return WAITING.index(folder) if folder in WAITING else len(WAITING)


@pytest.fixture(autouse=True)
def fresh_metrics() -> None:
    """Powertools keeps metrics and dimensions for the whole process: a test must not meet its neighbour's."""
    powertools = sys.modules.get("aws_lambda_powertools.metrics.metrics")
    for name in _SHARED if powertools else ():
        getattr(powertools.Metrics, name).clear()  # type: ignore[union-attr]
