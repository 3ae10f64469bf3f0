"""What docs/front-end.md prints for a shell works there as printed; what it says of files and names is so."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.command_line import understood
from infra.paths import ROOT
from local.options import add_arguments, from_arguments
from onramp.inbound.opening import OpenSignupBody
from tests.clients.conftest import Stage, address, stage
from tests.docs.front_end import GUIDE, LATER, block, prepared
from tests.gateway import route_of

__all__ = ["address", "stage"]

TESTS = (
    Path(__file__),
    Path(__file__).with_name("test_front_end.py"),
    ROOT / "tests" / "clients" / "test_clients.py",
)


@pytest.fixture
def onramp(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return prepared(stage, monkeypatch)


KEY, SECRET, SESSION, REGION = "AKIAEXAMPLE", "secret-of-the-caller", "session-of-the-caller", "eu-central-1"


def is_signed(method: str, url: str, headers: dict[str, str], body: str) -> bool:
    """Whether a request carries the signature that AWS would ask of it."""
    told = re.search(r"SignedHeaders=([^,]+), ?Signature=(\w+)", headers.get("authorization", ""))
    if told is None or headers.get("x-amz-security-token") != SESSION:
        return False
    request = AWSRequest(method, url, data=body, headers={name: headers[name] for name in told[1].split(";")})
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY, SECRET), "execute-api", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return bool(auth.signature(text, request) == told[2])


@pytest.fixture
def shell(onramp: Stage, address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a printed script against the API; its calls by IAM must be signed."""
    bash, curl = shutil.which("bash"), shutil.which("curl")
    if bash is None or curl is None:
        pytest.skip("needs bash and curl")
    answer, unsigned = onramp.answer, []

    def checked(method: str, target: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        route = route_of(method, urlsplit(target).path)
        if route and route.access == "iam" and not is_signed(method, address + target, headers, body):
            unsigned.append(target)
        return answer(method, target, headers, body)

    monkeypatch.setattr(onramp, "answer", checked)
    aws = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SESSION}

    def run(script: str, **variables: str) -> str:
        environment = {"PATH": os.environ["PATH"], "API": address, "AWS_REGION": REGION, **aws, **variables}
        done = subprocess.run(
            [bash, "-euc", script], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert unsigned == []
        assert onramp.faults == []
        return done.stdout

    return run


def test_a_server_makes_a_link_by_iam_as_printed(shell: Callable[..., str]) -> None:
    link = json.loads(shell(block("make-link.sh"), TENANT="tenant-1"))
    assert (link["status"], link["language"], link["reference"]) == ("open", "es", "customer-4711")
    assert re.fullmatch(r"https://\S+/signup#\w+\.\S{43}", link["url"])


def test_a_server_makes_a_link_with_a_token_as_printed(shell: Callable[..., str]) -> None:
    link = json.loads(shell(block("make-link-with-token.sh"), TOKEN="tenant-1"))
    assert link["status"] == "open"


def test_the_calls_work_in_a_shell_as_printed(shell: Callable[..., str], onramp: Stage) -> None:
    calls, _, by_role = block("calls.sh").partition("# from a server of yours")
    opening, rest = calls.split("curl", 2)[0], calls.split("curl", 2)[1:]
    customer = onramp.world.customer()
    opened = json.loads(shell(f"{opening}curl{rest[0]}", TOKEN="tenant-1"))
    told = shell(calls, TOKEN="tenant-1", ID=opened["id"], CODE=customer["code"])
    assert '"code":' not in told.partition('"timeline"')[0]
    onramp.world.run(LATER)
    number = onramp.world.number(customer["wabas"][0]["numbers"][0]["id"])
    key = json.loads(shell(f"#{by_role}", CHANNEL=str(number.channel_id)))
    assert key["api_key"] == onramp.world.stored_key(number).api_key


def test_what_is_printed_as_a_signups_body_is_one() -> None:
    printed = [
        json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    ]
    assert printed
    for body in printed:
        assert OpenSignupBody.model_validate(body).model_dump(exclude_unset=True) == body


def test_the_commands_of_the_guide_are_understood() -> None:
    commands = re.findall(r"^onramp (.*)$", GUIDE, re.MULTILINE)
    assert commands
    for command in commands:
        understood(shlex.split(command))


def test_an_origin_reaches_the_local_run() -> None:
    (origin,) = re.findall(r"^make local ORIGIN=(\S+)$", GUIDE, re.MULTILINE)
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlocal:")[2].partition("\n\n")[0]
    assert "$(addprefix --origin ,$(ORIGIN))" in recipe
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert from_arguments(parser.parse_args(["--origin", origin])).allowed_origins == (origin,)


def test_every_code_block_of_a_file_is_run() -> None:
    named = set(re.findall(r"^```\w+\n(?://|#|<!--) ([\w.-]+\.\w+)(?: -->)?$", GUIDE, re.MULTILINE))
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    assert len(named) > 8
    assert not [name for name in sorted(named) if f'"{name}"' not in tests]


def test_every_code_of_the_module_is_explained() -> None:
    types = (ROOT / "web" / "onramp.d.ts").read_text(encoding="utf-8")
    known = re.findall(r'\| "(\w+)"', types.partition("export type ModuleCode =")[2].partition("export ")[0])
    table = GUIDE.partition("<!-- module codes:")[2].partition("\n\n|")[2].partition("\n\n")[0]
    told = [code for row in table.splitlines()[2:] for code in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(known)


def test_the_generator_that_is_named_is_the_one_that_is_tried() -> None:
    packages = json.loads((ROOT / "tests" / "clients" / "package.json").read_text(encoding="utf-8"))
    version = packages["devDependencies"]["openapi-typescript"]
    assert f"npx openapi-typescript@{version} contract/openapi.json" in GUIDE
