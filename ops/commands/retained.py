"""``onramp retained``: what a deleted stage has left behind is taken into a new stack.

A stage with ``removal = "retain"`` leaves its table, keys, secret, user pool and logs. An import makes a
stack of these alone; the next ``cdk deploy`` adds everything else to it. So tokens and channel keys stay
readable.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from ops.commands import left
from ops.running import Failed, Run, command, group
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate, read_outputs

type Json = dict[str, Any]

IDENTIFIED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AWS::DynamoDB::Table": "TableName",
        "AWS::KMS::Key": "KeyId",
        "AWS::SecretsManager::Secret": "Id",
        "AWS::Cognito::UserPool": "UserPoolId",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::S3::Bucket": "BucketName",
    }
)
"""What CloudFormation wants to know of a resource that it shall import, by its type."""
CHANGE: Final = "onramp-import"
_SECONDS: Final = 2.0
_KEPT: Final = ("Retain", "RetainExceptOnCreate")
_ENDED: Final = ("COMPLETE", "FAILED")
app = group("What a stage with removal = retain leaves behind: noted, taken into a new stack, thrown away.")
left.add_to(app)


@command(app, "import", epilog="docs/restoring.md says when, and what else is to be done.")
def import_(
    run: Run,
    *,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: cdk.out/Onramp-<stage>.template.json."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Say what would be imported, and end.")] = False,
) -> None:
    """Make a stack of what is left.

    Needs the outputs of the deleted stack (--outputs), and the stage's template, which `cdk synth` writes.
    The next `cdk deploy` adds the rest.
    """
    if run.where.outputs is None:
        raise UnusableError("the old stack's outputs name what is left: --outputs FILE")
    where = locate(run.where)
    content = _read_template(template or Path("cdk.out") / f"{where.stack_name}.template.json")
    chosen = chosen_of(content, read_outputs(run.where.outputs, where.stack_name))
    if show:
        run.console.answer({"items": list(chosen.values())}, "\n".join(map(_line, chosen.values())))
        return
    with closing(where.aws), run.console.progress("importing") as progress:
        import_into(where.aws, where.stack_name, content, chosen, show=progress)
    run.console.answer(
        {"stack": where.stack_name, "items": list(chosen.values())},
        f"{where.stack_name} has {len(chosen)} resources; now deploy the stage, which adds the rest",
    )


def _line(item: Json) -> str:
    identity = next(iter(item["ResourceIdentifier"].values()))
    return f"{item['ResourceType']}  {item['LogicalResourceId']}  {identity}"


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
    *,
    show: Callable[[str], None] = lambda _: None,
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

    def change() -> tuple[str, str]:
        found = client.describe_change_set(StackName=stack, ChangeSetName=CHANGE)
        return found["Status"], found.get("StatusReason", "")

    def state() -> tuple[str, str]:
        [found] = client.describe_stacks(StackName=stack)["Stacks"]
        return found["StackStatus"], found.get("StackStatusReason", "")

    status, reason = _ended(change, show, sleep)
    if status.endswith("FAILED"):
        raise Failed(f"CloudFormation refuses the import: {reason}")
    client.execute_change_set(StackName=stack, ChangeSetName=CHANGE)
    status, reason = _ended(state, show, sleep)
    if status != "IMPORT_COMPLETE":
        raise Failed(f"the import ended as {status}: {reason or 'read the events of the stack'}")


def _ended(
    ask: Callable[[], tuple[str, str]], show: Callable[[str], None], sleep: Callable[[float], None]
) -> tuple[str, str]:
    """Status and reason, once something has come to its end; however long that takes."""
    while True:
        status, reason = ask()
        if status.endswith(_ENDED) and not status.startswith("REVIEW"):
            return status, reason
        show(status)
        sleep(_SECONDS)
