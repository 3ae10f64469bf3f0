"""The browser module as it is built and typed: no browser is needed for that."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.paths import ROOT
from onramp.domain.errors import PROBLEMS

WEB = ROOT / "web"
TYPES = (WEB / "onramp.d.ts").read_text(encoding="utf-8")
TOOLS = ROOT / ".local" / "web" / "node_modules"
USE = """
import { connect, type Failure, type Journey, type OnrampConnectElement } from "./onramp";
import { connectByRedirect } from "./onramp-redirect";

const token = async (renew: boolean) => `${renew}`;
const journey: Journey = connect({ api: "https://api.example.com", token, signup: {} });
const stop: () => void = journey.on("choice", (choice) => {
  if (choice.kind === "waba") choice.choose(choice.candidates[0]?.waba_id ?? "");
  else choice.choose(choice.candidates.map((one) => one.phone_number_id));
});
journey.on("failed", ({ code, action, meta }: Failure) => { stop(); console.log(code, action, meta.step); });
const element: OnrampConnectElement = document.createElement("onramp-connect");
element.failures = { popup_blocked: "…" };
journey.open();
const led: Journey = connectByRedirect({ api: "/", link: "a.b", redirectUri: "https://app.example.com/" });
led.on("failed", ({ code }) => console.log(code === "state_refused"));
// @ts-expect-error -- there is no SDK to be loaded
connectByRedirect({ api: "/", locale: "es_ES" });
// @ts-expect-error -- there is no such event
journey.on("nothing", () => {});
"""


def _node() -> str:
    node = shutil.which("node")
    if node is None or not TOOLS.exists():
        pytest.skip("what the module is built with is not installed: make web")
    return node


def _words(name: str) -> set[str]:
    """The members of a type of texts."""
    found = re.search(rf"export type {name} =(.*?);\n\n", TYPES, re.DOTALL)
    assert found
    return set(re.findall(r'\| "(\w+)"', found[1]))


def test_what_is_committed_is_what_the_sources_make_and_below_its_budget() -> None:
    told = subprocess.run(
        [_node(), str(WEB / "build.mjs"), "--check"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert re.search(r"^onramp\.js: \d+ bytes, \d+ compressed", told.stdout)


def test_the_types_are_right_for_who_uses_them(tmp_path: Path) -> None:
    node = _node()
    (tmp_path / "use.ts").write_text(USE, encoding="utf-8")
    for name in ("onramp.d.ts", "onramp-redirect.d.ts"):
        shutil.copy(WEB / name, tmp_path)
    options = [
        "--noEmit",
        "--strict",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--target",
        "es2022",
    ]
    command = [node, str(TOOLS / "typescript" / "bin" / "tsc"), *options, str(tmp_path / "use.ts")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert told.stdout == ""


def test_the_types_name_every_failure_of_the_modules_own() -> None:
    table = (WEB / "src" / "failures.js").read_text(encoding="utf-8")
    assert _words("ModuleCode") == set(re.findall(r"^  (\w+): \[", table, re.MULTILINE))


def test_the_types_name_every_failure_of_the_way_without_a_window() -> None:
    added = (WEB / "src" / "redirect.js").read_text(encoding="utf-8").partition("Object.assign(TABLE, {")[2]
    codes = set(re.findall(r"^  (\w+): \[", added.partition("\n});")[0], re.MULTILINE))
    assert codes - _words("ModuleCode") == _words("RedirectCode")
    guide = (ROOT / "docs" / "front-end.md").read_text(encoding="utf-8")
    told = guide.partition("\n## Without a popup (experimental)\n")[2].partition("\n## ")[0]
    assert codes <= set(re.findall(r"`(\w+)`", told))


def test_the_codes_of_the_api_that_it_names_are_the_apis() -> None:
    assert _words("ApiCode") <= set(PROBLEMS)
