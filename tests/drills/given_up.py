"""Troubles with what was given up, with damaged records, with channels, and with the callers' tokens."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from harness.waiting import eventually
from tests.drills.stage import Drill
from tests.drills.steps import (
    CANCEL,
    attention,
    census,
    comes_as,
    connect,
    is_checked,
    is_well,
    no_recent_census,
    nothing,
    well,
)
from tests.drills.trouble import Counted, Found, Trouble, Type

REDRIVE: Final = "Redrive dead letters"
RECORDS: Final = "Some records"
UNREADABLE: Final = "<html><title>504 Gateway Time-out</title></html>"


# --- dead letters ---------------------------------------------------------------------------------------


def partner_answers_nothing(drill: Drill) -> None:
    """360dialog is down for longer than all tries take."""
    fault = {"kind": "error_before", "match": {"method": "GET", "path": "/clients"}, "status": 503}
    drill.dialog.call("POST", "faults", fault)


def partner_answers_again(drill: Drill) -> bool:
    drill.dialog.call("DELETE", "faults")
    return True


def no_event(drill: Drill) -> None:
    """A page of a gateway's, signed as an event."""
    sent = drill.dialog.post_event(event="channel_live", data={}, raw=UNREADABLE)
    assert sent["status"] == HTTPStatus.OK


# --- a damaged record -----------------------------------------------------------------------------------


