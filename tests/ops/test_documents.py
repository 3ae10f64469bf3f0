"""What the documents of the command say is what the command does."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.command_line import all_commands, understood, whole
from ops.doctor.catalogue import CHECKS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "ops" / "README.md").read_text(encoding="utf-8")
RESTORING = (ROOT / "docs" / "restoring.md").read_text(encoding="utf-8")


def commands(text: str) -> Iterator[str]:
    """The command lines of a document's blocks and of its prose, as far as they name an action."""
    joined = text.replace("\\\n", " ")
    for block in re.findall(r"^ *```(?:bash)?\n(.*?)^ *```", joined, flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            for part in line.partition(" #")[0].split("&&"):
                if part.strip().startswith("onramp "):
                    yield part.strip()
    prose = re.sub(r"^ *```.*?^ *```", "", joined, flags=re.MULTILINE | re.DOTALL)
    yield from (found for found in re.findall(r"`(onramp [a-z]+ [^`]*--[^`]*)`", prose))


@pytest.mark.parametrize("line", sorted({*commands(README), *commands(RESTORING)}))
def test_every_command_line_is_understood(line: str) -> None:
    words = shlex.split(re.sub(r"<[^>]*>", "value", line))
    understood(words[1:])


def test_every_command_is_named() -> None:
    table = README.partition("| command | does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`onramp ([a-z-]+)", table)) == {name.split()[0] for name, _ in all_commands()}


def test_the_rights_table_names_checks_that_there_are() -> None:
    table = README.partition("| check | actions |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert named
    assert not named - {check.name for check in CHECKS}


def test_outputs_that_are_named_are_the_stacks() -> None:
    stack = (ROOT / "infra" / "stack.py").read_text(encoding="utf-8")
    for name in re.findall(r"<(\w+) of the (?:old|new)", RESTORING):
        assert f'"{name}"' in stack or name == "EventsQueueUrl", name


@pytest.mark.parametrize(("name", "command"), list(all_commands()))
def test_every_command_explains_itself(name: str, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    whole().main([*name.split(), "--help"], prog_name="onramp", standalone_mode=False)
    assert " ".join(command.help.split()[:3]) in " ".join(capsys.readouterr().out.split())
