"""Time, chance, and telling: the clock of the machine, Powertools' logger and metrics."""

import random
import time
import uuid
from datetime import UTC, datetime

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from onramp.domain.text import mask_text


class SystemClock:
    """`onramp.ports.Clock`."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def draw(self) -> float:
        """A number in [0, 1), for jitter, which need not be hard to guess."""
        return random.random()  # noqa: S311

    def new_id(self) -> str:
        """48 bits of time in milliseconds, then 80 random ones: sorts by age, cannot be guessed."""
        moment = int(time.time() * 1000)
        return f"{moment:012x}{uuid.uuid4().hex[:20]}"


class PowertoolsTelemetry:
    """`onramp.ports.Telemetry`: structured logs, metrics in the embedded format. Texts are masked."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Add to a metric; with dimensions it is one of its own beside the total."""
        unit = (
            MetricUnit.Seconds if name.startswith("Seconds") or name == "BudgetWaited" else MetricUnit.Count
        )
        self._metrics.add_metric(name=name, unit=unit, value=value)
        if dimensions:
            self._logger.info("counted", extra={"metric": name, "value": value, **dimensions})

    def info(self, message: str, **fields: str | float | None) -> None:
        """Write a log line."""
        self._logger.info(message, extra=_masked(fields))

    def warn(self, message: str, **fields: str | float | None) -> None:
        """Write a log line somebody should see."""
        self._logger.warning(message, extra=_masked(fields))


def _masked(fields: dict[str, str | float | None]) -> dict[str, str | float | None]:
    return {
        name: mask_text(value) if isinstance(value, str) and name == "detail" else value
        for name, value in fields.items()
    }
