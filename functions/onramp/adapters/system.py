"""Time, chance, and telling: the clock of the machine, Powertools' logger and metrics."""

import logging
import random
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from onramp.domain.text import mask_text, whole

RESERVED: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime",
    "cold_start",
    "correlation_id",
    "exception",
    "exception_name",
    "level",
    "location",
    "message",
    "sampling_rate",
    "service",
    "stack_trace",
    "timestamp",
    "xray_trace_id",
}
"""Names by which a log line says who wrote it, when and where: a field of ours must not take one."""
SEQUENCE: Final = 1 << 16
"""Ids that one millisecond can tell apart."""


class SystemClock:
    """`Clock` of this machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

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
        """48 bits of time in milliseconds, 16 of a counter, 64 random ones: sorts by age, cannot be guessed.

        Ids of one clock sort as they were made, also within a millisecond and when the time is set back.
        """
        with self._lock:
            moment, count = max((int(time.time() * 1000), 0), (self._last[0], self._last[1] + 1))
            self._last = (moment + count // SEQUENCE, count % SEQUENCE)
            moment, count = self._last
        return f"{moment:012x}{count:04x}{secrets.token_hex(8)}"

    def new_secret(self) -> str:
        """From the system's own source of chance, which no two copies of a snapshot share."""
        return secrets.token_urlsafe(32)


class PowertoolsTelemetry:
    """`Telemetry`: structured logs, metrics in the embedded format. Texts are masked.

    A field that has a name of `RESERVED` is written as `<name>_`.
    """

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Add to a metric; with dimensions the log tells them beside the total."""
        unit = MetricUnit.Seconds if "Seconds" in name or name == "BudgetWaited" else MetricUnit.Count
        self._metrics.add_metric(name=name, unit=unit, value=value)
        if dimensions:
            self._logger.info("counted", extra={**_fields(dimensions), "metric": name, "value": value})

    def info(self, message: str, **fields: str | float | None) -> None:
        """Write a log line."""
        self._logger.info(message, extra=_fields(fields))

    def warn(self, message: str, **fields: str | float | None) -> None:
        """Write a log line somebody should see."""
        self._logger.warning(message, extra=_fields(fields))


def _fields(fields: Mapping[str, str | float | None]) -> dict[str, str | float | None]:
    return {f"{name}_" if name in RESERVED else name: _told(name, value) for name, value in fields.items()}


def _told(name: str, value: str | float | None) -> str | float | None:
    if not isinstance(value, str):
        return value
    return mask_text(whole(value)) if name == "detail" else whole(value)
