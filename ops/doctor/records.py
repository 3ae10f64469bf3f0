"""The stage's records and its budget, read and written as its functions do it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from onramp.adapters.dynamo import DynamoStore
from onramp.domain.budget import BudgetRule
from onramp.domain.records import HUB
from onramp.ports import DEFAULT_BUDGET, Ports, Rules
from ops.stage.configuration import Values
from ops.stage.translated import translated

if TYPE_CHECKING:
    from ops.doctor.stage import Stage

NOTICED: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class AwsClock:
    """`Clock` by AWS's time: a wrong clock here must not spoil the functions' budget."""

    stage: "Stage"

    def now(self) -> datetime:
        """The time, in UTC."""
        offset = self.stage.secret().offset
        # A Date header is exact to the second: only a difference beyond that is one.
        return self.stage.clock.now() + (offset if abs(offset) > NOTICED else timedelta(0))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.stage.clock.sleep(seconds)

    def draw(self) -> float:
        """A number in [0, 1)."""
        return secrets.randbelow(1000) / 1000

    def new_id(self) -> str:
        """A new identifier."""
        return secrets.token_hex(16)

    def new_secret(self) -> str:
        """A new secret."""
        return secrets.token_urlsafe(32)


class Silent:
    """`Telemetry` of somebody who tells a person instead."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None:
        """Count nothing."""

    def info(self, message: str, **fields: str | float | None) -> None:
        """Say nothing."""

    def warn(self, message: str, **fields: str | float | None) -> None:
        """Say nothing."""


def of_hub(values: Values, hub: str) -> Mapping[str, object]:
    """What the configuration says of a hub beside the one of [partner]; nothing where there is none."""
    hubs = values.raw.get("hubs")
    own = hubs.get(hub) if isinstance(hubs, Mapping) else None
    return own if isinstance(own, Mapping) else {}


def _number(values: Values, hub: str | None, name: str, otherwise: int) -> int:
    own = of_hub(values, hub or "").get(name)
    return own if isinstance(own, int) and own > 0 else values.number(f"partner.{name}", otherwise)


def ports_of(stage: "Stage", hub: str | None = None) -> Ports:
    """What use cases need to read the stage's table and to keep the budget of a hub. Raises `Stop`."""
    values, clock = stage.values, AwsClock(stage)
    usual = int(DEFAULT_BUDGET.window.total_seconds())
    rule = BudgetRule(
        calls=_number(values, hub, "budget_calls", DEFAULT_BUDGET.calls),
        window=timedelta(seconds=_number(values, hub, "budget_window_seconds", usual)),
    )
    return Ports(
        store=DynamoStore(translated(stage.aws.dynamodb), stage.output("TableName"), clock),
        clock=clock,
        telemetry=Silent(),
        rules=Rules(budget=rule),
        hub=hub or HUB,
    )
