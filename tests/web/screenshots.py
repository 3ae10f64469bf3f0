"""Pictures of every state of the hosted page, each at 1280 and 390 pixels, light and dark.

    PYTHONPATH=functions .venv/bin/python -m tests.web.screenshots docs/pictures/page

They go into the folder as ``<state>-<width>-<scheme>.webp``. `--only` takes the beginning of names.
"""

import argparse
import base64
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright
from starlette.responses import Response

from tests.web.page_stage import (
    AT,
    TOKEN,
    Json,
    Stage,
    failure,
    number,
    problem,
    running,
    second_number,
)

WIDTHS: Mapping[int, ViewportSize] = {
    1280: {"width": 1280, "height": 800},
    390: {"width": 390, "height": 844},
}
SCHEMES = ("light", "dark")
CHOSEN: Mapping[int, str] = {1280: "light", 390: "dark"}
WEBP = """async (source) => {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.toDataURL("image/webp", 0.7);
}"""
IN_APP = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 [FBAN/FBIOS;FBAV/500.0]"

type Act = Callable[[Page, Stage], None]


def _click(page: Page, _stage: Stage) -> None:
    page.locator(".first:not([aria-disabled])").click()


def _then(name: str) -> Act:
    def wait(page: Page, stage: Stage) -> None:
        _click(page, stage)
        page.locator(f"[data-screen={name}]").wait_for()

    return wait


def _empty(page: Page, stage: Stage) -> None:
    _then("choice")(page, stage)
    page.locator("[type=submit]").click()
    page.locator(".option").nth(1).hover()


def _another(page: Page, _stage: Stage) -> None:
    page.get_by_role("button", name="Open in another browser").click()
    page.locator("[data-screen=elsewhere]").wait_for()


def _offline(page: Page, _stage: Stage) -> None:
    page.context.set_offline(True)
    page.locator("#offline strong").wait_for()


def one_of_accounts() -> Response:
    """The API asks which account."""
    candidates = [
        {"waba_id": "102290129340398", "name": "Bäckerei Sommer"},
        {"waba_id": "102290129340399", "name": "Café Sommer"},
        {"waba_id": "102290129340400"},
    ]
    return problem(409, "waba_ambiguous", candidates=candidates)


def one_of_numbers() -> Response:
    """The API asks which number."""
    shown = [number("listed"), second_number("listed")]
    keys = ("phone_number_id", "display_phone_number")
    return problem(409, "number_ambiguous", candidates=[{key: one[key] for key in keys} for one in shown])


class State:
    """One picture: what the stage is like, what is done, and the browser's name."""

    def __init__(
        self, setting: Callable[[Stage], object], act: Act | None = None, agent: str | None = None
    ) -> None:
        self.setting = setting
        self.act = act
        self.agent = agent

    def reach(self, page: Page, stage: Stage) -> None:
        """Bring a page there."""
        stage.page["logo_url"] = f"{stage.meta}/logo.svg"
        self.setting(stage)
        page.goto(f"{stage.api}/signup#{TOKEN}")
        page.locator("[data-screen]").wait_for()
        if not stage.sdk:
            page.locator("[data-screen=problem]").wait_for()
        elif page.locator("[data-screen=welcome]").count():
            page.locator(".first:not([aria-disabled])").wait_for()
        if self.act:
            self.act(page, stage)


def _dead(code: str, status: int = 410, **more: str) -> State:
    return State(lambda stage: setattr(stage, "dead", problem(status, code, **more)))


def _moved(status: str, *numbers: Json) -> State:
    return State(lambda stage: stage.moved(status, *numbers))


def _how(how: str, act: Act) -> State:
    return State(lambda stage: setattr(stage, "how", how), act)


STATES: Mapping[str, State] = {
    "welcome": State(lambda _: None),
    "coexistence": State(lambda stage: setattr(stage, "flow", "coexistence")),
    "window": _how("wait", _then("window")),
    "accounts": State(lambda stage: stage.on_code.append(one_of_accounts()), _then("choice")),
    "numbers": State(lambda stage: stage.on_numbers.append(one_of_numbers()), _empty),
    "progress": _moved("onboarding", number("ready")),
    "several": _moved("onboarding", number("connected"), second_number("submitted")),
    "waiting": _moved(
        "onboarding",
        number("created", waits_for={"code": "registration", "title": "-", "action": "-", "since": AT}),
    ),
    "connected": _moved("connected", number("connected")),
    "attention": _moved(
        "attention",
        number("connected"),
        second_number("failed", failure=failure("submission_rejected")),
    ),
    "problem": _how("cancel", _then("problem")),
    "blocked": State(lambda stage: setattr(stage, "sdk", False)),
    "unverified": State(
        lambda stage: stage.on_numbers.append(problem(422, "number_not_verified")), _then("problem")
    ),
    "expired": _dead("link_expired", refresh_url="https://wavedesk.example/new-link"),
    "revoked": _dead("link_revoked"),
    "used": _dead("link_used"),
    "wrong": _dead("unauthenticated", 401),
    "elsewhere": State(lambda _: None, agent=IN_APP),
    "another": State(lambda stage: setattr(stage, "sdk", False), _another),
    "offline": State(lambda _: None, _offline),
}


def picture(browser: Browser, target: Path, language: str = "en") -> None:
    """Bring the page into the state that a file is named after, and take its picture."""
    name, wide, scheme = target.stem.split("-")
    state, width = STATES[name], int(wide)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stage:
        context = browser.new_context(
            viewport=WIDTHS[width],
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=1,
            locale=language,
            user_agent=state.agent,
            reduced_motion="reduce",
        )
        page = context.new_page()
        state.reach(page, stage)
        # As tall as the page is: what sticks to the screen's edge stands where it belongs.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        target.write_bytes(_as_webp(context, page.screenshot()))
        context.close()


def _as_webp(context: BrowserContext, picture_png: bytes) -> bytes:
    """A picture as the browser compresses it: a tenth of the bytes, and nothing that an eye misses."""
    page = context.new_page()
    made = page.evaluate(WEBP, f"data:image/png;base64,{base64.b64encode(picture_png).decode()}")
    page.close()
    return base64.b64decode(made.partition(",")[2])


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chosen", action="store_true", help="one of each width, light and dark by turns")
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--language", default="en")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name in STATES:
            for width in WIDTHS:
                for scheme in (CHOSEN[width],) if options.chosen else SCHEMES:
                    label = f"{name}-{width}-{scheme}"
                    if label.startswith(tuple(options.only)):
                        target = options.folder / f"{label}.webp"
                        picture(browser, target, options.language)
                        sys.stdout.write(f"{target}\n")
        browser.close()


if __name__ == "__main__":
    main()
