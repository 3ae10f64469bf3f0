"""``onramp show`` and ``onramp find``: records, read as they are, without tokens and keys."""

import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
from boto3.dynamodb.types import TypeDeserializer

from onramp.adapters.dynamo.items import digits_key, key_of
from onramp.adapters.dynamo.table import part
from onramp.domain.clients import mailbox
from onramp.domain.errors import Unreadable
from onramp.domain.number import channel_place, waba_place
from onramp.domain.phone_numbers import canonical
from onramp.domain.records import HUB
from onramp.domain.text import iso
from ops.console import DONE, FAILED
from ops.running import Run, Until, command, group, moment, one_of
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

type Item = Mapping[str, Any]

_KINDS: Final[Mapping[str, Callable[[str], tuple[str, str]]]] = MappingProxyType(
    {
        "signup": lambda name: key_of("SIGNUP", (name,)),
        "exchange": lambda name: key_of("EXCHANGE", (name,)),
        "number": lambda name: key_of("NUMBER", (name,)),
        "client": lambda name: key_of("CLIENT", (HUB, mailbox(name))),
        "event": lambda name: key_of("EVENT", (HUB, name)),
        "budget": lambda name: key_of("BUDGET", (name or HUB,)),
        "census": lambda name: key_of("CENSUS", (name or HUB,)),
    }
)
_LISTS: Final[Mapping[str, str]] = MappingProxyType({"facts": "FACT#", "listed": "LISTED#"})
"""Kinds of which a signup has several, by how their sort key begins."""
_NAMELESS: Final = frozenset({"budget", "census"})
app = group("Records.")


# --- one record ------------------------------------------------------------------------------------------


