"""``sam``: what the SAM CLI needs to run single functions on a local run that is up.

The template is the synthesized one, with its code beside it and two changes. Each function goes by its plain
name. And it declares the variables by which it finds an AWS that is not AWS, for the SAM CLI fills in those
alone that a function declares. The values are those of the deployed functions.

A run listens on 127.0.0.1 alone, which in a container is the container. An engine in a virtual machine has a
name for the machine around it that reaches even that. On Linux a container reaches the gateway of its bridge,
an address of this machine, from which the ports of the run are relayed. The SAM CLI's own way, a container on
the host's network, does not exist: it takes `--docker-network host`, and leaves the container on the bridge.
"""

import contextlib
import copy
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import deploy, stack
from local.aws import Aws
from local.children import LOCAL_HOST, STATE_DIR
from local.engine import Engine
from local.progress import Terminal
from local.relay import relaying

type Json = dict[str, Any]

SAM_FOLDER = STATE_DIR / "sam"
"""Where it is written unless told otherwise."""

TEMPLATE = "template.json"
VARIABLES = "variables.json"

DESKTOP_HOST = "host.docker.internal"
"""How containers of an engine in a virtual machine call the machine around it."""

_CHECK_SECONDS = 0.5
_FUNCTION = "AWS::Lambda::Function"


class NotRunningError(RuntimeError):
    """No local run is up whose functions could be used."""


def run_sam(facts_file: Path, folder: Path, *, host: str | None, terminal: Terminal) -> None:
    """Writes what the SAM CLI needs, and lets containers reach the run while it is up.

    Args:
        facts_file: What the run tells of itself, as ``serve`` writes it.
        folder: Where to write; what was there before goes.
        host: How a container calls this machine; None finds out.
        terminal: Where it is told.

    Raises:
        KeyboardInterrupt: Somebody ended it.
        NoEngineError: No container engine answers, and no host was given.
        NotRunningError: There is no such run, or it has ended.
        OSError: The folder cannot be written, or a port is taken.
        SynthError: The stack cannot be synthesized.
    """
    facts = read_facts(facts_file)
    assembly = stack.synthesize()
    gateway = None if host else own_gateway(Engine.of_this_machine())
    name = host or gateway or DESKTOP_HOST
    variables = prepare(facts, assembly, folder, host=name)
    terminal.title(
        f"{folder / TEMPLATE} and {VARIABLES} are for this run; containers call this machine {name}."
    )
    if gateway is None:
        return
    with relaying(gateway, ports_at(gateway, variables)):
        terminal.title(f"Relaying from {gateway} to {LOCAL_HOST}. Ctrl-C stops it.")
        while facts_file.exists():
            time.sleep(_CHECK_SECONDS)
    raise NotRunningError("the local run has ended")


def own_gateway(engine: Engine) -> str | None:
    """Gives the address by which the engine's containers reach this machine, if it is one of this machine's.

    An engine in a virtual machine, such as Docker Desktop's, has its gateway there.
    """
    address = engine.gateway()
    if address is None:
        return None
    try:
        socket.create_server((address, 0)).close()
    except OSError:
        return None
    return address


def ports_at(host: str, variables: Mapping[str, Mapping[str, str]]) -> set[int]:
    """Lists the ports of a host that URLs among the variables name."""
    values = (value for own in variables.values() for value in own.values())
    found = re.compile(rf"http://{re.escape(host)}:(\d+)")
    return {int(port) for value in values for port in found.findall(value)}


def prepare(facts: Json, assembly: Path, folder: Path, *, host: str) -> dict[str, dict[str, str]]:
    """Writes the template, the code and the variables for a run that is up.

    Args:
        facts: What the run tells of itself.
        assembly: The synthesized stack.
        folder: Where to write; what was there before goes.
        host: How a container calls this machine, in place of 127.0.0.1.

    Returns:
        The variables of each function.

    Raises:
        OSError: The folder cannot be written.
    """
    synthesized = deploy.read_assembly(assembly, region=facts["aws_region"])
    own = connection(facts)
    template = with_names(synthesized.template, facts["functions"], declared=own)
    variables = {
        name: here(_deployed(facts, physical) | own, host) for name, physical in facts["functions"].items()
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="sam-") as made:
        new = Path(made) / "new"
        shutil.copytree(assembly, new)
        (new / TEMPLATE).write_text(json.dumps(template, indent=1), encoding="utf-8")
        _write_private(new / VARIABLES, variables)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(Path(made) / "old")
        new.rename(folder)
    return variables


def read_facts(file: Path) -> Json:
    """Reads what a run tells of itself.

    Raises:
        NotRunningError: There is none.
    """
    try:
        facts: Json = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotRunningError("no local run is up: start `make local` first") from None
    return facts


def connection(facts: Json) -> dict[str, str]:
    """The variables by which a function finds the emulated AWS; the keys are anybody's."""
    return {
        "AWS_ENDPOINT_URL": facts["aws_endpoint_url"],
        "AWS_REGION": facts["aws_region"],
        "AWS_DEFAULT_REGION": facts["aws_region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def with_names(template: Json, functions: Mapping[str, str], *, declared: Mapping[str, str]) -> Json:
    """Gives a copy of a template in which the SAM CLI knows each function by its plain name.

    Args:
        template: A synthesized template; stays unchanged.
        functions: The functions meant, by the module that holds the handler.
        declared: Variables that each of them gets on top of its own.
    """
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        name = str(resource.get("Properties", {}).get("Handler", "")).partition(".")[0]
        if resource["Type"] == _FUNCTION and name in functions:
            resource.setdefault("Metadata", {})["SamResourceId"] = name
            own = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            own.update(declared)
    return changed


def here(variables: Mapping[str, str], host: str) -> dict[str, str]:
    """Variables in which this machine has the name by which a container calls it."""
    return {name: value.replace(LOCAL_HOST, host) for name, value in variables.items()}


def _deployed(facts: Json, physical: str) -> dict[str, str]:
    with contextlib.closing(Aws(endpoint=facts["aws_endpoint_url"], region=facts["aws_region"])) as aws:
        settings = aws.functions.get_function_configuration(FunctionName=physical)
    return dict(settings["Environment"]["Variables"])


def _write_private(file: Path, content: object) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(content, opened, indent=1)
