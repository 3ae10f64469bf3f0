"""Numbers of a proven WABA that come later: a reader is shown them, and nobody is kept waiting by Meta."""

from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.errors import Permanent, Throttled, Transient, UnavailableError, Unreadable
from onramp.domain.signup import Exchange, Signup
from onramp.usecases import read
from onramp.usecases.list_numbers import FRESH, REFUSED, REMEMBERED, Glances, ids_in, listed_in
from onramp.usecases.read import AWAITED, LATER, SOON, Whole
from tests.unit.usecases.bench import WABA, Bench


class Reader:
    """Somebody who reads one signup after the other, with the two clocks of an instance."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.monotonic = 0.0
        self.glances = Glances(lambda: self.monotonic)

    def wait(self, seconds: float) -> None:
        self.bench.wait(seconds)
        self.monotonic += seconds

    def whole(self, name: str = "s1") -> Whole:
        return self.glances.shown(self.bench.ports, read.whole(self.bench.ports, self.bench.load(name)))

    def numbers(self, name: str = "s1") -> list[str]:
        return [number.phone_number_id for number in self.whole(name).listed]


@pytest.fixture
def reader(bench: Bench) -> Reader:
    """A reader of a signup whose popup ended without a number."""
    bench.signup(numbers=())
    bench.give_token()
    return Reader(bench)


def test_a_number_that_is_listed_late_is_shown_and_not_stored(bench: Bench, reader: Reader) -> None:
    bench.meta.numbers = []
    assert reader.numbers() == []
    bench.meta.numbers = ["1001"]
    reader.wait(FRESH)
    version = bench.load().version
    assert reader.numbers() == ["1001"]
    assert listed_in(bench.ports, bench.load()) == []
    assert bench.load().version == version


def test_meta_is_asked_at_most_once_in_some_seconds(bench: Bench, reader: Reader) -> None:
    for _ in range(10):
        assert reader.numbers() == ["1001"]
        reader.wait(FRESH / 5)
    assert bench.meta.calls == ["read_numbers"] * 2


@pytest.mark.parametrize(("wall", "monotonic"), [(FRESH, 0.0), (0.0, FRESH), (-1.0, 1.0), (1.0, -1.0)])
def test_a_memory_counts_only_while_both_clocks_say_so(
    bench: Bench, reader: Reader, wall: float, monotonic: float
) -> None:
    reader.numbers()
    reader.monotonic += monotonic
    bench.clock._now += timedelta(seconds=wall)
    reader.numbers()
    assert bench.meta.calls == ["read_numbers"] * 2


def test_each_signup_has_its_own_memory_and_the_oldest_ones_go(bench: Bench, reader: Reader) -> None:
    for index in range(REMEMBERED):
        bench.signup(f"t{index}", ())
        bench.give_token(f"t{index}")
        assert reader.numbers(f"t{index}") == ["1001"]
    reader.numbers("t0")
    assert len(bench.meta.calls) == REMEMBERED
    assert reader.numbers() == ["1001"]
    assert len(bench.meta.calls) == REMEMBERED + 1
    reader.numbers("t0")
    assert len(bench.meta.calls) == REMEMBERED + 1
    reader.numbers("t1")
    assert len(bench.meta.calls) == REMEMBERED + 2


@pytest.mark.parametrize(
    "trouble",
    [
        Transient("meta_unavailable"),
        Permanent("waba_not_granted", status=401),
        Permanent("waba_locked", status=400),
        Permanent("meta_configuration", status=400),
        UnavailableError("secret"),
    ],
)
def test_a_reader_never_fails_because_of_meta(bench: Bench, reader: Reader, trouble: Exception) -> None:
    bench.meta.troubles["read_numbers"] = [trouble]
    assert reader.numbers() == []
    assert reader.numbers() == []
    assert bench.meta.calls == ["read_numbers"]
    assert bench.telemetry.warnings()
    reader.wait(REFUSED if isinstance(trouble, Permanent) else FRESH)
    assert reader.numbers() == ["1001"]


def test_what_was_found_stays_while_meta_does_not_answer(bench: Bench, reader: Reader) -> None:
    assert reader.numbers() == ["1001"]
    bench.meta.troubles["read_numbers"] = [Transient("meta_unavailable")]
    reader.wait(FRESH)
    assert reader.numbers() == ["1001"]


@pytest.mark.parametrize(("asked", "rest"), [(None, REFUSED), (5.0, REFUSED), (900.0, 900.0)])
def test_on_a_limit_meta_is_left_alone(
    bench: Bench, reader: Reader, asked: float | None, rest: float
) -> None:
    bench.meta.troubles["read_numbers"] = [Throttled("meta_unavailable", retry_after=asked)]
    reader.numbers()
    reader.wait(rest - 1)
    assert reader.numbers() == []
    reader.wait(1)
    assert reader.numbers() == ["1001"]


def test_a_token_that_cannot_be_had_is_no_readers_trouble(bench: Bench, reader: Reader) -> None:
    bench.vault.broken = True
    assert reader.numbers() == []
    bench.signup("s2", ())
    assert reader.numbers("s2") == []
    assert bench.meta.calls == []


def test_an_exchange_that_nobody_can_read_is_no_readers_trouble(bench: Bench, reader: Reader) -> None:
    stored = bench.store.read

    def broken(kind: Any, *identity: str) -> Any:
        if kind is Exchange:
            raise Unreadable("EXCHANGE")
        return stored(kind, *identity)

    bench.store.read = broken  # type: ignore[method-assign]
    assert reader.numbers() == []
    assert ids_in(bench.ports, bench.load(), WABA) is None


def test_a_signup_that_has_numbers_or_no_waba_asks_nobody(bench: Bench, reader: Reader) -> None:
    bench.signup("s2", ("1001",))
    bench.submit("s3", ("1003",))
    bench.store.commit(
        Signup.open(
            signup_id="s4",
            tenant="acme",
            client=bench.load().client,
            plan_tier="regular",
            reference=None,
            now=bench.now,
        )
    )
    for name in ("s2", "s3", "s4"):
        reader.whole(name)
    assert bench.meta.calls == []


# --- when to come again


def test_a_reader_of_a_signup_without_a_number_comes_back_the_later_the_longer_it_waits(
    bench: Bench, reader: Reader
) -> None:
    bench.meta.numbers = []
    waits = []
    for _ in range(4):
        waits.append(read.come_back_to(reader.whole(), bench.now))
        reader.wait(1_000)
    assert waits == [SOON, 100, 200, LATER]
    bench.clock.set(bench.load().created_at + AWAITED - timedelta(seconds=1))
    assert read.come_back_to(reader.whole(), bench.now) == LATER
    reader.wait(1)
    assert read.come_back_to(reader.whole(), bench.now) is None


def test_once_a_number_is_there_nobody_has_to_come_back(bench: Bench, reader: Reader) -> None:
    assert read.come_back_to(reader.whole(), bench.now) is None
    bench.submit("s2", ("1002",))
    assert read.come_back_to(reader.whole("s2"), bench.now) == SOON
