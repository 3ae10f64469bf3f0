"""The policy simulator, which judges the conditions that the emulator cannot: a package of Node's."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.node import use_packaged_node
from infra.paths import ROOT
from tests.iam.policies import ACCOUNT, Json, Policies
from tests.iam.requests import Request

HERE = Path(__file__).parent
TOOLS = ROOT / ".local" / "iam"


def is_there() -> bool:
    """Whether `make policies` has been run."""
    return (TOOLS / ".synced").exists()


def allowed(requests: Sequence[Request], policies: Policies) -> list[bool]:
    """Judge requests by the policies of their functions and of their resources."""
    use_packaged_node()
    done = subprocess.run(
        [os.environ.get("JSII_NODE", "node"), str(HERE / "judge.cjs")],
        cwd=TOOLS,
        input=json.dumps(_asked(requests, policies)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    verdicts: list[str] = json.loads(done.stdout)
    assert set(verdicts) <= {"Allowed", "ImplicitlyDenied", "ExplicitlyDenied"}, verdicts
    return [verdict == "Allowed" for verdict in verdicts]


def _asked(requests: Sequence[Request], policies: Policies) -> Json:
    documents = _Documents()

    def one(request: Request) -> Json:
        session = f"{policies.role(request.function)}/{request.function}"
        kept = [
            statement
            for number, statement in enumerate(policies.statements(request.function))
            if number != request.without
        ]
        return {
            "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/{session}",
            "account": ACCOUNT,
            "action": request.action,
            "resource": request.resource,
            "context": {"aws:SecureTransport": "true", **request.context},
            "policy": documents.place({"Version": "2012-10-17", "Statement": kept}),
            "resourcePolicy": documents.place(policies.of_resource(request.resource)),
        }

    return {"requests": [one(request) for request in requests], "policies": documents.all}


class _Documents:
    """Policies, each once; a request names its own by their places."""

    def __init__(self) -> None:
        self.all: list[Json] = []
        self._places: dict[str, int] = {}

    def place(self, document: Json | None) -> int | None:
        if document is None:
            return None
        place = self._places.setdefault(json.dumps(document), len(self.all))
        if place == len(self.all):
            self.all.append(document)
        return place