def items_of(drill: Drill, pk: str) -> Iterator[dict[str, Any]]:
    pages = drill.run.aws.dynamodb.get_paginator("query").paginate(
        TableName=drill.run.table_name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": pk}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from page["Items"]


def connected_and_backed_up(drill: Drill) -> None:
    """A point of time to which the table can be restored: here a table with what it would hold."""
    drill.connect()
    aws, name = drill.run.aws.dynamodb, f"Onramp-local-restored-{drill.own['phone_number_id']}"
    drill.own["restored_table"] = name
    aws.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    drill.exits.callback(aws.delete_table, TableName=name)
    for pk in (f"SIGNUP#{drill.own['signup_id']}", f"NUMBER#{drill.own['phone_number_id']}"):
        for item in items_of(drill, pk):
            aws.put_item(TableName=name, Item=item)


def changed_by_hand(drill: Drill) -> None:
    """Somebody has saved half of a record."""
    drill.run.aws.dynamodb.update_item(
        TableName=drill.run.table_name,
        Key={"pk": {"S": f"NUMBER#{drill.own['phone_number_id']}"}, "sk": {"S": "NUMBER"}},
        UpdateExpression="SET #data = :half REMOVE data_zlib",
        ExpressionAttributeNames={"#data": "data"},
        ExpressionAttributeValues={":half": {"S": '{"tenant": "'}},
    )


def is_woken(drill: Drill) -> None:
    """The sweep wakes it for its daily check."""
    job = f'{{"phone_number_id": "{drill.own["phone_number_id"]}"}}'
    drill.run.aws.sqs.send_message(QueueUrl=drill.run.queue_url("Jobs"), MessageBody=job)


def checked_and_well(drill: Drill) -> None:
    is_checked(drill)
    well(drill)


# --- a channel's webhook --------------------------------------------------------------------------------


def set_elsewhere_again_and_again(drill: Drill) -> None:
    """Another system of the partner's sets the webhook; once a day it is set back without a person."""
    channel_id = drill.own["channel_id"]
    ours = drill.dialog.channel(channel_id)["webhook_url"]
    drill.memory["ours"] = ours
    for _ in range(2):
        drill.dialog.call(
            "POST", f"channels/{channel_id}/hub", {"action": "set_webhook", "url": "https://other.example/in"}
        )
        is_checked(drill)
        eventually(lambda: is_set_back_or_told(drill, ours), "the check has seen it")


def is_set_back_or_told(drill: Drill, ours: str) -> bool:
    told = drill.number().get("attention") == "webhook_drift"
    return told or drill.dialog.channel(drill.own["channel_id"])["webhook_url"] == ours


def ours_again(drill: Drill) -> None:
    well(drill)
    assert drill.dialog.channel(drill.own["channel_id"])["webhook_url"] == drill.memory["ours"]


# --- a channel that is not ours -------------------------------------------------------------------------


def channel_of_nobody(drill: Drill) -> None:
    no_recent_census(drill)
    waba_id = f"77{drill.own['waba_id']}"
    made = drill.dialog.call(
        "POST",
        "channels",
        {
            "email": f"old-{drill.own['email']}",
            "waba_external_id": waba_id,
            "phone_number": f"1999{drill.own['waba_id'][-7:]}",
        },
    )
    drill.memory["kept"] = drill.own["channel_id"]
    drill.own |= {"channel_id": made["id"], "client_id": drill.dialog.channel(made["id"])["client_id"]}


def nobody_pays_for_it(drill: Drill) -> None:
    assert drill.dialog.channel(drill.own["channel_id"])["cancellation_requested_at"]
    drill.is_connected()
    assert drill.own["channel_id"] == drill.memory["kept"]


# --- tokens ---------------------------------------------------------------------------------------------


class Unauthorized:
    """What everybody is answered: on AWS the alarm counts it in the API's access log."""

    alarm = "callers-unauthorized"
    told = f"alarm `{alarm}` (every caller: 401)"

    def appears(self, drill: Drill) -> None:
        eventually(lambda: answered(drill) == HTTPStatus.UNAUTHORIZED, "callers are answered 401")

    def ends(self, drill: Drill) -> None:
        eventually(lambda: answered(drill) == HTTPStatus.OK, "callers are served")


def answered(drill: Drill) -> int:
    return drill.tenant.front_end.call("GET", "/v1/signups").status_code


def replace_key(drill: Drill, *, replaced: bool) -> None:
    url = f"{drill.run.upstreams.simulated['issuer']}/admin/keys"
    drill.run.http.post(url, json={"replaced": replaced}).raise_for_status()


def key_replaced(drill: Drill) -> None:
    """The issuer signs with a new key, and has published it in place of the old one."""
    drill.exits.callback(replace_key, drill, replaced=False)
    replace_key(drill, replaced=True)


def signs_in(drill: Drill) -> None:
    """The customer's page has a new token."""
    comes_as(drill, drill.tenant.name)


def old_key_signs_on(drill: Drill) -> None:
    """The issuer signs with the old key until API Gateway has forgotten what it remembers."""
    replace_key(drill, replaced=False)
    signs_in(drill)
    drill.connect()


TROUBLES: Final[tuple[Trouble, ...]] = (
    Trouble(
        name="360dialog down for longer than all tries",
        broken=partner_answers_nothing,
        sign=Found("dead-letters", alarm="jobs-dead-letters"),
        typed=(
            Type(
                section="jobs-dead-letters",
                command="onramp dead-letters list jobs",
                shows="partner_unavailable",
            ),
            Type(
                section="jobs-dead-letters",
                command='onramp logs onboarding_worker --since 24h --where message="attempt failed" '
                "--by number,step,code,status,reference",
                shows="status=503",
            ),
            Type(
                section=REDRIVE,
                command="onramp dead-letters redrive jobs",
                when=partner_answers_again,
                shows="1 sent back to jobs",
            ),
        ),
    ),
    Trouble(
        name="webhook that cannot be read",
        broken=no_event,
        sign=Found("dead-letters", alarm="events-dead-letters"),
        typed=(
            Type(
                section="events-dead-letters", command="onramp dead-letters list events", shows="unreadable"
            ),
            Type(
                section="events-dead-letters",
                command="onramp dead-letters purge events --reason unreadable",
                lines=lambda _: ["local"],
                at_terminal=True,
                shows="1 of events thrown away",
            ),
        ),
        ends="the number is connected all the while",
    ),
    Trouble(
        name="record changed by hand",
        before=connected_and_backed_up,
        broken=changed_by_hand,
        meanwhile=is_woken,
        sign=Counted("RecordsCrashed", "records-crashed"),
        typed=(
            Type(
                section="records-crashed",
                command='onramp logs --since 24h --where message="record cannot be read" --by of,record',
                shows="record=NUMBER#",
            ),
            Type(
                section="Reading one signup",
                command="onramp numbers show 106540352242922",
                status=1,
                shows="cannot be read",
            ),
            Type(section=RECORDS, command="onramp pause"),
            Type(
                section=RECORDS,
                command="onramp table copy Onramp-prod-restored "
                "--key 'SIGNUP#01a2073c9b7d4f2e8c6a5b1d0e9f8a7b' --key 'NUMBER#106540352242922'",
            ),
            Type(section=RECORDS, command="onramp resume"),
            Type(section=RECORDS, command="onramp numbers show 106540352242922", shows="tenant"),
        ),
        healed=checked_and_well,
        ends="the number is connected as before",
    ),
    Trouble(
        name="channel's webhook set elsewhere",
        before=connect,
        broken=set_elsewhere_again_and_again,
        meanwhile=nothing,
        sign=Counted("NumbersAttention", "numbers-attention"),
        typed=(
            attention("webhook_drift"),
            Type(
                section="numbers-attention",
                command="onramp numbers show 106540352242922",
                shows="webhook_drift",
            ),
            Type(
                section="numbers-attention",
                command="onramp wake number 106540352242922 --retry",
                until=is_well,
            ),
        ),
        healed=ours_again,
        ends="the number is connected, and its messages come here again",
    ),
    Trouble(
        name="token issuer's key replaced",
        broken=key_replaced,
        meanwhile=signs_in,
        sign=Unauthorized(),
        typed=(
            Type(
                section="callers-unauthorized",
                command="onramp doctor --only jwt-issuer token-required",
            ),
            Type(
                section="callers-unauthorized",
                command="onramp doctor --only token --token -",
                lines=lambda drill: [drill.run.token(drill.tenant.name)],
                status=1,
                shows="the API answers 401, and nothing of the token looks wrong",
            ),
        ),
        healed=old_key_signs_on,
        ends="the issuer signs with its old key for two hours more, and the number is connected",
    ),
    Trouble(
        name="channel that is billed and unknown",
        before=connect,
        broken=channel_of_nobody,
        meanwhile=census,
        sign=Counted("ChannelsUnknown", "channels-unknown"),
        typed=(
            Type(
                section="channels-unknown",
                command="onramp logs onboarding_worker --since 25h "
                '--where message="a billed channel is not ours" --by channel_id',
                shows="channel_id=",
            ),
            CANCEL,
        ),
        healed=nobody_pays_for_it,
        ends="the unknown channel will end, and the number is connected by its own",
    ),
)
