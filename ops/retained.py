"""``onramp retained``: what a deleted stage has left behind is taken into a new stack.

A stage with ``removal = "retain"`` leaves its table, keys, secret, user pool and logs. An import makes a
stack of these alone; the next ``cdk deploy`` adds everything else to it. So tokens and channel keys stay
readable.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.stage import reaching
from ops.stage.aws import Aws, error_code
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate, read_outputs
from ops.terminal import Line
from ops.tool import DONE, FAILED, Description, Failed, refuse, tell

type Json = dict[str, Any]

IDENTIFIED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AWS::DynamoDB::Table": "TableName",
        "AWS::KMS::Key": "KeyId",
        "AWS::SecretsManager::Secret": "Id",
        "AWS::Cognito::UserPool": "UserPoolId",
        "AWS::Logs::LogGroup": "LogGroupName",
    }
)
"""What CloudFormation wants to know of a resource that it shall import, by its type."""
CHANGE: Final = "onramp-import"
_SECONDS: Final = 2.0
_KEPT: Final = ("Retain", "RetainExceptOnCreate")
_ENDED: Final = ("COMPLETE", "FAILED")
DESCRIPTION: Final = Description(
    help="take what a deleted stage has left into a new stack",
    description="For stages with removal = retain. docs/restoring.md says when, and what else is to be done.",
)
_IMPORT: Final = Description(
    help="make a stack of what is left",
    description="Needs the outputs of the deleted stack (--outputs), and the stage's template, which "
    "`cdk synth` writes. The next `cdk deploy` adds the rest.",
    epilog="Exit status: 0 imported, 1 CloudFormation refused it, 2 could not begin.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = commands.add_parser("import", **_IMPORT)
    reaching.add_arguments(action)
    action.add_argument(
        "--template", type=Path, metavar="FILE", help="default: cdk.out/Onramp-<stage>.template.json"
    )
    action.add_argument("--show", action="store_true", help="say what would be imported, and end")


def run(given: argparse.Namespace) -> int:
    """Import. Returns the exit status."""
    if given.outputs is None:
        return refuse("retained", "the old stack's outputs name what is left: --outputs FILE", given)
    try:
        where = locate(given)
        template = _read_template(given.template or Path("cdk.out") / f"{where.stack_name}.template.json")
        chosen = chosen_of(template, read_outputs(given.outputs, where.stack_name))
        if given.show:
            return _show(chosen)
        with closing(where.aws):
            import_into(where.aws, where.stack_name, template, chosen)
    except UnusableError as error:
        return refuse("retained", str(error), given)
    except Failed as error:
        return refuse("retained", str(error), given, status=FAILED)
    except (ClientError, BotoCoreError) as error:
        return refuse("retained", f"AWS refuses it ({error_code(error)})", given, status=FAILED)
    tell(f"{where.stack_name} has {len(chosen)} resources; now deploy the stage, which adds the rest")
    return DONE


def _show(chosen: Mapping[str, Json]) -> int:
    for logical, item in chosen.items():
        tell(f"{item['ResourceType']}  {logical}  {next(iter(item['ResourceIdentifier'].values()))}")
    return DONE


def _read_template(path: Path) -> Json:
    try:
        template: Json = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableError(f"{path}: {error.strerror or 'cannot be read'}; `cdk synth` writes it") from error
    except ValueError as error:
        raise UnusableError(f"{path}: not JSON") from error
    return template


# --- what is imported ------------------------------------------------------------------------------------


def chosen_of(template: Mapping[str, Any], outputs: Mapping[str, str]) -> dict[str, Json]:
    """What is to be imported, by logical id, as CloudFormation takes it.

    Args:
        template: the stage's template.
        outputs: those of the stack that is gone; they name what it has left.

    Raises:
        UnusableError: nothing is left, or the template belongs to a stage that keeps nothing.
    """
    resources = template.get("Resources", {})
    found = {}
    for name, output in template.get("Outputs", {}).items():
        logical = _referred(output.get("Value"))
        resource = resources.get(logical, {})
        kind = resource.get("Type", "")
        if name in outputs and kind in IDENTIFIED_BY and resource.get("DeletionPolicy") in _KEPT:
            identifier = {IDENTIFIED_BY[kind]: _identity(kind, outputs[name])}
            found[str(logical)] = {
                "ResourceType": kind,
                "LogicalResourceId": logical,
                "ResourceIdentifier": identifier,
            }
    if not found:
        raise UnusableError("the outputs name nothing that this template would keep: is removal = retain?")
    return found


def _referred(value: object) -> str | None:
    """The logical id behind an output that is a resource's name or ARN."""
    if not isinstance(value, dict):
        return None
    got = value.get("Ref") or (value.get("Fn::GetAtt") or [None])[0]
    return got if isinstance(got, str) else None


