"""The pictures of the documents show what their tables say."""

import pytest

from bench.growth import DOCUMENT
from bench.plots import COSTS, FOLDER, PICTURES, Bar, bars


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_from_the_table_and_shown(name: str) -> None:
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert kept == PICTURES[name](), "python -m bench.plots"
    shown = f"](pictures/bench/{name}.svg)"
    assert any(shown in document.read_text(encoding="utf-8") for document in (DOCUMENT, COSTS))


def test_what_is_over_its_limit_looks_different() -> None:
    assert bars("a", "b", [Bar("one", 2, 1)]).count("bar over") == 1
    assert "bar over" not in bars("a", "b", [Bar("one", 1, 2), Bar("two", 1)])
