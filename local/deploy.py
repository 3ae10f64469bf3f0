"""Deploys a synthesized CDK assembly to the emulator, with boto3 alone.

It does what ``cdk bootstrap`` and ``cdk deploy`` do, in about a second and without the
CDK's command line: assets go to the bucket the assembly names, the stack is made from the
template in that bucket. Afterwards it repairs what the emulator loses on the way.
"""

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.aws import ACCOUNT, Aws
from local.template import (
    Json,
    Overlay,
    as_evaluated,
    cors_of,
    with_overlay,
    with_secret_arns,
    without_metric_math,
)

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""Parameter by which a CDK stack checks that its account is prepared."""

BOOTSTRAP_VERSION = "30"
"""Any version that is new enough: stacks ask for at least 6."""

_POLL_SECONDS = 0.1
_WAIT_SECONDS = 120.0
_STACK_KIND = "aws:cloudformation:stack"
# An old, fixed date: the same files give the same archive.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class DeployError(RuntimeError):
    """The stack could not be deployed; the message says which resource and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file or folder of the assembly and where it goes.

    Attributes:
        source: The file or folder.
        archive: Whether it is a folder to be zipped.
        bucket: Name of the destination bucket.
        key: Name of the object there.
    """

    source: Path
    archive: bool
    bucket: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """One stack of a synthesized assembly.

    Attributes:
        stack_name: What the assembly calls the stack.
        template: The template, parsed.
        template_asset: Where the template goes.
        assets: Everything else that has to be uploaded.
    """

    stack_name: str
    template: Json
    template_asset: Asset
    assets: tuple[Asset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A stack that stands.

    Attributes:
        stack_name: Its name.
        outputs: Its outputs by name.
        resources: Physical ids by type and logical id.
        functions: Names of its functions, by the module that holds the handler.
    """

    stack_name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, str]

    def called(self, function: str) -> str:
        """Gives what to call a function by: its alias, as whatever starts it does.

        Args:
            function: The module that holds its handler.

        Returns:
            The alias's ARN; the function's name where it has no alias.
        """
        name = self.functions[function]
        aliases = self.resources.get("AWS::Lambda::Alias", {}).values()
        return next((arn for arn in aliases if arn.split(":")[-2] == name), name)

    def only(self, kind: str) -> str:
        """Gives the physical id of the stack's only resource of a type.

        Args:
            kind: CloudFormation's name of the type.

        Returns:
            The id.

        Raises:
            DeployError: There is none, or more than one.
        """
        found = tuple(self.resources.get(kind, {}).values())
        if len(found) != 1:
            raise DeployError(f"{self.stack_name} has {len(found)} resources of type {kind}, not 1")
        return found[0]


def read_assembly(folder: Path, *, account: str = ACCOUNT, region: str) -> Assembly:
    """Reads the output folder of a synthesis.

    Args:
        folder: The folder, with ``manifest.json`` in it.
        account: Account id to put into names of buckets.
        region: Region to put into names of buckets.

    Returns:
        Its one stack.

    Raises:
        DeployError: There is not exactly one stack.
    """
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    stacks = {name: a for name, a in artifacts.items() if a["type"] == _STACK_KIND}
    if len(stacks) != 1:
        raise DeployError(f"{folder} holds {len(stacks)} stacks, not 1")
    [(artifact_id, stack)] = stacks.items()
    template_file = stack["properties"]["templateFile"]
    assets = _read_assets(folder, artifact_id, account=account, region=region)
    [template_asset] = [a for a in assets if a.source.name == template_file]
    return Assembly(
        stack_name=stack["properties"].get("stackName", artifact_id),
        template=json.loads((folder / template_file).read_text()),
        template_asset=template_asset,
        assets=tuple(a for a in assets if a is not template_asset),
    )


def _read_assets(folder: Path, artifact_id: str, *, account: str, region: str) -> list[Asset]:
    values = {"AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": "aws"}
    files = json.loads((folder / f"{artifact_id}.assets.json").read_text())["files"]
    return [
        Asset(
            source=folder / entry["source"]["path"],
            archive=entry["source"]["packaging"] == "zip",
            bucket=filled_in(destination["bucketName"], values),
            key=filled_in(destination["objectKey"], values),
        )
        for entry in files.values()
        for destination in entry["destinations"].values()
    ]


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Replaces every ``${name}`` of a text by its value.

    Args:
        text: Text such as ``assets-${AWS::Region}``.
        values: The value of each name.

    Returns:
        The text with all known names replaced.
    """
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    return text


def zipped(folder: Path) -> bytes:
    """Packs a folder; the same files give the same bytes.

    Args:
        folder: The folder. File modes are kept, times are not.

    Returns:
        The archive. It is packed at the fastest level: it never leaves this machine.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_DATE)
            entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def deploy(
    aws: Aws,
    assembly: Assembly,
    *,
    overlay: Overlay | None = None,
    stack_name: str | None = None,
    allowed_origins: tuple[str, ...] = (),
    iam_enforced: bool = False,
) -> Deployed:
    """Makes or updates a stack.

    Args:
        aws: The emulated account.
        assembly: What to deploy.
        overlay: Values of this run to put into the template.
        stack_name: Another name than the assembly's, to have two of them side by side.
        allowed_origins: Origins that pages may call the API from; empty keeps the template's.
        iam_enforced: Whether the emulator evaluates policies, which then have to be such that it can.

    Returns:
        The stack as it stands.

    Raises:
        DeployError: CloudFormation refused it or rolled it back.
    """
    name = stack_name or assembly.stack_name
    template = with_secret_arns(without_metric_math(with_overlay(assembly.template, overlay or Overlay())))
    if iam_enforced:
        template = as_evaluated(template)
    aws.ssm.put_parameter(Name=BOOTSTRAP_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True)
    for asset in assembly.assets:
        _upload(aws, asset)
    target = assembly.template_asset
    # A name of its own: two stacks made from one assembly differ in their templates.
    key = f"{name}/{target.key}"
    _ensure_bucket(aws, target.bucket)
    aws.s3.put_object(Bucket=target.bucket, Key=key, Body=json.dumps(template).encode())
    _create_or_update(aws, name, template_url=f"{aws.endpoint}/{target.bucket}/{key}")
    deployed = describe(aws, name)
    _restore_cors(aws, deployed, template, allowed_origins)
    return deployed