def _identity(kind: str, value: str) -> str:
    """An output as the identifier that is asked for; a secret's is its ARN itself."""
    if not value.startswith("arn:") or kind == "AWS::SecretsManager::Secret":
        return value
    return value.rpartition("/")[2]


def import_template(template: Mapping[str, Any], chosen: Mapping[str, Json]) -> Json:
    """The template of the import: these resources alone, for an import may contain nothing else.

    Raises:
        UnusableError: one of them needs another resource that is not there.
    """
    resources = {logical: _alone(template["Resources"][logical]) for logical in chosen}
    lacking = sorted(set(_references(resources)) - set(resources))
    if lacking:
        raise UnusableError(f"what is left refers to {', '.join(lacking)}, which the outputs do not name")
    return {"Resources": resources}


def _alone(resource: Mapping[str, Any]) -> Json:
    return {name: value for name, value in resource.items() if name not in {"DependsOn", "Metadata"}}


def _references(content: object) -> Iterator[str]:
    """Logical ids that a piece of a template refers to."""
    if isinstance(content, Mapping):
        named = content.get("Ref")
        if isinstance(named, str) and not named.startswith("AWS::"):
            yield named
        attribute = content.get("Fn::GetAtt")
        if isinstance(attribute, list) and attribute:
            yield str(attribute[0])
        for value in content.values():
            yield from _references(value)
    elif isinstance(content, list):
        for value in content:
            yield from _references(value)


# --- the import ------------------------------------------------------------------------------------------


def import_into(
    aws: Aws,
    stack: str,
    template: Mapping[str, Any],
    chosen: Mapping[str, Json],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Make a stack of resources that exist.

    Raises:
        UnusableError: they cannot be imported alone.
        Failed: CloudFormation refuses them; its reason is in the text.
        botocore's errors.
    """
    client = aws.cloudformation
    body = json.dumps(import_template(template, chosen))
    wanted: Any = list(chosen.values())
    client.create_change_set(
        StackName=stack,
        ChangeSetName=CHANGE,
        ChangeSetType="IMPORT",
        TemplateBody=body,
        ResourcesToImport=wanted,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    line = Line(sys.stderr)

    def change() -> tuple[str, str]:
        found = client.describe_change_set(StackName=stack, ChangeSetName=CHANGE)
        return found["Status"], found.get("StatusReason", "")

    def state() -> tuple[str, str]:
        [found] = client.describe_stacks(StackName=stack)["Stacks"]
        return found["StackStatus"], found.get("StackStatusReason", "")

    status, reason = _ended(change, line, sleep)
    if status.endswith("FAILED"):
        raise Failed(f"CloudFormation refuses the import: {reason}")
    client.execute_change_set(StackName=stack, ChangeSetName=CHANGE)
    status, reason = _ended(state, line, sleep)
    if status != "IMPORT_COMPLETE":
        raise Failed(f"the import ended as {status}: {reason or 'read the events of the stack'}")


def _ended(ask: Callable[[], tuple[str, str]], line: Line, sleep: Callable[[float], None]) -> tuple[str, str]:
    """Status and reason, once something has come to its end; however long that takes."""
    while True:
        status, reason = ask()
        if status.endswith(_ENDED) and not status.startswith("REVIEW"):
            line.clear()
            return status, reason
        line.show(status)
        sleep(_SECONDS)