@command(app, "show", epilog="Exit code 1: there is none, or it cannot be read.")
def show(
    run: Run,
    *,
    kind: Annotated[
        str,
        typer.Argument(
            parser=one_of(*_KINDS, *_LISTS), metavar="KIND", help=f"Of {', '.join([*_KINDS, *_LISTS])}."
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id; of a client the email.")] = "",
) -> int:
    """Show one record, or all facts of a signup, without tokens and keys.

    What is the default is left out of a record.
    """
    if not name and kind not in _NAMELESS:
        raise UnusableError(f"which {kind}? Name its id")
    with run.reached() as found:
        if kind in _LISTS:
            items = list(_listed(found, name, _LISTS[kind]))
        else:
            item = _item(found, *_KINDS[kind](name))
            items = [item] if item else []
    shown = [_shown(item) for item in items]
    indent = None if len(items) > 1 else 2
    told = [json.dumps(content, ensure_ascii=False, indent=indent) for content, _ in shown]
    run.console.answer(
        {"items": [content for content, _ in shown]},
        "\n".join(told) or f"there is no {kind} {name}".rstrip(),
    )
    return DONE if items and all(whole for _, whole in shown) else FAILED


def _shown(item: Item) -> tuple[dict[str, Any], bool]:
    """A record as it is shown, and whether it could be read."""
    try:
        return content_of(item), True
    except Unreadable as trouble:
        # Nothing of its text: where it is cut off, a cipher text may begin.
        head = {name: item[name] for name in ("pk", "sk", "schema", "version") if name in item}
        told = json.loads(json.dumps(head, default=str))
        return told | {"problem": f"{trouble}: restore it, or deploy the release that wrote it"}, False


def _table(found: Reached) -> str:
    try:
        return found.outputs["TableName"]
    except KeyError:
        raise UnusableError(f"{found.stack_name} names no table: deploy it first") from None


def _item(found: Reached, pk: str, sk: str) -> Item | None:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    answer = found.aws.dynamodb.get_item(TableName=_table(found), Key=key, ConsistentRead=True)
    return plain(answer["Item"]) if "Item" in answer else None


def record_of(found: Reached, kind: str, name: str = "") -> Item | None:
    """What `onramp show` shows of a record; None when there is none that can be read.

    Raises botocore's errors.
    """
    item = _item(found, *_KINDS[kind](name))
    return next(_readable([item] if item else []), None)


def _listed(found: Reached, signup_id: str, prefix: str) -> Iterator[Item]:
    pages = found.aws.dynamodb.get_paginator("query").paginate(
        TableName=_table(found),
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"SIGNUP#{part(signup_id)}"}, ":sk": {"S": prefix}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from map(plain, page["Items"])


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


def content_of(item: Item) -> dict[str, Any]:
    """What a record says, without what nobody may read. Raises `Unreadable`."""
    content = unpacked(item)
    content.pop("token", None)
    if isinstance(content.get("key"), dict):
        content["key"].pop("secret", None)
    return content


def _readable(items: Iterable[Item]) -> Iterator[dict[str, Any]]:
    """What the records say; one that cannot be read is named beside them, and hides no other one."""
    for item in items:
        try:
            yield content_of(item)
        except Unreadable as trouble:
            sys.stderr.write(f"{trouble}\n")


# --- many ------------------------------------------------------------------------------------------------


@command(app, "find", epilog="Exit code 1: found nothing.")
def find(
    run: Run,
    *,
    digits: Annotated[
        str, typer.Option(metavar="NUMBER", help="A phone number, however it is written.")
    ] = "",
    channel: Annotated[
        str,
        typer.Option(metavar="ID", help="360dialog's channel: its number, and the events that wait for it."),
    ] = "",
    waba: Annotated[
        str, typer.Option(metavar="ID", help="Meta's WhatsApp Business Account: its numbers.")
    ] = "",
    email: Annotated[str, typer.Option(metavar="EMAIL", help="Signups of a client.")] = "",
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Signups opened since (2026-11-23T09:00:00Z, 90m, 24h, 7d).")
    ] = "",
    until: Until = None,
) -> int:
    """Say whose number, channel, account or email it is.

    By digits, channel or WABA an index answers. By email or time the whole table is read, which costs as a
    scan does and takes minutes from a million items on.
    """
    now = datetime.now(UTC)
    with run.reached() as found:
        if digits:
            hits = list(_by_digits(found, digits))
        elif channel:
            hits = list(_by_channel(found, channel))
        elif waba:
            hits = list(_by_waba(found, waba))
        elif email:
            hits = list(_by_email(found, email))
        elif since:
            hits = list(_by_time(found, moment(since, now) or now, moment(until, now) or now))
        else:
            raise UnusableError("find what? --digits, --channel, --waba, --email or --since")
    told = [json.dumps(hit, ensure_ascii=False, default=str) for hit in hits]
    run.console.answer({"items": hits}, "\n".join(told) or "nothing found")
    return DONE if hits else FAILED


def _by_digits(found: Reached, digits: str) -> Iterator[dict[str, Any]]:
    yield from _numbers(found, "by_digits", "digits_key", digits_key(HUB, canonical(digits)))


def _by_channel(found: Reached, channel: str) -> Iterator[dict[str, Any]]:
    place = channel_place(HUB, channel)
    yield from _numbers(found, "by_channel", "channel_key", place)
    yield from map(_event, _readable(_indexed(found, "by_place", "place_key", place)))


def _by_waba(found: Reached, waba: str) -> Iterator[dict[str, Any]]:
    yield from _numbers(found, "by_waba", "waba_key", waba_place(HUB, waba))


def _numbers(found: Reached, index: str, attribute: str, value: str) -> Iterator[dict[str, Any]]:
    yield from map(_number, _readable(_indexed(found, index, attribute, value)))


def _indexed(found: Reached, index: str, attribute: str, value: str) -> Iterator[Item]:
    """The records behind an index's hits, read from the table, for an index may lag."""
    pages = found.aws.dynamodb.get_paginator("query").paginate(
        TableName=_table(found),
        IndexName=index,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": attribute},
        ExpressionAttributeValues={":value": {"S": value}},
    )
    for page in pages:
        for hit in page["Items"]:
            item = _item(found, str(hit["pk"]["S"]), str(hit["sk"]["S"]))
            if item is not None:
                yield item


def _by_email(found: Reached, email: str) -> Iterator[dict[str, Any]]:
    wanted = mailbox(email)
    for signup in _signups(found):
        if mailbox(str(_client(signup).get("email", ""))) == wanted:
            yield _signup(signup)


def _by_time(found: Reached, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    first, last = iso(since), iso(until)
    hits = [signup for signup in _signups(found) if first <= str(signup.get("created_at", "")) <= last]
    yield from map(_signup, sorted(hits, key=lambda signup: str(signup["created_at"])))


def _signups(found: Reached) -> Iterator[dict[str, Any]]:
    pages = found.aws.dynamodb.get_paginator("scan").paginate(
        TableName=_table(found),
        FilterExpression="sk = :sk",
        ExpressionAttributeValues={":sk": {"S": "SIGNUP"}},
    )
    for page in pages:
        yield from _readable(map(plain, page["Items"]))


def _client(signup: Mapping[str, Any]) -> Mapping[str, Any]:
    client = signup.get("client")
    return client if isinstance(client, dict) else {}


def _signup(signup: Mapping[str, Any]) -> dict[str, Any]:
    waba = signup.get("waba") or {}
    return {
        "signup_id": signup.get("id"),
        "opened_at": signup.get("created_at"),
        "tenant": signup.get("tenant"),
        "reference": signup.get("reference"),
        "email": _client(signup).get("email"),
        "waba_id": waba.get("id"),
        "numbers": signup.get("submitted", []),
    }


def _number(number: Mapping[str, Any]) -> dict[str, Any]:
    failure = number.get("failure") or {}
    names = ("phone_number_id", "signup_id", "tenant", "channel_id", "due_at", "cancelled_at")
    told = {name: number.get(name) for name in names}
    return told | {"progress": number.get("progress", "pending"), "failure": failure.get("code")}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "name", "received_at", "phone_number_id")
    return {f"event_{name}" if name in {"id", "name"} else name: event.get(name) for name in names} | {
        "outcome": event.get("outcome", "open")
    }
