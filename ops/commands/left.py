"""``onramp retained save`` and ``… delete``: what a stage leaves behind is noted, and thrown away."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer
from botocore.exceptions import ClientError

from ops.commands.encryption import KEYS
from ops.commands.protect import emptied
from ops.running import Failed, Run, command
from ops.stage.aws import Aws, error_code
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate, read_outputs

SECRET_DAYS: Final = 7
KEY_DAYS: Final = 30
"""Days in which a deletion can be taken back: of the secret, of a key."""
GONE: Final = frozenset(
    {"ResourceNotFoundException", "NotFoundException", "KMSInvalidStateException", "NoSuchBucket"}
)
"""Errors of what is deleted already, or waits for it."""
_GROUP: Final = "LogGroup"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the area of what is retained."""

    @command(app, "save")
    def save(
        run: Run,
        *,
        to: Annotated[Path, typer.Option(metavar="FILE", help="Where the outputs are written.")],
    ) -> None:
        """Write the stack's outputs down: once it is gone, nothing else names what it has left."""
        with run.reached() as found:
            name, outputs = found.stack_name, dict(found.outputs)
        try:
            to.write_text(json.dumps({name: outputs}, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UnusableError(f"{to}: {error.strerror or 'cannot be written'}") from error
        run.console.answer(
            {"file": str(to), "outputs": len(outputs)}, f"{len(outputs)} outputs of {name} are in {to}"
        )

    @command(app, "delete", asks=True)
    def delete(run: Run) -> None:
        """Throw away what a deleted stage has left: table, bucket, secret, keys, logs. Needs its --outputs.

        The secret can be taken back for 7 days, the keys for 30; the rest is gone at once.
        """
        if run.where.outputs is None:
            raise UnusableError("the old stack's outputs name what is left: --outputs FILE")
        where = locate(run.where)
        with closing(where.aws) as aws:
            if _is_there(aws, where.stack_name):
                raise UnusableError(f"{where.stack_name} is still there: `cdk destroy` first")
            outputs = read_outputs(run.where.outputs, where.stack_name)
            run.consent(f"table, bucket, secret, keys and logs that {where.stack_name} has left are deleted")
            gone = list(_deleted(aws, outputs))
        run.console.answer({"deleted": gone}, "\n".join(gone) or "nothing is left")


def _is_there(aws: Aws, stack: str) -> bool:
    try:
        [found] = aws.cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return False
        raise
    return str(found["StackStatus"]) != "DELETE_COMPLETE"


def _deleted(aws: Aws, outputs: Mapping[str, str]) -> Iterator[str]:
    """Delete each thing; what is gone already is passed over. Gives what was deleted. Raises `Failed`."""
    for name, value in outputs.items():
        delete = _way(aws, name)
        if delete is None:
            continue
        try:
            delete(value)
        except ClientError as error:
            if error_code(error) not in GONE:
                raise Failed(f"AWS refuses to delete {name} ({error_code(error)}); say it again") from error
        else:
            yield name


def _way(aws: Aws, output: str) -> Callable[[str], object] | None:
    """How what an output names is deleted; None for what goes with the stack."""
    if output.endswith(_GROUP):
        return lambda name: aws.client("logs").delete_log_group(logGroupName=name)
    ways: Mapping[str, Callable[[str], object]] = {
        "TableName": lambda name: aws.dynamodb.delete_table(TableName=name),
        "SecretArn": lambda arn: aws.secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=SECRET_DAYS),
        "BodiesBucket": lambda name: _bucket(aws, name),
        **dict.fromkeys(
            KEYS.values(),
            lambda arn: aws.client("kms").schedule_key_deletion(KeyId=arn, PendingWindowInDays=KEY_DAYS),
        ),
    }
    return ways.get(output)


def _bucket(aws: Aws, name: str) -> None:
    emptied(aws, name)
    aws.client("s3").delete_bucket(Bucket=name)