def delete(aws: Aws, stack_name: str) -> None:
    """Deletes a stack and waits until it is gone.

    Args:
        aws: The emulated account.
        stack_name: Name of the stack; one that does not exist counts as deleted.

    Raises:
        DeployError: A resource could not be deleted.
    """
    aws.cloudformation.delete_stack(StackName=stack_name)
    _await(aws, stack_name, {"DELETE_COMPLETE", None})


def describe(aws: Aws, stack_name: str) -> Deployed:
    """Reads outputs, resources and functions of a stack that stands.

    Args:
        aws: The emulated account.
        stack_name: Name of the stack.

    Returns:
        What was found.
    """
    [stack] = aws.cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    found = aws.cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
    resources: dict[str, dict[str, str]] = {}
    for resource in found:
        ids = resources.setdefault(resource["ResourceType"], {})
        ids[resource["LogicalResourceId"]] = resource.get("PhysicalResourceId", "")
    functions = {}
    for physical in resources.get("AWS::Lambda::Function", {}).values():
        settings = aws.functions.get_function_configuration(FunctionName=physical)
        functions[settings["Handler"].rpartition(".")[0]] = physical
    return Deployed(
        stack_name=stack_name,
        outputs={o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
        resources=resources,
        functions=functions,
    )


def put_secret(aws: Aws, secret_id: str, value: Json) -> None:
    """Gives a secret its value.

    Args:
        aws: The emulated account.
        secret_id: Name or ARN of the secret.
        value: The value; stored as JSON.
    """
    aws.secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps(value))


def _upload(aws: Aws, asset: Asset) -> None:
    """Uploads an asset unless it is there: its key is the hash of its content."""
    _ensure_bucket(aws, asset.bucket)
    with contextlib.suppress(ClientError):
        aws.s3.head_object(Bucket=asset.bucket, Key=asset.key)
        return
    body = zipped(asset.source) if asset.archive else asset.source.read_bytes()
    aws.s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def _ensure_bucket(aws: Aws, name: str) -> None:
    try:
        aws.s3.head_bucket(Bucket=name)
    except ClientError:
        aws.s3.create_bucket(Bucket=name)


def _create_or_update(aws: Aws, name: str, *, template_url: str) -> None:
    exists = _status(aws, name) not in {None, "DELETE_COMPLETE"}
    call: Any = aws.cloudformation.update_stack if exists else aws.cloudformation.create_stack
    try:
        call(
            StackName=name,
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return
        raise DeployError(f"{name}: {error}") from error
    _await(aws, name, {"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def _await(aws: Aws, name: str, wanted: set[str | None]) -> None:
    """Waits for one of the wanted states; None means that the stack is gone."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (status := _status(aws, name)) not in wanted:
        if status is None or not status.endswith("_IN_PROGRESS"):
            raise DeployError(f"{name} is in state {status}:\n{_failures(aws, name)}")
        if time.monotonic() > deadline:
            raise DeployError(f"{name} is still in state {status} after {_WAIT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _status(aws: Aws, name: str) -> str | None:
    try:
        [stack] = aws.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack["StackStatus"]


def _failures(aws: Aws, name: str) -> str:
    """Describes the events that made a deployment fail, the first cause first."""
    try:
        events = aws.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError as error:
        return str(error)
    lines = [
        f"  {e.get('LogicalResourceId')} ({e.get('ResourceType')}): {e.get('ResourceStatusReason')}"
        for e in reversed(events)
        if "FAILED" in e.get("ResourceStatus", "") and e.get("ResourceStatusReason")
    ]
    return "\n".join(lines) or "  (no reason was given)"


def _restore_cors(aws: Aws, deployed: Deployed, template: Json, origins: tuple[str, ...]) -> None:
    """Sets the API's CORS again: given through CloudFormation, the emulator loses it."""
    settings = cors_of(template)
    if settings is None:
        return
    if origins:
        settings["AllowOrigins"] = list(origins)
    cors: Any = settings
    aws.apigateway.update_api(ApiId=deployed.only("AWS::ApiGatewayV2::Api"), CorsConfiguration=cors)
