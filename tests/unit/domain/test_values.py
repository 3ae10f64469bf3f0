"""Our `dataclass` behaves as the standard library's, which is asked beside it."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain import values

type Decorator = Callable[[type], type]


def pair(**options: bool) -> list[type]:
    """The same class, once of ours and once of the standard library's."""
    return [make_point(decorate(**options)) for decorate in (values.dataclass, dataclasses.dataclass)]


def make_point(decorate: Decorator) -> type:
    class Point:
        x: int
        y: int = 0
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)
        secret: str = dataclasses.field(default="", repr=False)

    return decorate(Point)


FROZEN = ({"frozen": True, "slots": True}, {"frozen": True})
POSSIBLE = (*FROZEN, {"slots": True}, dict[str, bool]())
each = pytest.mark.parametrize("options", POSSIBLE, ids=str)


@each
@given(x=st.integers(0, 2), y=st.integers(0, 2), tag=st.sampled_from("ab"), secret=st.sampled_from("st"))
def test_equality_hash_words_and_replacing(
    options: dict[str, bool], x: int, y: int, tag: str, secret: str
) -> None:
    def told(point: Any) -> list[object]:
        one, other = point(1, tags=["a"], secret="s"), point(x, y, [tag], secret)
        told = [one == other, one != other, repr(one), repr(other), one == (1, 0, [], "s")]
        if options.get("frozen"):
            told += [hash(other), len({one, other})]
        else:
            told.append(point.__hash__)
        return [*told, dataclasses.asdict(dataclasses.replace(other, y=7)), point.__match_args__]

    ours, theirs = pair(**options)
    assert told(ours) == told(theirs)


@each
@pytest.mark.parametrize(
    ("placed", "named"),
    [
        ((), {}),
        ((1, 2, [], "", 5), {}),
        ((1,), {"x": 1}),
        ((1,), {"z": 1}),
        ((), {"y": 1}),
    ],
    ids=str,
)
def test_what_is_missing_too_much_or_unknown_is_an_error(
    options: dict[str, bool], placed: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for point in pair(**options):
        with pytest.raises(TypeError):
            point(*placed, **named)


def test_what_has_to_be_named_cannot_be_placed() -> None:
    for point in pair(kw_only=True):
        assert point(x=1, y=2).y == 2
        with pytest.raises(TypeError):
            point(1)


@pytest.mark.parametrize("options", FROZEN, ids=str)
def test_what_is_frozen_does_not_change(options: dict[str, bool]) -> None:
    for point in pair(**options):
        one = point(1)
        with pytest.raises(dataclasses.FrozenInstanceError):
            one.x = 2
        with pytest.raises(dataclasses.FrozenInstanceError):
            del one.x
        assert one.x == 1


@each
def test_a_copy_is_equal_and_has_its_own_lists(options: dict[str, bool]) -> None:
    for point in pair(**options):
        one = point(1, 2, ["a"], "s")
        assert copy.copy(one) == one == copy.deepcopy(one)
        assert copy.copy(one).tags is one.tags is not copy.deepcopy(one).tags
        assert point(1).tags is not point(1).tags


@values.dataclass(frozen=True, slots=True)
class Kept:
    """Something that can be found by its name."""

    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("nameless")

    def __repr__(self) -> str:
        return "…"


@values.dataclass(frozen=True, slots=True)
class Longer(Kept):
    """With a field more."""

    more: int = 1


def test_a_method_of_its_own_stays_and_a_subclass_has_both_kinds_of_fields() -> None:
    assert repr(Kept("a")) == "…"
    with pytest.raises(ValueError, match="nameless"):
        Kept("")
    assert (Longer("a", 2).name, Longer("a", 2).more) == ("a", 2)
    assert Longer("a") != Kept("a")
    assert pickle.loads(pickle.dumps(Longer("a", 3))) == Longer("a", 3)  # noqa: S301
    match Longer("a", 3):
        case Longer(name, more):
            assert (name, more) == ("a", 3)
