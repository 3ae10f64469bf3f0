"""Which stage a command line names, and the way to it; the same options for every subcommand."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.local_run import run_file
from ops import ROOT
from ops.stage.aws import Aws, StackFacts, describe_stack, is_loopback
from ops.stage.configuration import UnusableError, Values, read_values
from ops.stage.options import File, Where

_WEBHOOK_PATH: Final = "/v1/webhooks/360dialog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A stage that stands. `overrides` are the values of this run by ``section.key``.

    `stack` is what CloudFormation says of it; None when the outputs came from a file.
    """

    values: Values
    overrides: Mapping[str, str]
    stack_name: str
    outputs: Mapping[str, str]
    stack: StackFacts | None
    aws: Aws


def reach(given: Where, **aws_options: Any) -> Reached:  # noqa: ANN401 - fields of `Aws`
    """Find the stage that a parsed command line names.

    Raises:
        UnusableError: there is no such stage, or nobody lets us look at it.
    """
    where = locate(given, **aws_options)
    if given.outputs is not None:
        return replace(where, outputs=read_outputs(given.outputs, where.stack_name))
    stack = _find_stack(where.aws, where.stack_name)
    return replace(where, outputs=_reachable(stack.outputs, where.aws), stack=stack)


def locate(given: Where, **aws_options: Any) -> Reached:  # noqa: ANN401 - fields of `Aws`
    """What a parsed command line says of a stage that need not stand yet: no outputs, no stack.

    Raises:
        UnusableError: no stage is named, or its configuration file cannot be read.
    """
    values, overrides = locate_values(given)
    aws = Aws(
        # The variable of the other tools, which boto3 does not read.
        region=given.region or values.text("stage.region") or os.environ.get("AWS_REGION") or None,
        profile=given.profile,
        endpoint=given.endpoint_url or _local_endpoint(values),
        **aws_options,
    )
    stack_name = given.stack or f"Onramp-{given.stage}"
    return Reached(values=values, overrides=overrides, stack_name=stack_name, outputs={}, stack=None, aws=aws)


def locate_values(given: File) -> tuple[Values, dict[str, str]]:
    """The values of a stage, and those of them that were given for this run. Raises `UnusableError`."""
    if not given.stage:
        raise UnusableError("which stage? Name it with --stage or ONRAMP_STAGE")
    overrides = _overrides(given.overrides or ())
    values = read_values(
        given.config or _config_file(given.stage),
        stage=given.stage,
        example=ROOT / "config" / "example.toml",
        overrides=overrides,
    )
    return values, overrides


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
    """The emulator of the `make local` that is up; None for any other stage, which is on AWS.

    Which one, when several are up, says ``$ONRAMP_LOCAL_RUN``.
    """
    if not values.is_local:
        return None
    try:
        return str(json.loads(run_file(ROOT).read_text(encoding="utf-8"))["aws_endpoint_url"])
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


def read_outputs(path: Path, stack_name: str) -> dict[str, str]:
    """Outputs from a file: of the stack in CDK's file, the outputs alone, or as CloudFormation lists them.

    Raises `UnusableError`.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:
        raise UnusableError(f"{path}: not JSON") from error
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        content = {str(item.get("OutputKey")): item.get("OutputValue") for item in content}
    content = content.get(stack_name, content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise UnusableError(f"{path}: holds no outputs of {stack_name}")
    return content
