"""``onramp table``: restore it beside itself, copy records back, empty it."""

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from boto3.dynamodb.types import TypeDeserializer

from onramp.domain.errors import Unreadable
from onramp.domain.text import iso
from ops.running import Failed, Run, command, group, moment, output_of
from ops.stage.aws import Aws
from ops.stage.configuration import UnusableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]

PART: Final = 25
"""Items of one BatchWriteItem call."""
TRIES: Final = 10
"""Calls in a row of which DynamoDB takes nothing before the copy stops."""
_SECONDS: Final = 5.0
_NOT_COPIED: Final = ("BUDGET#",)
"""The calls of the last window are over; what waits for a slot comes again."""
app = group("Restore the table, copy records, empty it; docs/restoring.md says in which order.")


# --- restore ---------------------------------------------------------------------------------------------


@command(app, "restore")
def restore(
    run: Run,
    *,
    at: Annotated[str, typer.Option(metavar="WHEN", help="2026-11-23T09:00:00Z, 90m, 24h, 7d.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="The new table's name (default: <stack>-restored)."),
    ] = None,
) -> None:
    """Restore the table to a moment, into a new table beside it.

    Waits until the new table is there, minutes to hours; it may be stopped and run again, and goes on waiting
    then. The new table has the stage's key and costs what it stores until it is deleted.
    """
    moment_ = moment(at) or datetime.now(UTC)
    with run.reached() as found:
        source, target = output_of(found, "TableName"), to or f"{found.stack_name}-restored"
        client = found.aws.dynamodb
        if _status(client, target) is not None:
            _require_same(client, target, moment_)
        else:
            _begin(client, source, target, moment_)
        with run.console.progress(f"{target} is being restored") as progress:
            _wait_for(client, target, show=progress)
    run.console.answer(
        {"table": target, "of": source, "at": iso(moment_)},
        f"{target} holds {source} as of {iso(moment_)}\n"
        f"next: onramp table copy {target} --stage {run.where.stage}",
    )


def _begin(client: "DynamoDBClient", source: str, target: str, at: datetime) -> None:
    key = client.describe_table(TableName=source)["Table"].get("SSEDescription", {}).get("KMSMasterKeyArn")
    encrypted: Any = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key} if key else None
    more: Any = {"SSESpecificationOverride": encrypted} if encrypted else {}
    client.restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, RestoreDateTime=at, **more
    )


def _require_same(client: "DynamoDBClient", name: str, at: datetime) -> None:
    """A table of that name that is of another moment is not what was asked for. Raises `UnusableError`."""
    restored = client.describe_table(TableName=name)["Table"].get("RestoreSummary", {}).get("RestoreDateTime")
    if restored is None or abs(restored - at) > timedelta(seconds=1):
        of = iso(restored.astimezone(UTC)) if restored else "no restore"
        raise UnusableError(f"there is a table {name} already, of {of}: delete it, or name another with --to")


def _status(client: "DynamoDBClient", name: str) -> str | None:
    try:
        return client.describe_table(TableName=name)["Table"]["TableStatus"]
    except client.exceptions.ResourceNotFoundException:
        return None


def _wait_for(
    client: "DynamoDBClient",
    name: str,
    sleep: Callable[[float], None] = time.sleep,
    *,
    show: Callable[[str], None] = lambda _: None,
) -> None:
    """Until the table can be used; a restore of a large table takes hours, so there is no end to it."""
    started = time.monotonic()
    while (status := _status(client, name)) != "ACTIVE":
        if status is not None and status != "CREATING":
            raise Failed(f"{name} is {status}: delete it, and restore again")
        show(f"{status or 'not there yet'}, {time.monotonic() - started:.0f} s")
        sleep(_SECONDS)


# --- copy ------------------------------------------------------------------------------------------------


@command(app, "copy", epilog="Exit code 1: it stopped; copying again does no harm.")
def copy(
    run: Run,
    *,
    source: Annotated[str, typer.Argument(metavar="TABLE", help="Where the records come from.")],
    from_region: Annotated[
        str | None, typer.Option(metavar="REGION", help="That table's region (default: this stage's).")
    ] = None,
    from_profile: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Profile of the credentials for it (default: the same)."),
    ] = None,
    new_keys: Annotated[bool, typer.Option("--new-keys", help="Let every channel key be made anew.")] = False,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PK",
            help="Only records with this partition key, like NUMBER#106540352242922; may be repeated.",
        ),
    ] = None,
) -> None:
    """Copy records of another table into the stage's, all but the budget's, over what is there.

    With --new-keys every channel key is made anew by the next sweeps: needed where the old ones cannot be
    decrypted (another key, account or region) or may be dead.
    """
    with run.reached() as found:
        target = output_of(found, "TableName")
        if source == target and not (from_region or from_profile or new_keys):
            raise UnusableError("that is the stage's own table; copying it onto itself is for --new-keys")
        there = Aws(
            region=from_region or found.aws.region_name(),
            profile=from_profile or run.where.profile,
            endpoint=found.aws.endpoint,
        )
        with closing(there), run.console.progress("copying") as progress:
            copied = copy_records(
                there.dynamodb,
                source,
                found.aws.dynamodb,
                target,
                new_keys=new_keys,
                keys=key,
                show=lambda count: progress(f"{count:,} records"),
            )
    run.console.answer(
        {"copied": copied, "from": source, "to": target},
        f"{copied:,} records copied from {source} to {target}",
    )


