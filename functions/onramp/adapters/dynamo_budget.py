"""The partner budget in DynamoDB: one item, `BUDGET#<partner id>` / `BUDGET`, written under its version."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from onramp.adapters.dynamo_table import MISSING, Key, OnTable, Refused, When, part
from onramp.domain import budget
from onramp.domain.budget import BudgetRule, BudgetState
from onramp.domain.errors import BudgetUnavailable
from onramp.ports import Clock, Conflict, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES: Final = 20
"""Lost races before a caller is told to come back; all workers together may be at it."""
_LONGEST_JOB: Final = 64


class DynamoBudget(OnTable):
    """`BudgetStore` on the table, for one partner under one rule."""

    def __init__(
        self, client: "DynamoDBClient", table_name: str, clock: Clock, *, partner_id: str, rule: BudgetRule
    ) -> None:
        super().__init__(client, table_name, clock)
        self._key: Key = (f"BUDGET#{part(partner_id)}", "BUDGET")
        self._rule = rule

    def take(self, job: str, now: datetime) -> datetime | None:
        """See `BudgetStore.take`."""
        return self._change(now, lambda state, at: budget.take(state, self._rule, _short(job), at))

    def take_spare(self, now: datetime) -> datetime | None:
        """See `BudgetStore.take_spare`."""
        return self._change(now, lambda state, at: budget.take_spare(state, self._rule, at))

    def push_back(self, now: datetime, retry_after: float | None) -> None:
        """See `BudgetStore.push_back`. Raises `BudgetUnavailable`."""
        self._change(now, lambda state, at: budget.push_back(state, self._rule, at, retry_after))

    def _change[T](self, now: datetime, change: Callable[[BudgetState, datetime], T]) -> T:
        try:
            for tries in range(TRIES):
                state = self._load()
                before = state.model_copy(deep=True)
                result = change(state, now)
                if state == before or self._written(state):
                    return result
                self._table.pause(tries)
                # The call starts later than asked for: its start must not be counted too early.
                now = max(now, self._clock.now())
        except UnavailableError as trouble:
            raise BudgetUnavailable(str(trouble)) from trouble
        raise BudgetUnavailable("others keep writing the budget")

    def _load(self) -> BudgetState:
        item = self._table.get(self._key)
        if item is None:
            return BudgetState()
        state = BudgetState.model_validate_json(item["data"])
        state.version = item["version"]
        return state

    def _written(self, state: BudgetState) -> bool:
        seen = When.of("#version = :seen", seen=state.version) if state.version else MISSING
        data = state.model_dump_json(exclude={"version"})
        try:
            self._table.write(self._table.put(self._key, {"version": state.version + 1, "data": data}, seen))
        except (Refused, Conflict):
            return False
        return True


def _short(job: str) -> str:
    """The job's name in the line; long ones by their hash, for the whole line is one item."""
    return (
        job if len(job) <= _LONGEST_JOB else hashlib.sha256(job.encode("utf-8", "surrogatepass")).hexdigest()
    )
