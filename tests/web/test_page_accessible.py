"""Every state of the hosted page by the rules of WCAG 2.2 AA: both themes, all languages, phone and desk."""

from pathlib import Path
from typing import Any

import pytest

from infra.paths import ROOT
from tests.web.page_browser import browser, visiting
from tests.web.screenshots import STATES

__all__ = ["browser"]

pytestmark = pytest.mark.browser

AXE = ROOT / ".local" / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LANGUAGES = ("en", "es", "pt", "de")
RUN = """async (tags) => {
  const told = await axe.run(document, { runOnly: tags });
  const where = (one) => one.nodes.map((node) => node.target.join(" ")).join(", ");
  return told.violations.map((one) => `${one.id}: ${where(one)}`);
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make web")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", STATES)
def test_a_state_is_accessible(browser: Any, axe: str, tmp_path: Path, name: str, width: int) -> None:
    state = STATES[name]
    options = {"viewport": {"width": width, "height": 844}, "reduced_motion": "reduce"}
    with visiting(browser, tmp_path, user_agent=state.agent, **options) as visitor:
        state.reach(visitor.page, visitor.stage)
        # Evaluated by the browser's own door, which the page's policy does not hold.
        visitor.page.evaluate(axe)
        visitor.context.set_offline(False)
        for language in LANGUAGES:
            visitor.page.locator("#languages").select_option(language)
            visitor.page.locator(f"html[lang={language}]").wait_for()
            wide = visitor.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{language} is wider than the screen"
            for scheme in ("light", "dark"):
                visitor.page.emulate_media(color_scheme=scheme)
                found = visitor.page.evaluate(RUN, RULES)
                assert found == [], f"{language}, {scheme}"
