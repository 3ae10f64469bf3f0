"""The secret: filled, and of the right shape."""

from collections.abc import Iterator, Mapping
from typing import Final

from ops.doctor.findings import Finding, fail, ok, together, warn
from ops.doctor.secret import TEXTS, Names, fill_advice, is_placeholder, key_problem, names_of
from ops.doctor.stage import Stage

MOST_SECRETS: Final = 2
"""The one in use, and the one before or after it while it is being replaced."""


def secret(stage: Stage) -> Finding:
    """Whether the secret holds all that the functions read, and nothing that was never meant to be used."""
    read = stage.secret()
    if read.problem is not None:
        return read.problem
    advice = fill_advice(stage.output("SecretArn"))
    found = [
        Finding(level=item.level, detail=item.detail, advice=item.advice or advice)
        for item in _problems(read.content, names_of(stage.values))
    ]
    if found:
        return together(found, "")
    count = len(read.platform_secrets())
    return ok(f"holds {', '.join(TEXTS)} and {count} platform secret{'s' if count > 1 else ''}")


def _problems(content: Mapping[str, object], names: Names) -> Iterator[Finding]:
    yield from needed_problems(content, names)
    for name in names.optional:
        if name in content:
            yield from _value_problems(name, content[name])
    if unknown := sorted(set(content) - set(names.known)):
        yield warn(f"nobody reads {len(unknown)} of its fields", f"Known are {', '.join(names.known)}.")


def needed_problems(content: Mapping[str, object], names: Names) -> Iterator[Finding]:
    """What is missing of some names in a secret, or cannot be meant."""
    for name in names.texts:
        if name not in content:
            yield fail(f"{name} is missing")
        else:
            yield from _value_problems(name, content[name])
    for name in names.platforms:
        yield from _platform_problems(name, content.get(name))


def _platform_problems(name: str, value: object) -> Iterator[Finding]:
    if value is None:
        yield fail(f"{name} is missing")
    elif isinstance(value, str):
        yield warn(f"{name} is one text; it should be a list of one or two")
        yield from _value_problems(name, value)
    elif not isinstance(value, list) or not 1 <= len(value) <= MOST_SECRETS:
        yield fail(f"{name} must be a list of one or two secrets")
    else:
        for number, item in enumerate(value, start=1):
            yield from _value_problems(f"{name} ({number} of {len(value)})", item)
        if len(value) > 1 and value[0] == value[1]:
            yield warn(f"{name} holds the same secret twice")


def _value_problems(name: str, value: object) -> Iterator[Finding]:
    if not isinstance(value, str):
        yield fail(f"{name} is not a text")
    elif not value.strip():
        yield fail(f"{name} is empty")
    elif is_placeholder(value):
        yield fail(f"{name} is a placeholder")
    elif value != value.strip():
        yield fail(f"{name} has blanks or a line break around it")
    elif problem := key_problem(name, value):
        yield fail(problem)
