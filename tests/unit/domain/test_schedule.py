"""When things are done again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.schedule import (
    CHECK_EVERY,
    CHECK_SOONEST,
    LONGEST_LOOK,
    RETRY_SECONDS,
    next_attempt,
    next_check,
    next_look,
)

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
moments = st.integers(0, 86_399).map(lambda seconds: timedelta(seconds=seconds))
times = st.datetimes(datetime(2025, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, times)
def test_a_check_comes_at_its_moment_once_a_day_and_not_too_soon(moment: timedelta, now: datetime) -> None:
    due_at = next_check(moment, now)
    midnight = due_at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert due_at - midnight == moment
    assert CHECK_SOONEST <= due_at - now < CHECK_SOONEST + CHECK_EVERY


@given(moments, times)
def test_a_check_that_was_made_in_time_comes_again_a_day_later(moment: timedelta, now: datetime) -> None:
    due_at = next_check(moment, now)
    assert next_check(moment, due_at) == due_at + CHECK_EVERY


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (timedelta(hours=13), NOON + timedelta(hours=1)),
        (timedelta(hours=12, minutes=59), NOON + timedelta(hours=24, minutes=59)),
        (timedelta(0), NOON + timedelta(hours=12)),
    ],
)
def test_the_next_check(moment: timedelta, expected: datetime) -> None:
    assert next_check(moment, NOON) == expected


def test_looks_come_less_and_less_often_and_never_stop() -> None:
    waits = [next_look(looks, NOON) - NOON for looks in range(20)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=10), LONGEST_LOOK)


@given(st.integers(0, 30), st.floats(0, 1, exclude_max=True))
def test_attempts_come_within_their_delay_and_end(attempts: int, drawn: float) -> None:
    at = next_attempt(attempts, NOON, lambda: drawn)
    assert (at is None) is (attempts > len(RETRY_SECONDS))
    if at is not None:
        assert NOON <= at <= NOON + timedelta(seconds=RETRY_SECONDS[max(attempts, 1) - 1])
