"""Clients that two public generators make of the contract compile, and run a journey on the real handlers."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.openapi import TARGET
from infra.node import use_packaged_node
from infra.paths import ROOT
from tests.clients.conftest import Stage
from tests.docs.front_end import block

HERE = Path(__file__).parent
TOOLS = ROOT / ".local" / "clients"
PYTHON = TOOLS / "python" / "bin" / "python"
TENANT = "tenant-1"

pytestmark = pytest.mark.skipif(
    not (TOOLS / ".synced").exists(), reason="the generators are not there: make clients"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below the tools, where Node finds its packages."""
    made = Path(tempfile.mkdtemp(prefix="run-", dir=TOOLS))
    yield made
    shutil.rmtree(made)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program; gives what it wrote."""
    use_packaged_node()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def node() -> str:
    use_packaged_node()
    return os.environ.get("JSII_NODE", "node")


def assert_went_well(stage: Stage, customer: dict[str, Any], seen: object) -> None:
    """A journey saw what there is to see, and nothing that the contract does not promise."""
    ids = [number["id"] for number in customer["wabas"][0]["numbers"]]
    number = stage.world.number(ids[0])
    assert seen == {
        "app": ["1234567890", ["standard"]],
        "link": ["open", "de", "https://app.example.com/done?plan=2", "standard"],
        "gave_up": 204,
        "links": [True],
        "revoked": ["revoked", 410, "link_revoked"],
        "opened": ["open", "o'neill@example.com", "premium", True],
        "location": True,
        "authorized": ["authorized", "granted_ids", ["listed", "listed"]],
        "ambiguous": ["number_ambiguous", ids, True],
        "submitted": [202, ["pending"]],
        "connected": ["connected", ["connected", "listed"], "number.connected"],
        "unchanged": [304, False],
        "signups": [[True], None],
        "numbers": [ids[0]],
        "number": [None, "connected"],
        "key": stage.world.stored_key(number).api_key,
        "invalid": [
            "invalid_request",
            [{"field": "client_id", "message": "does not have the right form"}],
        ],
        "missing": [404, "not_found"],
        "whole": "nothing_to_retry",
        "nobody": [401, {"message": "Unauthorized"}],
    }
    assert stage.faults == []
    assert stage.calls.count("GET /v1/signups/{signup_id} 200") > 2, "nothing was waited for"
    assert stage.world.key_lives(number)
    stage.world.assert_connected(number.signup_id)
    stage.world.assert_nothing_doubled()


def test_a_generated_typescript_client_compiles_and_runs_a_journey(
    stage: Stage, address: str, folder: Path
) -> None:
    for name in ("journey.ts", "tsconfig.json"):
        shutil.copy(HERE / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    bins = TOOLS / "node_modules"
    run(node(), bins / "openapi-typescript" / "bin" / "cli.js", TARGET, "-o", "onramp.d.ts", cwd=folder)
    run(node(), bins / "typescript" / "bin" / "tsc", "-p", ".", cwd=folder)
    customer = stage.world.customer(numbers=2)
    told = run(node(), folder / "out" / "journey.js", address, TENANT, customer["code"], cwd=folder)
    assert_went_well(stage, customer, json.loads(told))


def test_the_lines_of_the_guide_compile_on_the_generated_types(folder: Path) -> None:
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "client.ts").write_text(block("client.ts"), encoding="utf-8")
    settings = json.loads((HERE / "tsconfig.json").read_text(encoding="utf-8"))
    (folder / "tsconfig.json").write_text(json.dumps(settings | {"files": ["client.ts", "onramp.d.ts"]}))
    bins = TOOLS / "node_modules"
    run(node(), bins / "openapi-typescript" / "bin" / "cli.js", TARGET, "-o", "onramp.d.ts", cwd=folder)
    run(node(), bins / "typescript" / "bin" / "tsc", "-p", ".", cwd=folder)


def test_a_generated_python_client_compiles_and_runs_a_journey(
    stage: Stage, address: str, folder: Path
) -> None:
    (folder / "config.yml").write_text("post_hooks: []\n")
    told = run(
        PYTHON, "-m", "openapi_python_client", "generate", "--path", TARGET, "--config", "config.yml",
        "--meta", "none", "--output-path", "onramp_client", "--fail-on-warning",
        cwd=folder,
    )  # fmt: skip
    assert "Warning" not in told
    run(PYTHON, "-W", "error", "-m", "compileall", "-q", "onramp_client", cwd=folder)
    run(PYTHON, HERE / "answers.py", TARGET, cwd=folder, PYTHONPATH=str(folder))
    customer = stage.world.customer(numbers=2)
    told = run(
        PYTHON, HERE / "journey.py", address, TENANT, customer["code"], cwd=folder, PYTHONPATH=str(folder)
    )
    assert_went_well(stage, customer, json.loads(told))
