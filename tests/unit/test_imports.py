"""What a function loads before it does anything: each import is time a caller waits for.

Who may import whom is import-linter's to say (`pyproject.toml`); here fresh processes show what is loaded.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
MODULES = sorted(file.stem for file in FUNCTIONS.glob("*.py"))
HTTP_CLIENT = frozenset({"httpx", "httpcore", "onramp.adapters.upstream"})
SCRIPT = """
import importlib, json, os, random, socket, sys, time
def refuse(*_, **__):
    raise SystemExit("used at import: the network")
socket.socket.connect = refuse
importlib.import_module(sys.argv[1])
def models(of):
    return {one for below in of.__subclasses__() for one in {below, *models(below)}}
pydantic = sys.modules.get("pydantic")
ours = models(pydantic.BaseModel) if pydantic else set()
built = [one.__qualname__ for one in ours if one.__pydantic_complete__ and one.model_fields]
values = {
    value for name, module in list(sys.modules.items()) if name.partition(".")[0] in {"onramp", sys.argv[1]}
    for value in vars(module).values() if hasattr(value, "__dataclass_fields__") and isinstance(value, type)
}
compiled = [
    one.__qualname__ for one in values
    if one.__module__.startswith(("onramp.", sys.argv[1])) and one.__init__.__code__.co_filename == "<string>"
]
print(json.dumps({"modules": sorted(sys.modules), "built": built, "compiled": compiled}))
"""


@cache
def fresh(module: str) -> dict[str, list[str]]:
    """What a fresh interpreter has that has imported `module`, without any setting.

    All its modules, those of our models that are built, and our classes whose methods were compiled.
    """
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, module],
        env={"PYTHONPATH": str(FUNCTIONS), "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


def loaded(module: str) -> frozenset[str]:
    return frozenset(fresh(module)["modules"])


@pytest.mark.parametrize("module", MODULES)
def test_a_model_is_built_at_its_first_use(module: str) -> None:
    assert fresh(module)["built"] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_methods_of_values_are_compiled_while_a_function_loads(module: str) -> None:
    assert fresh(module)["compiled"] == []


def tops(modules: frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_receiver_loads_nothing_but_the_standard_library() -> None:
    startup = tops(loaded("json"))
    outside = tops(loaded("webhook_receiver")) - set(sys.stdlib_module_names) - startup
    assert outside == {"onramp", "webhook_receiver"}
    ours = {name for name in loaded("webhook_receiver") if name.startswith("onramp.")}
    assert ours <= {
        "onramp.adapters",
        "onramp.adapters.aws_light",
        "onramp.adapters.starting",
        "onramp.adapters.wire",
        "onramp.inbound",
        "onramp.inbound.receiving",
        "onramp.inbound.signature",
    }


@pytest.mark.parametrize("module", MODULES)
def test_an_http_client_is_loaded_by_wiring_and_never_before(module: str) -> None:
    """Which functions load one at all: `tests/runtime/test_imports.py`."""
    assert not loaded(module) & HTTP_CLIENT


@pytest.mark.parametrize("module", MODULES)
def test_a_function_can_be_imported_without_a_setting_or_a_network(module: str) -> None:
    assert module in loaded(module)


@pytest.mark.parametrize("module", MODULES)
def test_no_function_loads_what_only_tests_use(module: str) -> None:
    assert not loaded(module) & {"onramp.adapters.memory", "harness", "local", "tests"}
