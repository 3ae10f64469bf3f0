"""The command line of ``onramp doctor``."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypedDict

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra.config import LOCAL_STAGE
from ops import ROOT
from ops.doctor.aws import Aws, StackFacts, describe_stack, is_loopback
from ops.doctor.catalogue import CHECKS, Check
from ops.doctor.checks.stack import jwt_settings
from ops.doctor.configuration import UnusableError, Values, read_values
from ops.doctor.findings import Stop
from ops.doctor.http import new_client
from ops.doctor.report import ProgressLine, Report, table_width
from ops.doctor.runner import examine
from ops.doctor.stage import Stage, local_values

COULD_NOT_RUN: Final = 2
DEFAULT_PATIENCE: Final = 40.0
_SERVE_FILE: Final = ROOT / ".local" / "serve.json"
"""Where `make local` says what it runs on."""
_WEBHOOK_PATH: Final = "/v1/webhooks/360dialog"


class _Description(TypedDict):
    help: str
    description: str
    epilog: str


DESCRIPTION: Final = _Description(
    help="check a deployed stage, name what is wrong and how to mend it",
    description="Checks a deployed stage from outside. Without --fix it changes nothing, but leaves an "
    "event of its own in the table for each platform secret.",
    epilog="Exit status: 0 all well or warnings only, 1 something failed, 2 could not begin.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    names = [check.name for check in CHECKS]
    add = parser.add_argument
    add("--stage", default=os.environ.get("ONRAMP_STAGE"), help="the stage (default: $ONRAMP_STAGE)")
    add("--config", type=Path, metavar="FILE", help="its configuration (default: config/<stage>.toml)")
    add(
        "-c",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a value that was given to `cdk deploy -c`",
    )
    add("--fix", action="store_true", help="set the partner webhook if it is wrong")
    add("--only", nargs="+", choices=names, metavar="NAME", help="these checks only")
    add("--skip", nargs="+", choices=names, default=[], metavar="NAME", help="all but these checks")
    add("--list", action="store_true", help="list the checks and end")
    add("--json", action="store_true", help="findings as JSON")
    add("--strict", action="store_true", help="a warning counts as a failure")
    add(
        "--timeout",
        type=_positive,
        default=DEFAULT_PATIENCE,
        metavar="S",
        help="seconds a check waits for something to happen (default: %(default)g)",
    )
    add(
        "--outputs",
        type=Path,
        metavar="FILE",
        help="the stack's outputs, as `cdk deploy --outputs-file` writes",
    )
    add("--region", help="AWS region (default: that of the credentials)")
    add("--profile", help="profile of the AWS credentials")
    add(
        "--endpoint-url",
        default=os.environ.get("AWS_ENDPOINT_URL"),
        metavar="URL",
        help="AWS emulator (default: $AWS_ENDPOINT_URL; for the stage local that of `make local`)",
    )


def run(given: argparse.Namespace) -> int:
    """Run the doctor on a parsed command line.

    Returns:
        The exit status: 0, 1 when something failed, 2 when it could not begin.
    """
    if given.list:
        width = max(len(check.name) for check in CHECKS)
        sys.stdout.writelines(f"{check.name:<{width}}  {check.about}\n" for check in CHECKS)
        return 0
    checks = [
        check for check in CHECKS if check.name in (given.only or _all()) and check.name not in given.skip
    ]
    if not checks:
        return _refuse("no check is left to run", as_json=given.json)
    with new_client() as http:
        try:
            stage = prepare(given, http)
        except UnusableError as error:
            return _refuse(str(error), as_json=given.json)
        with closing(stage.aws):
            return _examine(stage, checks, given)


def _all() -> list[str]:
    return [check.name for check in CHECKS]


def _refuse(why: str, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"error": why}) + "\n")
    sys.stderr.write(f"onramp doctor: {why}\n")
    return COULD_NOT_RUN


def _examine(stage: Stage, checks: Sequence[Check], given: argparse.Namespace) -> int:
    line = ProgressLine(sys.stderr, len(checks))
    started = time.monotonic()
    try:
        examined = examine(stage, checks, progress=line)
    finally:
        line.clear()
    report = Report(stage, examined, time.monotonic() - started)
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    text = report.as_json() if given.json else report.as_table(width=table_width(), colours=colours)
    sys.stdout.write(text + "\n")
    return report.exit_status(strict=given.strict)


def prepare(given: argparse.Namespace, http: httpx.Client) -> Stage:
    """Find the stage that a command line names.

    Raises:
        UnusableError: there is no such stage, or nobody lets us look at it.
    """
    if not given.stage:
        raise UnusableError("which stage? Name it with --stage or ONRAMP_STAGE")
    values = read_values(
        given.config or _config_file(given.stage),
        stage=given.stage,
        example=ROOT / "config" / "example.toml",
        overrides=_overrides(given.overrides),
    )
    aws = Aws(
        region=given.region, profile=given.profile, endpoint=given.endpoint_url or _local_endpoint(values)
    )
    stack_name = f"Onramp-{given.stage}"
    stack = None
    if given.outputs is not None:
        outputs = _read_outputs(given.outputs, stack_name)
    else:
        stack = _find_stack(aws, stack_name)
        outputs = _reachable(stack.outputs, aws)
    stage = Stage(
        values=values,
        stack_name=stack_name,
        outputs=outputs,
        stack=stack,
        aws=aws,
        http=http,
        fix=given.fix,
        patience=given.timeout,
    )
    return _as_run_here(stage, _overrides(given.overrides)) if values.is_local else stage


def _config_file(stage: str) -> Path:
    here = Path("config") / f"{stage}.toml"
    return here if here.exists() else ROOT / "config" / f"{stage}.toml"


def _overrides(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not sign:
            raise UnusableError(f"-c {item}: write it as section.key=value")
        found[name] = value
    return found


def _local_endpoint(values: Values) -> str | None:
    """The emulator of the `make local` that is up; None for any other stage, which is on AWS."""
    if not values.is_local:
        return None
    try:
        return str(json.loads(_SERVE_FILE.read_text(encoding="utf-8"))["aws_endpoint_url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableError("no local run is up: start `make local`, or name its --endpoint-url") from error


def _find_stack(aws: Aws, name: str) -> StackFacts:
    try:
        return describe_stack(aws, name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "ValidationError":
            raise UnusableError(
                f"there is no stack {name} in {aws.region_name()}: deploy it first"
            ) from error
        raise UnusableError(f"AWS does not let us look at the stack {name} ({code})") from error
    except BotoCoreError as error:
        # botocore's own texts name what is missing (a region, credentials, a host) and hold no secrets.
        raise UnusableError(f"AWS cannot be asked: {error}") from error


def _reachable(outputs: Mapping[str, str], aws: Aws) -> dict[str, str]:
    """The outputs; on the emulator with addresses that lead to it, for AWS's host names do not."""
    found = dict(outputs)
    if aws.is_emulated and is_loopback(aws.endpoint) and "ApiId" in found:
        found["ApiUrl"] = f"{(aws.endpoint or '').rstrip('/')}/_aws/execute-api/{found['ApiId']}"
        found["WebhookUrl"] = found["ApiUrl"] + _WEBHOOK_PATH
    return found


def _read_outputs(path: Path, stack_name: str) -> dict[str, str]:
    """Outputs from a file: those of the stack in CDK's file, or the outputs alone."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:
        raise UnusableError(f"{path}: not JSON") from error
    content = content.get(stack_name, content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise UnusableError(f"{path}: holds no outputs of {stack_name}")
    return content


def _as_run_here(stage: Stage, overrides: Mapping[str, str]) -> Stage:
    """A local run's stage with the addresses the run has chosen; what was given with ``-c`` comes first."""
    try:
        found = local_values(stage.values, stage.functions())
        for settings in jwt_settings(stage):
            found |= {"api.jwt_issuer": settings["Issuer"], "api.jwt_audience": settings.get("Audience", [])}
    except (Stop, ClientError, BotoCoreError) as error:
        raise UnusableError(
            f"the {LOCAL_STAGE} run does not tell its addresses ({type(error).__name__})"
        ) from error
    stage.values = stage.values.changed(
        {name: value for name, value in found.items() if name not in overrides}
    )
    return stage


def _positive(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds
