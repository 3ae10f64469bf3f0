"""What every test begins with."""

import sys

import pytest

_SHARED = ("_metrics", "_dimensions", "_metadata", "_default_dimensions")


@pytest.fixture(autouse=True)
def fresh_metrics() -> None:
    """Powertools keeps metrics and dimensions for the whole process: a test must not meet its neighbour's."""
    powertools = sys.modules.get("aws_lambda_powertools.metrics.metrics")
    for name in _SHARED if powertools else ():
        getattr(powertools.Metrics, name).clear()  # type: ignore[union-attr]
