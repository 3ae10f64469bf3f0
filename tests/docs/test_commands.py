"""docs/commands.md is what the command line itself says: each command, its options, exit codes, cost."""

import pytest

from harness.command_line import all_commands
from harness.command_page import DOCUMENT, rewritten

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_page_is_that_of_the_command_line() -> None:
    assert rewritten(TEXT) == TEXT, "PYTHONPATH=functions python -m harness.command_page writes it anew"


@pytest.mark.parametrize(("name", "command"), list(all_commands()))
def test_every_command_and_option_says_what_it_is_for(name: str, command: object) -> None:
    assert f"| `onramp {name}" in TEXT
    assert command.help, name  # type: ignore[attr-defined]
    silent = [one.name for one in command.params if not getattr(one, "help", "")]  # type: ignore[attr-defined]
    assert not silent, f"onramp {name}: {silent}"


def test_what_asks_for_confirmation_can_be_told_not_to() -> None:
    asking = {name for name, command in all_commands() if any(p.name == "yes" for p in command.params)}
    for name in ("clients erase", "numbers cancel", "dead-letters purge", "retained delete", "table empty"):
        assert name in asking
