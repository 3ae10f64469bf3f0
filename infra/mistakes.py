"""Mistakes in the configuration, each told in one line: where, what is wrong, and what to do.

Each field is looked at by itself, so that all mistakes are told at once and none hides another.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infra.config_rules import Around, Rule

_LONGEST_SHOWN = 60
_LARGEST_SHOWN = 10**20
_MOST_OF_A_FIELD = 3
# Behind a table's own name stands that of a value in it.
_DEPTH_INSIDE = 2
# How like a name must be to be meant.
_ALIKE = 0.6
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (NoneType, "null"),
    (bool, "true or false"),
    (str, "text"),
    ((int, float), "a number"),
    ((list, tuple), "a list"),
    (Mapping, "a table"),
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`name` is ``section.key``, or deeper, or a section alone; `told` says what is wrong and what to do."""

    name: str
    told: str

    @property
    def place(self) -> str:
        """Where it is, as the file has it: ``[section] key``."""
        section, _, key = self.name.partition(".")
        return f"[{section}] {key}".rstrip()

    def line(self, file: str, overrides: Mapping[str, object] | None = None) -> str:
        """The whole line; a value that was given for this run is not looked for in the file."""
        for name in overrides or {}:
            if self.name == name or self.name.startswith(f"{name}."):
                return f"given for this run (-c {name}): {self.place}: {self.told}"
        return f"{file}: {self.place}: {self.told}"


class Model:
    """The configuration's sections and fields, by name."""

    def __init__(self, root: type[BaseModel]) -> None:
        self.sections: dict[str, type[BaseModel]] = {
            section: info.annotation
            for section, info in root.model_fields.items()
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        }
        self.fields: dict[str, FieldInfo] = {
            f"{section}.{key}": info
            for section, model in self.sections.items()
            for key, info in model.model_fields.items()
        }
        # A table of tables of its own, such as [hubs.<name>], is a value with the section's name.
        self.tables = tuple(name for name in root.model_fields if name not in self.sections)
        self.fields |= {name: root.model_fields[name] for name in self.tables}
        self.names = tuple(self.fields)
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    def is_list(self, name: str) -> bool:
        """Whether a field holds a list."""
        return get_origin(self.fields[name].annotation) is tuple

    def read(self, name: str, value: object) -> object:
        """A value as its field holds it. Raises `ValidationError`."""
        if name not in self._adapters:
            info = self.fields[name]
            held: Any = Annotated[info.annotation, *info.metadata, Field()]
            self._adapters[name] = TypeAdapter(held)
        return self._adapters[name].validate_python(value)


@dataclass(slots=True)
class _Reading:
    """The values that can be used so far, and the mistakes."""

    model: Model
    content: dict[str, Any]
    overrides: Mapping[str, object]
    values: dict[str, object] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def tell(self, name: str, told: str) -> None:
        self.mistakes.append(Mistake(name, told))


def examine(
    model: Model,
    raw: Mapping[str, Any],
    overrides: Mapping[str, object],
    rules: Sequence[Rule],
    around: Around,
) -> tuple[dict[str, Any], list[Mistake]]:
    """Put overrides into a file's content, and look at all of it.

    Args:
        model: what there may be.
        raw: the file's content.
        overrides: values for this run, by ``section.key``, as text or as they are.
        rules: what values must be beside each other.
        around: what else is known.

    Returns:
        The content with the overrides, and the mistakes in the order of the file.
    """
    reading = _begun(model, raw, overrides)
    content = reading.content
    for section in model.sections:
        _read_section(reading, section)
    for name in model.tables:
        _read_value(reading, name, content)
    for name, value in content.items():
        if name not in {*model.sections, *model.tables}:
            reading.tell(name, _unknown_section(model, name, value))
    reading.mistakes += broken_rules(reading.values, rules, around)
    sections = [*model.sections, *model.tables]
    order = {name: position for position, name in enumerate([*sections, *content])}
    order |= {name: position for position, name in enumerate(sections)}
    reading.mistakes.sort(key=lambda one: order.get(one.name.partition(".")[0], len(order)))
    return content, reading.mistakes


