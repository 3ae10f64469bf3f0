"""A batch of queue messages, each on its own: what fails comes back, its neighbours are done."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from onramp.adapters.aws_light import AwsError
from onramp.domain.crashes import told_of
from onramp.ports.services import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST: Final = 12 * 3600
"""SQS hides a message for at most 12 hours, counted from when it was received."""
RESERVE_MS: Final = 35_000
"""A message is begun only with so much time left; three slow calls outward fit."""
CRASH_SECONDS: Final = (5, 30, 300, 900)
"""When a message comes back whose failure could not even be recorded, by how often it was received."""


class Batch:
    """What handling one batch needs: the queue, to say when a message comes back."""

    def __init__(self, sqs: "SQSClient", queue_url: str, clock: Clock, telemetry: Telemetry) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._clock = clock
        self._telemetry = telemetry

    def run(
        self,
        event: Mapping[str, Any],
        handle: Callable[[Mapping[str, Any]], datetime | None],
        remaining_ms: Callable[[], int],
    ) -> dict[str, list[dict[str, str]]]:
        """Handle every record; gives the failed ones in the form Lambda wants.

        `handle` gives the time at which a record has to come back, or None when it is done; what it raises
        makes the record come back after `CRASH_SECONDS`.
        """
        failed = []
        for record in event.get("Records", ()):
            back_in = self._handle(record, handle, remaining_ms)
            if back_in is not None:
                self._hide(record, back_in)
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}

    def _handle(
        self,
        record: Mapping[str, Any],
        handle: Callable[[Mapping[str, Any]], datetime | None],
        remaining_ms: Callable[[], int],
    ) -> int | None:
        """Seconds until the record has to come back, or None when it is done."""
        if remaining_ms() < RESERVE_MS:
            return 1
        try:
            until = handle(record)
        except Exception as error:  # noqa: BLE001 - one bad record must not stop its neighbours
            self._telemetry.count("RecordsCrashed")
            self._telemetry.warn("record crashed", **told_of(error), message_id=record["messageId"])
            received = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
            return pick(CRASH_SECONDS, received - 1)
        return None if until is None else seconds_until(until, self._clock.now())

    def _hide(self, record: Mapping[str, Any], seconds: int) -> None:
        """Tell the queue when the record comes back; failing that, its own timeout decides."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
            )
        except AwsError:
            self._telemetry.warn("visibility not changed", message_id=record["messageId"])


def pick(steps: Sequence[int], index: int) -> int:
    """The step at `index`, or the nearest there is."""
    return steps[max(0, min(index, len(steps) - 1))]


def seconds_until(until: datetime, now: datetime) -> int:
    """Whole seconds, rounded down: whoever comes back a moment early waits inside the function."""
    return max(1, min(int((until - now).total_seconds()), LONGEST - 60))
