"""The guide's commands typed on a local run, where a container engine answers (docs/sam.md).

One module on purpose: workers of pytest-xdist take whole modules, so the run is started once.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.samples import EVENTS, SECRET
from infra.paths import ROOT
from local import rie
from local.children import clean_environment, free_port
from local.engine import Engine, NoEngineError
from local.options import RunOptions
from local.run import LocalStack, local_stack
from local.serve import describe
from tests.sam import guide

type Json = dict[str, Any]

MACHINE = "arm64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"
IMAGE = f"public.ecr.aws/lambda/python:3.13-{MACHINE}"
# Machines that are busy take long to make containers: waits end early when all is well.
PATIENCE = 300.0


def what_is_missing() -> str:
    """Why `sam local` cannot be tried here; empty when it can."""
    if not rie.is_installed():
        return "the SAM CLI is not there: make sam-cli"
    try:
        there = Engine.of_this_machine().has_image(IMAGE)
    except NoEngineError as error:
        return str(error)
    return "" if there else f"the container engine has no {IMAGE}: docker pull {IMAGE}"


MISSING = what_is_missing()

pytestmark = [pytest.mark.flow, pytest.mark.skipif(bool(MISSING), reason=MISSING or "nothing is missing")]


@pytest.fixture(scope="module")
def run() -> Iterator[LocalStack]:
    """What `serve` brings up, with the secret of the sample webhooks as in the guide."""
    typed = guide.command(".venv/bin/python", "-m", "local", "serve")
    assert typed[-2:] == ["--platform-secret", SECRET]
    with local_stack(RunOptions(platform_secret=SECRET)) as stack:
        yield stack


@pytest.fixture(scope="module")
def folder(run: LocalStack) -> Iterator[Path]:
    """What `make sam` writes for it; what it relays is up."""
    assert guide.command("make", "sam")
    with tempfile.TemporaryDirectory() as home:
        facts, made = Path(home) / "serve.json", Path(home) / "sam"
        facts.write_text(json.dumps(describe(run, "")), encoding="utf-8")
        words = [sys.executable, "-m", "local", "sam", "--run", str(facts), "--into", str(made)]
        with running(words, Path(home)) as log:
            await_line(log, "containers call this machine")
            time.sleep(0.5)
            yield made


@contextmanager
def running(words: list[str], home: Path) -> Iterator[Path]:
    """A command that stays up, and the log of what it says; ended as by Ctrl-C."""
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment(home), stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(home: Path) -> dict[str, str]:
    """The guide's, a home for the SAM CLI's own files, and the engine that was found."""
    _, *exports = guide.command("export", "SAM_CLI_TELEMETRY=0")
    engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
    return clean_environment(dict(pair.split("=") for pair in exports) | engine | {"HOME": str(home)})


def await_line(log: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.1)


def sam(words: list[str]) -> list[str]:
    """A command of the guide, behind its alias."""
    assert words[0] == "sam"
    return [str(rie.VENV / "bin" / "sam"), *words[1:]]


@pytest.mark.parametrize("row", guide.rows(), ids=lambda row: row.function)
def test_a_function_answers_on_the_local_run(folder: Path, row: guide.Row) -> None:
    example = guide.command("sam", "local", "invoke")
    words = guide.elsewhere(example, folder=folder, **{example[3]: row.function, example[5]: row.event})
    done = subprocess.run(
        sam(words),
        cwd=ROOT,
        env=environment(folder.parent),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if isinstance(answer, dict) and "statusCode" in answer:
        answer = answer["statusCode"]
    assert row.answers(json.dumps(answer)), f"{answer}\n{done.stderr}"


def test_what_an_invocation_opened_is_there_for_the_run(run: LocalStack) -> None:
    opened: Json = json.loads((EVENTS / "code_exchange" / "open_signup.json").read_text(encoding="utf-8"))
    tenant = opened["requestContext"]["authorizer"]["jwt"]["claims"]["sub"]
    with run.front_end(tenant) as front_end:
        listed = front_end.call("GET", "/v1/signups").json()["signups"]
    assert [one["reference"] for one in listed] == [json.loads(opened["body"])["reference"]]


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Where `sam local start-api` serves."""
    port = str(free_port())
    words = guide.elsewhere(guide.command("sam", "local", "start-api"), folder=folder, **{"3000": port})
    home = folder.parent / "api"
    home.mkdir()
    with running(sam(words), home) as log:
        await_line(log, f"Running on http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"


def test_the_api_serves_what_needs_no_token(address: str) -> None:
    _, url = guide.command("curl")
    answer = httpx.get(url.replace("http://127.0.0.1:3000", address), timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    assert answer.json()["app_id"]


def test_the_api_takes_a_webhook(address: str, run: LocalStack) -> None:
    event: Json = json.loads((EVENTS / "webhook_receiver" / "channel_live.json").read_text(encoding="utf-8"))
    answer = httpx.post(
        address + event["rawPath"],
        content=event["body"],
        headers={"X-360dialog-Signature": event["headers"]["x-360dialog-signature"]},
        timeout=PATIENCE,
    )
    assert answer.status_code == 200, answer.text


def test_the_api_knows_no_tenant(address: str) -> None:
    answer = httpx.get(f"{address}/v1/signups", timeout=PATIENCE)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
