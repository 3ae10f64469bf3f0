"""What a function loads before it does anything: each import is time a caller waits for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
HEAVY = ("pydantic", "httpx", "boto3", "botocore", "aws_lambda_powertools")
SCRIPT = """
import importlib, json, os, random, socket, sys, time
def refuse(*_, **__):
    raise SystemExit("used at import: the network")
socket.socket.connect = refuse
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


def loaded(module: str) -> set[str]:
    """The modules in a fresh interpreter that has imported `module` and has no setting at all."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, module],
        env={"PYTHONPATH": str(FUNCTIONS), "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def test_the_receiver_loads_the_standard_library_and_little_else() -> None:
    modules = loaded("webhook_receiver")
    assert not modules & set(HEAVY)
    ours = {name for name in modules if name.partition(".")[0] == "onramp"}
    assert ours == {
        "onramp",
        "onramp.adapters",
        "onramp.adapters.aws_light",
        "onramp.receiving",
        "onramp.signature",
    }
    outside = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert outside <= {"onramp", "webhook_receiver", "__main__", "__mp_main__", *startup()}


def startup() -> set[str]:
    """What this interpreter loads for itself, whatever it is told to do."""
    return {name.partition(".")[0] for name in loaded("json")}


@pytest.mark.parametrize("module", ["signup_queries", "number_submission"])
def test_a_function_that_calls_nobody_outside_loads_no_http_client(module: str) -> None:
    modules = loaded(module)
    assert not modules & {"httpx", "httpcore", "onramp.adapters.upstream"}


@pytest.mark.parametrize(
    "module",
    [
        "code_exchange",
        "number_submission",
        "signup_queries",
        "webhook_receiver",
        "onboarding_worker",
        "partner_event_worker",
        "reconciler",
    ],
)
def test_a_function_can_be_imported_without_a_setting_or_a_network(module: str) -> None:
    assert module in loaded(module)
