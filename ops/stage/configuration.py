"""The stage's configuration file, read leniently: what is wrong with it is a finding, not the end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from infra.config import LOCAL_STAGE, ConfigError, DeploymentConfig, mistakes_in, overridden, read_toml
from infra.config_rules import EXAMPLE_STAGE, EXAMPLES, Around

_MAY_BE_EXAMPLES: Final = (LOCAL_STAGE, EXAMPLE_STAGE)


class UnusableError(Exception):
    """The command cannot begin; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of a stage, named ``section.key``, whether they are right or not.

    `place` is how messages call the file, `raw` what it holds, `example` what ``config/example.toml`` holds.
    """

    place: str
    stage: str
    raw: Mapping[str, Any]
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether this is the run on one machine, where plain http is right."""
        return self.stage == LOCAL_STAGE

    def get(self, name: str) -> object:
        """A value as it stands in the file, else its default, else None."""
        section, _, key = name.partition(".")
        table = self.raw.get(section)
        if isinstance(table, Mapping) and key in table:
            return table[key]
        return None if _field(name).is_required() else _field(name).get_default(call_default_factory=True)

    def text(self, name: str) -> str:
        """A value as text; what is no text counts as missing and is empty."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list."""
        value = self.get(name)
        return (
            tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
        )

    def number(self, name: str, otherwise: int) -> int:
        """A positive whole number, else `otherwise`."""
        try:
            value = int(str(self.get(name)))
        except ValueError:
            return otherwise
        return value if value > 0 else otherwise

    def is_example(self, name: str) -> bool:
        """Whether a value is still the one of ``example.toml``. The local run uses some of them rightly."""
        section, _, key = name.partition(".")
        table = self.example.get(section)
        given = table.get(key) if isinstance(table, Mapping) else None
        return given is not None and self.stage not in _MAY_BE_EXAMPLES and given == self.get(name)

    def changed(self, values: Mapping[str, object]) -> "Values":
        """These values with others in their place, by ``section.key``."""
        raw = {name: dict(table) if isinstance(table, Mapping) else table for name, table in self.raw.items()}
        for name, value in values.items():
            section, _, key = name.rpartition(".")
            table = raw.setdefault(section, {}) if section else raw
            # What stands in place of a section stays, to be told of.
            if isinstance(table, dict):
                table[key] = value
        return replace(self, raw=raw)

    def checked(self) -> DeploymentConfig | None:
        """The configuration as the deployment reads it; None when it would refuse it."""
        try:
            return DeploymentConfig.model_validate(self.raw)
        except ValidationError:
            return None

    def problems(self) -> list[tuple[str, str]]:
        """What the deployment would refuse: name of the value, and why."""
        found = [(one.name, one.told) for one in mistakes_in(self.raw, around=Around(stage=self.stage))]
        told = {name for name, _ in found}
        # The deployment compares these only when all of them are there and can be read.
        nobodys = [name for name in EXAMPLES if name not in told and self.is_example(name)]
        return found + [(name, "is still the one of example.toml; put your own") for name in nobodys]


def read_values(
    path: Path, *, stage: str, example: Path | None = None, overrides: Mapping[str, str] | None = None
) -> Values:
    """Read the configuration file of a stage.

    Args:
        path: the file.
        stage: the stage it is for.
        example: the file whose values are nobody's.
        overrides: values for this run by ``section.key``, as they are given to ``cdk deploy -c``.

    Raises:
        UnusableError: the file is missing or not TOML, or an override names no value.
    """
    if not re.fullmatch(r"[a-z0-9-]+", stage):
        raise UnusableError(f"stage {stage!r}: use lower-case letters, digits and hyphens")
    try:
        raw = overridden(_read_toml(path), overrides or {})
    except ConfigError as error:
        raise UnusableError(str(error)) from error
    return Values(
        place=f"{path.parent.name}/{path.name}",
        stage=stage,
        raw=raw,
        example=_read_toml(example) if example is not None and example.exists() else {},
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path, str(path))
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise UnusableError(f"{path}: No such file; copy config/example.toml to it") from error
        raise UnusableError(str(error)) from error


def _field(name: str) -> Any:  # noqa: ANN401 - pydantic's FieldInfo
    section, _, key = name.partition(".")
    model = DeploymentConfig.model_fields[section].annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(section)
    return model.model_fields[key]
