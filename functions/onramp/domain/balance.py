"""A partner's balance at 360dialog, as it was read last, and whether it was told that it is low."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from onramp.domain.facts import FACTS, FactType
from onramp.domain.records import HUB, Fact, Record, Stored


class Money(Record):
    """An amount in a currency, as text: it is told, not reckoned with."""

    currency: str
    total: str


class Balance(Stored):
    """That of one hub. `asked_at`: when it was asked for last, `read_at` when that was answered.

    `low_since`: when it was found below what the stage watches first, until it is found above again.
    """

    KIND: ClassVar[str] = "BALANCE"

    hub: str = HUB
    asked_at: datetime | None = None
    read_at: datetime | None = None
    amounts: list[Money] = Field(default_factory=list)
    low_since: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The hub."""
        return (self.hub,)

    def read(self, amounts: Sequence[tuple[str, Decimal]], watched: int, now: datetime) -> list[Fact]:
        """It was read; gives what is to be told of it: once that it is low, once that it is not any more.

        Currencies cannot be compared: it is low when each amount is below `watched`.
        """
        self.asked_at = self.read_at = now
        self.amounts = [Money(currency=currency, total=f"{total:f}") for currency, total in amounts]
        is_low = all(total < watched for _, total in amounts)
        if is_low == (self.low_since is not None):
            return []
        self.low_since = now if is_low else None
        fact = FactType.BALANCE_LOW if is_low else FactType.BALANCE_RECOVERED
        detail: dict[str, str | None] = {
            "total": ", ".join(f"{money.total} {money.currency}" for money in self.amounts),
            "watched": str(watched),
            "hub": self.hub,
        }
        return [Fact(type=fact, at=now, subject=f"HUB#{self.hub}", detail=detail, bus=FACTS[fact].bus)]
