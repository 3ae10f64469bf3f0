"""Pictures of the console and of Meta's simulated window at two widths, of a `make local` that is up.

    PYTHONPATH=functions:. .venv/bin/python -m tests.local.pictures docs/pictures/console

They go into the folder as ``<state>-<width>-<scheme>.webp``.
"""

import argparse
import base64
import json
from pathlib import Path
from typing import Any

from local.published import run_file
from tests.local.browsers import chromium, last_click

SIZES = {1280: 900, 390: 844}
SCHEMES = ("light", "dark")
WEBP = """async (source) => {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.toDataURL("image/webp", 0.75);
}"""


class Album:
    """A folder of pictures."""

    def __init__(self, folder: Path, browser: Any) -> None:
        self.folder = folder
        self.darkroom = browser.new_page()
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, page: Any, state: str, *, at: str | None = None) -> None:
        """Takes a state in both widths and schemes; on a telephone it begins `at` an element."""
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.evaluate("scrollTo(0, 0)")
                if at and width < max(SIZES):
                    page.locator(at).evaluate("(node) => node.scrollIntoView()")
                page.wait_for_timeout(250)
                source = f"data:image/png;base64,{base64.b64encode(page.screenshot()).decode()}"
                _, _, kept = self.darkroom.evaluate(WEBP, source).partition(",")
                (self.folder / f"{state}-{width}-{scheme}.webp").write_bytes(base64.b64decode(kept))


def main() -> None:
    """Plays a signup, breaks it, and takes a picture of each state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    address = json.loads(run_file().read_text())["page_url"]
    with chromium() as browser:
        album = Album(folder, browser)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator("#tenant [name=tenant]").fill("pictures")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("signed in as pictures").wait_for()
        album.take(page, "start")
        page.get_by_label("On this page").check()
        page.get_by_role("button", name="Start", exact=True).click()
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Continue with Meta").click()
        window = opened.value
        for state, heading in (
            ("window-business", "Choose a business portfolio"),
            ("window-account", "Choose a W"),
        ):
            window.get_by_role("heading", name=heading).wait_for()
            album.take(window, state)
            window.get_by_role("button", name="Continue").click()
        last_click(window.get_by_role("button", name="Finish with what is shown"))
        page.locator("#stage-status").get_by_text("connected").wait_for(timeout=120_000)
        album.take(page, "connected", at="#stage")
        page.get_by_role("button", name="Meta restricts it").click()
        page.get_by_role("button", name="Lose every webhook").click()
        page.locator("#numbers").get_by_text("restricted", exact=True).first.wait_for(timeout=60_000)
        album.take(page, "broken", at="#break")
        page.get_by_role("button", name="Heal everything").click()
        page.get_by_text("all well").wait_for()
        page.set_viewport_size({"width": 1280, "height": 900})
        page.locator("#events-panel").evaluate("(node) => node.scrollIntoView()")
        page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