def copy_records(
    source: "DynamoDBClient",
    source_name: str,
    target: "DynamoDBClient",
    target_name: str,
    *,
    new_keys: bool = False,
    keys: list[str] | None = None,
    show: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy records, all but the budget's, over what is there; gives how many.

    Args:
        source: client of the account and region of the first table.
        source_name: the table they come from.
        target: client of the account and region of the second.
        target_name: the table they go to.
        new_keys: numbers lose their key, and make another one next.
        keys: partition keys that are meant; all when there are none.
        show: told how many there are so far.

    Raises:
        Failed: DynamoDB takes no more. Copying again does no harm.
        botocore's errors.
    """
    found = _queried(source, source_name, keys) if keys else _scanned(source, source_name)
    meant = (item for item in found if not item["pk"]["S"].startswith(_NOT_COPIED))
    copied = 0
    for part in batched(meant, PART, strict=False):
        puts = [{"PutRequest": {"Item": without_key(item) if new_keys else item}} for item in part]
        _write(target, target_name, puts)
        copied += len(part)
        show(copied)
    return copied


def _scanned(client: "DynamoDBClient", name: str) -> Iterator[Item]:
    for page in client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
        yield from page["Items"]


def _queried(client: "DynamoDBClient", name: str, keys: list[str]) -> Iterator[Item]:
    for key in keys:
        pages = client.get_paginator("query").paginate(
            TableName=name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": key}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]


def _write(
    client: "DynamoDBClient", name: str, requests: list[Any], sleep: Callable[[float], None] = time.sleep
) -> None:
    left, tries = requests, 0
    while left:
        before = len(left)
        left = list(client.batch_write_item(RequestItems={name: left})["UnprocessedItems"].get(name, []))
        tries = tries + 1 if len(left) == before else 0
        if tries >= TRIES:
            raise Failed(f"{name} takes no more records at the moment; run it again")
        if left:
            sleep(min(2.0**tries / 10, _SECONDS))


def without_key(item: Item) -> Item:
    """A number without its key: when it lives, its next step is to make one. Others stay as they are.

    So does one that cannot be read.
    """
    number = _number(item) if item["sk"]["S"] == "NUMBER" else {}
    if number.pop("key", None) is None:
        return item
    number.pop("lease", None)
    changed = {name: value for name, value in item.items() if name != "data_zlib"}
    if not number.get("failure") and not number.get("cancelled_at"):
        number["due_at"] = iso(datetime.now(UTC) - timedelta(minutes=2))
        changed |= {"due_shard": {"S": "WORK"}, "due_at": {"S": number["due_at"]}}
    return changed | {"data": {"S": json.dumps(number)}}


def _number(item: Item) -> dict[str, Any]:
    """What a number's item says, nothing when it cannot be read."""
    try:
        return unpacked(plain(item))
    except Unreadable:
        return {}


# --- empty -----------------------------------------------------------------------------------------------


@command(app, "empty", asks=True)
def empty(run: Run) -> None:
    """Delete all records of the stage's table.

    The table itself stays, with its indexes, stream and protection.
    """
    with run.reached() as found:
        name, client = output_of(found, "TableName"), found.aws.dynamodb
        run.consent(f"all records of {name} are deleted")
        gone = 0
        keys = client.get_paginator("scan").paginate(TableName=name, ProjectionExpression="pk, sk")
        with run.console.progress("deleting") as progress:
            for part in batched((item for page in keys for item in page["Items"]), PART, strict=False):
                _write(client, name, [{"DeleteRequest": {"Key": _key(item)}} for item in part])
                gone += len(part)
                progress(f"{gone:,} records")
    run.console.answer({"deleted": gone, "table": name}, f"{gone:,} records deleted of {name}")


def _key(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


# --- items -----------------------------------------------------------------------------------------------


def plain(item: Mapping[str, Any]) -> Item:
    """An item as DynamoDB answers it, without its types."""
    read = TypeDeserializer().deserialize
    return {name: read(value) for name, value in item.items()}


def unpacked(item: Item) -> dict[str, Any]:
    """What a record says, secrets included. Raises `Unreadable`, naming it and nothing more."""
    packed = item.get("data_zlib")
    try:
        text = zlib.decompress(bytes(packed)) if packed is not None else str(item.get("data", "{}"))
        content: Any = json.loads(text)
    except (ValueError, TypeError, zlib.error):
        content = None
    if not isinstance(content, dict):
        raise Unreadable(f"{item['pk']}/{item['sk']} cannot be read")
    return content
