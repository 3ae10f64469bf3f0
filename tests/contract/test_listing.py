"""Lists: newest first, each record once, by what it is now."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp.adapters.memory import START
from onramp.domain.signup import SIGNUP_LIFETIME, Signup, Waba
from onramp.domain.states import Progress, SignupStatus, Standing
from onramp.ports.storage import Position
from tests.contract.conftest import Stage
from tests.contract.examples import HOSTILE, number, signup

WABA = Waba(id="w1", proof="granted_ids")
STATES: tuple[dict[str, Any], ...] = (
    {"waba": WABA},
    {"waba": WABA, "counts": {"onboarding": 1}},
    {"waba": WABA, "counts": {"connected": 1}},
    {"waba": WABA, "counts": {"failed": 1}},
    {},
)


def fill(stage: Stage, count: int, tenant: str = "acme", prefix: str = "s") -> list[str]:
    """Signups of all states, newest first. Several begin in the same millisecond."""
    ids = []
    for index in range(count):
        name = f"{prefix}{index:04d}"
        stage.store.commit(signup(name, tenant, now=stage.clock.now(), **STATES[index % len(STATES)]))
        if index % 3 == 0:
            stage.clock.advance(timedelta(milliseconds=1))
        ids.append(name)
    return ids[::-1]


def walk(
    stage: Stage, tenant: str = "acme", status: str | None = None, limit: int = 5, now: datetime | None = None
) -> list[list[str]]:
    """Every page there is."""
    pages: list[list[str]] = []
    before: Position | None = None
    while True:
        found = stage.store.signups_of(tenant, status, before, limit, now or stage.clock.now())
        if not found:
            return pages
        pages.append([position.id for position in found])
        before = found[-1]


def ids(pages: list[list[str]]) -> list[str]:
    return [name for page in pages for name in page]


@pytest.mark.parametrize("limit", [1, 2, 5, 13, 100])
def test_a_walk_sees_every_signup_once_newest_first(stage: Stage, limit: int) -> None:
    expected = fill(stage, 13)
    pages = walk(stage, limit=limit)
    assert ids(pages) == expected
    assert all(len(page) == limit for page in pages[:-1])


def test_a_position_is_what_a_cursor_needs(stage: Stage) -> None:
    stage.store.commit(signup("a#b", now=START))
    (position,) = stage.store.signups_of("acme", None, None, 9, START)
    assert position == Position(START.replace(microsecond=123_000), "a#b")
    assert stage.store.signups_of("acme", None, position, 9, START) == []


def test_an_unknown_tenant_has_an_empty_list(stage: Stage) -> None:
    fill(stage, 2)
    assert walk(stage, "bravo") == []


def test_tenants_see_only_their_own(stage: Stage) -> None:
    for index, tenant in enumerate(HOSTILE):
        stage.store.commit(signup(f"s{index}", tenant), number(str(index), tenant))
    for index, tenant in enumerate(HOSTILE):
        assert ids(walk(stage, tenant)) == [f"s{index}"]
        assert [found.id for found in stage.store.numbers_of(tenant, None, None, 9)] == [str(index)]


def test_a_position_of_another_tenant_shows_nothing_of_theirs(stage: Stage) -> None:
    fill(stage, 4, "acme", "a")
    fill(stage, 4, "bravo", "b")
    foreign = stage.store.signups_of("bravo", None, None, 2, START)[-1]
    found = stage.store.signups_of("acme", None, foreign, 10, START)
    assert {position.id[0] for position in found} == {"a"}


def test_signups_made_during_a_walk_do_not_disturb_it(stage: Stage) -> None:
    expected = fill(stage, 4)
    now = stage.clock.now()
    first = stage.store.signups_of("acme", None, None, 2, now)
    stage.clock.advance(timedelta(seconds=1))
    fill(stage, 3, prefix="new")
    second = stage.store.signups_of("acme", None, first[-1], 2, now)
    assert [position.id for position in (*first, *second)] == expected


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("index", range(len(STATES)))
def test_a_status_is_exact(stage: Stage, index: int, limit: int) -> None:
    everything = fill(stage, 20)
    status = signup(now=START, **STATES[index]).status(START)
    expected = [name for name in everything if int(name[1:]) % len(STATES) == index]
    assert ids(walk(stage, status=status, limit=limit)) == expected
    assert walk(stage, status="nonsense") == []


def test_a_signup_moves_with_its_status(stage: Stage) -> None:
    record = signup()
    stage.store.commit(record)
    assert ids(walk(stage, status=SignupStatus.OPEN)) == ["s1"]
    record.waba = WABA
    stage.store.commit(record)
    assert ids(walk(stage, status=SignupStatus.OPEN)) == []
    assert ids(walk(stage, status=SignupStatus.AUTHORIZED)) == ["s1"]
    assert ids(walk(stage)) == ["s1"]


def test_an_open_signup_counts_as_expired_from_its_age_on(stage: Stage) -> None:
    for hours in range(4):
        stage.store.commit(signup(f"s{hours}", now=START + timedelta(hours=hours)))
    done: Signup = signup("done", now=START, waba=WABA)
    stage.store.commit(done)
    now = START + SIGNUP_LIFETIME + timedelta(hours=1)
    assert ids(walk(stage, status=SignupStatus.OPEN, now=now)) == ["s3", "s2"]
    assert ids(walk(stage, status=SignupStatus.EXPIRED, now=now, limit=1)) == ["s1", "s0"]
    assert ids(walk(stage, status=SignupStatus.OPEN, now=START)) == ["s3", "s2", "s1", "s0"]
    assert ids(walk(stage, status=SignupStatus.EXPIRED, now=START)) == []


# --- numbers


def numbers(stage: Stage, standing: Standing | None = None, limit: int = 2) -> list[str]:
    found: list[str] = []
    before: Position | None = None
    while page := stage.store.numbers_of("acme", standing, before, limit):
        assert len(page) <= limit
        found += [position.id for position in page]
        before = page[-1]
    return found


def test_numbers_are_listed_by_their_class_newest_first(stage: Stage) -> None:
    words = (Progress.PENDING, Progress.CONNECTED, Progress.LIVE, "charmed")
    for index in range(12):
        at = START + timedelta(minutes=index)
        stage.store.commit(number(f"{index:02d}", created_at=at, progress=words[index % 4]))
    stage.store.commit(number("gone", created_at=START - timedelta(1), cancelled_at=START))
    everything = [f"{index:02d}" for index in reversed(range(12))]
    assert numbers(stage) == [*everything, "gone"]
    assert numbers(stage, Standing.CONNECTED) == ["09", "05", "01"]
    assert numbers(stage, Standing.ONBOARDING) == [name for name in everything if int(name) % 4 != 1]
    assert numbers(stage, Standing.CANCELLED) == ["gone"]
    assert numbers(stage, Standing.FAILED) == []