def put_into(
    model: Model, raw: Mapping[str, Any], overrides: Mapping[str, object]
) -> tuple[dict[str, Any], list[Mistake]]:
    """A file's content with overrides in it, and those of them that name no value or cannot be read."""
    reading = _begun(model, raw, overrides)
    return reading.content, reading.mistakes


def _begun(model: Model, raw: Mapping[str, Any], overrides: Mapping[str, object]) -> _Reading:
    content = {name: dict(value) if isinstance(value, Mapping) else value for name, value in raw.items()}
    reading = _Reading(model, content, overrides)
    _apply(reading)
    return reading


def broken_rules(values: Mapping[str, object], rules: Sequence[Rule], around: Around) -> list[Mistake]:
    """The rules that values break; a rule that needs a value which is not there is not asked."""
    return [
        Mistake(name, told)
        for rule in rules
        if all(need in values for need in rule.needs)
        for name, told in rule.check(around, *(values[need] for need in rule.needs))
    ]


# --- names ---------------------------------------------------------------------------------------------


def _apply(reading: _Reading) -> None:
    """Put the overrides into the content. One whose name or text makes no sense is told and left out."""
    for name, value in reading.overrides.items():
        if name not in reading.model.fields:
            reading.tell(name, _unknown_override(reading.model, name))
            continue
        section, _, key = name.rpartition(".")
        table = reading.content.setdefault(section, {}) if section else reading.content
        try:
            parsed = _parsed(reading.model, name, value)
        except (ValueError, RecursionError) as error:
            reading.tell(name, f"not JSON: {error}")
            # Whatever the file says, it is not what is meant.
            parsed = _UNREADABLE
        if isinstance(table, dict):
            table[key] = parsed


_UNREADABLE = object()


def _parsed(model: Model, name: str, value: object) -> object:
    """An override that came as text, as its field wants it."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        return json.loads(value)
    if model.is_list(name):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def nearest(name: str, known: Sequence[str], *, alike: float = _ALIKE) -> str | None:
    """The name that was probably meant, whatever its case."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=alike)
    return by_lower[found[0]] if found else None


def meant(model: Model, name: str) -> str | None:
    """The value ``section.key`` that was probably meant by a name that is none."""
    section, _, key = name.partition(".")
    if section in model.sections:
        own = nearest(key, tuple(model.sections[section].model_fields))
        if own is not None:
            return f"{section}.{own}"
    wanted = (key or section).lower()
    elsewhere = [one for one in model.names if one.partition(".")[2] == wanted]
    return elsewhere[0] if elsewhere else nearest(name, model.names)


def _unknown_override(model: Model, name: str) -> str:
    above = next((one for one in model.names if name.startswith(f"{one}.")), None)
    if above is not None:
        return f"names a part of {above}; give {above} whole, as JSON"
    if name in model.sections:
        return f"names a section; name a value of it: {', '.join(_keys(model, name))}"
    guess = meant(model, name)
    return f"there is no such value; {_did_you_mean(guess) or 'config/example.toml has them all'}"


def _unknown_key(model: Model, section: str, key: str) -> str:
    guess = meant(model, f"{section}.{key}")
    if guess is None:
        return f"there is no such value; [{section}] has {', '.join(_keys(model, section))}"
    return f"there is no such value; {_did_you_mean(Mistake(guess, '').place)}"


def _unknown_section(model: Model, name: str, value: object) -> str:
    if isinstance(value, Mapping):
        guess = nearest(name, tuple(model.sections))
        there_are = f"there are {', '.join(f'[{section}]' for section in model.sections)}"
        return f"there is no such section; {_did_you_mean(guess and f'[{guess}]') or there_are}"
    guess = meant(model, name)
    return (
        f"stands above all sections; {_did_you_mean(guess and Mistake(guess, '').place) or 'put it into one'}"
    )


def _did_you_mean(name: str | None) -> str:
    return f"did you mean {name}?" if name else ""


def _keys(model: Model, section: str) -> Sequence[str]:
    return tuple(model.sections[section].model_fields)


# --- values --------------------------------------------------------------------------------------------


