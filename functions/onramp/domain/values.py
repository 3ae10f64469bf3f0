"""Classes of values: `dataclass`, whose methods are shared instead of compiled.

The standard library writes source code for the methods of each such class and compiles it at every start of
a function: for all our classes an eighth of what a start took (docs/performance.md). The methods below read
what to do from a class's fields; to make an instance takes a microsecond more, to make a class a tenth.
Fields, `replace`, `field`, pattern matching and errors are those of `dataclasses`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, kw_only: bool = False
    ) -> Callable[[type], type]:
        """What `dataclasses.dataclass` makes of a class; a method that the class has itself stays."""

        def make(cls: type) -> type:
            own = vars(cls).keys() & {"__init__", "__repr__", "__eq__", "__hash__"}
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            fields = dataclasses.fields(made)
            methods = {
                "__init__": _init(fields, posts=hasattr(made, "__post_init__")),
                "__repr__": _repr(fields),
                "__eq__": _eq(fields),
                "__hash__": _hash(fields) if frozen else None,
            }
            if frozen:
                methods |= {"__setattr__": _refuse, "__delattr__": _refuse, "__setstate__": _take_state}
            for name in methods.keys() - own:
                setattr(made, name, methods[name])
            return made

        return make


__all__ = ["dataclass"]

type _Fields = tuple[dataclasses.Field[Any], ...]

_put: Final = object.__setattr__


def _init(fields: _Fields, *, posts: bool) -> Callable[..., None]:
    made_of = [(field.name, _default(field)) for field in fields]
    places = [field.name for field in fields if not field.kw_only]

    def __init__(self: object, *values: object, **named: object) -> None:  # noqa: N807
        if values:
            named |= _placed(self, places, values, named)
        for name, default in made_of:
            _put(self, name, named.pop(name) if name in named else default(self))
        if named:
            raise TypeError(f"{type(self).__name__}() has no {', '.join(named)}")
        if posts:
            self.__post_init__()  # type: ignore[attr-defined]

    return __init__


def _default(field: dataclasses.Field[Any]) -> Callable[[object], object]:
    """What makes a field's value for an instance that is not given one."""
    if field.default is not dataclasses.MISSING:
        return lambda _: field.default
    if field.default_factory is not dataclasses.MISSING:
        make: Callable[[], object] = field.default_factory
        return lambda _: make()

    def lacks(self: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__}() lacks {field.name}")

    return lacks


def _placed(
    self: object, places: Sequence[str], values: Sequence[object], named: Mapping[str, object]
) -> dict[str, object]:
    given = dict(zip(places, values, strict=False))
    if len(values) > len(places) or given.keys() & named.keys():
        raise TypeError(f"{type(self).__name__}() is given too many values: {len(values)} in their places")
    return given


def _repr(fields: _Fields) -> Callable[[object], str]:
    shown = [field.name for field in fields if field.repr]

    def __repr__(self: object) -> str:  # noqa: N807
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values})"

    return __repr__


def _eq(fields: _Fields) -> Callable[[object, object], bool]:
    values = _compared(fields)

    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        return NotImplemented if type(other) is not type(self) else bool(values(self) == values(other))

    return __eq__


def _hash(fields: _Fields) -> Callable[[object], int]:
    values = _compared(fields)

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _compared(fields: _Fields) -> Callable[[object], object]:
    """What of an instance says whether it is another's equal."""
    names = [field.name for field in fields if field.compare]
    return attrgetter(*names) if names else lambda _: ()


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"{name} of {type(self).__name__} does not change")


def _take_state(self: object, state: object) -> None:
    """For a copy: what `object.__getstate__` says of a class without slots, or with them in second place."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            _put(self, name, value)
