"""A browser at the hosted page, which notes everything that must not happen there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import PAGE_PATIENCE_MS
from tests.web.page_stage import TOKEN, Stage, running

WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


class Visitor:
    """A person with a browser: the page, and what went wrong in it."""

    def __init__(self, stage: Stage, context: Any) -> None:
        self.stage = stage
        self.context = context
        self.troubles: list[str] = []
        self.asked: list[str] = []
        context.add_init_script(WATCH)
        context.set_default_timeout(PAGE_PATIENCE_MS)
        self.page = self.tab()

    def tab(self) -> Any:
        """A new tab, watched."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda message: self._heard(message.text))
        page.on("request", lambda request: self.asked.append(request.url))
        return page

    def _heard(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.troubles.append(text)

    def opens(self, token: str | None = TOKEN) -> Any:
        """Open the link."""
        self.page.goto(f"{self.stage.api}/signup" + (f"#{token}" if token else ""))
        return self.screen()

    def screen(self, name: str | None = None) -> Any:
        """The screen that is shown; waits for the one of that name."""
        found = self.page.locator(f"[data-screen={name}]" if name else "[data-screen]")
        found.wait_for()
        return found

    def clicks(self) -> None:
        """The first button, once it can be used."""
        self.page.locator(".first:not([aria-disabled])").click()

    def stored(self) -> str:
        """What the browser keeps."""
        return str(self.page.evaluate("JSON.stringify(localStorage)"))

    def heading(self) -> str:
        """The title of what is shown."""
        return str(self.page.locator("h1").inner_text())

    def focus(self) -> str:
        """What has the focus: its tag, and its text or value."""
        return str(
            self.page.evaluate(
                "(() => { const at = document.activeElement;"
                " return `${at.localName} ${at.value || at.textContent}`.trim(); })()"
            )
        )


@contextmanager
def visiting(browser: Any, folder: Path, **options: Any) -> Iterator[Visitor]:
    """A visitor of a stage of their own; nothing may have gone wrong at the end."""
    with running(folder) as stage:
        context = browser.new_context(
            **({"locale": "en", "viewport": {"width": 390, "height": 844}} | options)
        )
        visitor = Visitor(stage, context)
        try:
            yield visitor
            for page in context.pages:
                if page.url.startswith(stage.api):
                    visitor.troubles += page.evaluate("window.__violations ?? []")
            assert visitor.troubles == []
            assert not [url for url in visitor.asked if TOKEN.partition(".")[2] in url.partition("#")[0]]
        finally:
            context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with (
        playwright.sync_playwright() as player,
        player.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as running_one,
    ):
        yield running_one


@pytest.fixture
def visitor(browser: Any, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody with a phone."""
    with visiting(browser, tmp_path) as person:
        yield person