def _read_section(reading: _Reading, section: str) -> None:
    model, table = reading.model, reading.content.get(section)
    needed = [key for key, info in model.sections[section].model_fields.items() if info.is_required()]
    if table is None and needed:
        reading.tell(section, f"is missing, with {', '.join(needed)}; config/example.toml has it")
        table = dict.fromkeys(needed, _UNREADABLE)
    elif table is not None and not isinstance(table, dict):
        reading.tell(section, f"is {described(table)}, must be a section with values below [{section}]")
        table = dict.fromkeys(_keys(model, section), _UNREADABLE)
    for key in _keys(model, section):
        _read_value(reading, f"{section}.{key}", table or {})
    for key in table or {}:
        if key not in _keys(model, section):
            reading.tell(f"{section}.{key}", _unknown_key(model, section, key))


def _read_value(reading: _Reading, name: str, table: Mapping[str, object]) -> None:
    info, key = reading.model.fields[name], name.rpartition(".")[2]
    if table.get(key) is _UNREADABLE:
        return
    if key not in table:
        if info.is_required():
            reading.tell(name, f"is missing, must be {info.description}")
        else:
            reading.values[name] = info.get_default(call_default_factory=True)
        return
    try:
        reading.values[name] = reading.model.read(name, table[key])
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A list with a wrong element counts as too short besides.
        found = [problem for problem in found if problem["loc"]] or found
        for problem in found[:_MOST_OF_A_FIELD]:
            where = ".".join((name, *map(str, problem["loc"])))
            told = _told_inside(info, problem) or _told(info, key, table[key], problem)
            reading.tell(where, told)
        if len(found) > _MOST_OF_A_FIELD:
            reading.tell(name, f"and {len(found) - _MOST_OF_A_FIELD} more of this kind")


def _told(info: FieldInfo, key: str, given: object, problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    # A table may hold secrets of the deployer's: what stands in it is not shown.
    shown = kind_of(problem["input"]) if isinstance(given, Mapping) else described(problem["input"])
    whose = f"; {key} must be" if problem["loc"] else ", must be"
    return f"is {shown}{whose} {info.description}{_hint(problem)}"


def _told_inside(info: FieldInfo, problem: ErrorDetails) -> str | None:
    """A mistake in a value of a table of tables, such as ``[meta.flows.<name>]``; None for any other."""
    inner, place = _inner(info), problem["loc"]
    if inner is None or len(place) < _DEPTH_INSIDE or problem["type"] == "value_error":
        return None
    key = str(place[1])
    if key not in inner.model_fields:
        guess = nearest(key, tuple(inner.model_fields))
        return (
            f"there is no such value; {_did_you_mean(guess) or f'there are {", ".join(inner.model_fields)}'}"
        )
    must_be = inner.model_fields[key].description
    if problem["type"] == "missing":
        return f"is missing, must be {must_be}"
    return f"is {described(problem['input'])}, must be {must_be}{_hint(problem)}"


def _inner(info: FieldInfo) -> type[BaseModel] | None:
    """The tables that a field's table holds, where it holds such."""
    held = get_args(info.annotation)[-1:]
    return held[0] if held and isinstance(held[0], type) and issubclass(held[0], BaseModel) else None


def _hint(problem: ErrorDetails) -> str:
    given = problem["input"]
    if problem["type"] == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        return "; write it in quotes"
    if problem["type"] == "literal_error" and isinstance(given, str):
        choices = str(problem.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
        guess = nearest(given, [choice.strip("'") for choice in choices])
        return f"; did you mean {guess!r}?" if guess else ""
    return ""


def described(value: object) -> str:
    """A value as a sentence shows it: short, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str() if len(value) > _LONGEST_SHOWN:
            return f"{value[:_LONGEST_SHOWN]!r}… ({len(value)} characters)"
        case str():
            return repr(value) if value else "empty"
        case list() if not value:
            return "an empty list"
        case int() | float() if -_LARGEST_SHOWN < value < _LARGEST_SHOWN:
            return f"the number {value}"
    return kind_of(value)


def kind_of(value: object) -> str:
    """What kind of value it is."""
    for kinds, name in _KINDS:
        if isinstance(value, kinds):
            return name
    return "a date or time"
