"""The operator's command line before the deployed stack: what is asked goes through the desk alone."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import eventually
from local.demo import new_client
from local.journey import submitted
from local.run import LocalStack
from ops.cli import main
from ops.stage.aws import Aws
from tests.flow.walks import Dialog, Tenant

pytestmark = pytest.mark.flow

type Json = dict[str, Any]


@dataclass(frozen=True)
class Onramp:
    """The command line before the local stack."""

    run: LocalStack
    capsys: pytest.CaptureFixture[str]

    def text(self, *arguments: str, status: int = 0) -> str:
        """Run a command, which has to end like that. Gives what it said."""
        self.capsys.readouterr()
        ended = main([*arguments, "--stage", "local", "--endpoint-url", self.run.aws.endpoint])
        shown = self.capsys.readouterr()
        assert ended == status, shown.out + shown.err
        for secret in (self.run.options.partner_key, self.run.options.platform_secret):
            assert secret not in shown.out + shown.err
        return shown.out

    def __call__(self, *arguments: str, status: int = 0) -> Json:
        """The same for a machine. Gives the result."""
        answer: Json = json.loads(self.text(*arguments, "--json", status=status))
        assert answer["version"] == 1
        result: Json = answer.get("result") or answer["problem"]
        return result

    def lines(self, *arguments: str, status: int = 0) -> list[Json]:
        """The items of a stream."""
        return [
            json.loads(line)["result"] for line in self.text(*arguments, "--json", status=status).splitlines()
        ]

    def until(self, count: int, *arguments: str) -> list[Json]:
        """The items of a list, once there are as many."""

        def look() -> list[Json] | None:
            found: list[Json] = self(*arguments)["items"]
            return found if len(found) >= count else None

        return eventually(look, arguments)


@pytest.fixture
def onramp(run: LocalStack, capsys: pytest.CaptureFixture[str]) -> Onramp:
    return Onramp(run, capsys)


@pytest.fixture
def outage(dialog: Dialog) -> Iterator[Dialog]:
    """360dialog answers no question for clients."""
    match = {"method": "GET", "path": "/clients$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 503, "match": match})
    yield dialog
    dialog.call("DELETE", "faults")


def ids(items: list[Json]) -> list[str]:
    return [str(item["id"]) for item in items]


# --- signups and attempts ----------------------------------------------------------------------------


def test_a_signup_that_never_came_further_than_the_popup_is_found_by_all_that_names_it(
    tenant: Tenant, onramp: Onramp
) -> None:
    reference, client = f"order-{secrets.token_hex(4)}", new_client()
    signup_id = str(tenant.front_end.open(client, reference=reference)["id"])
    outcome = {"outcome": "cancelled", "step": "PHONE_NUMBER_VERIFICATION"}
    path = f"/v1/signups/{signup_id}/outcome"
    assert tenant.front_end.call("POST", path, body=outcome).status_code == 204

    assert ids(onramp("signups", "list", "--tenant", tenant.name)["items"]) == [signup_id]
    assert ids(onramp("signups", "find", "--email", client["email"].upper())["items"]) == [signup_id]
    assert ids(onramp("signups", "find", "--reference", reference)["items"]) == [signup_id]
    assert signup_id in ids(onramp("signups", "find", "--since", "5m")["items"])
    assert ids(onramp("signups", "list", "--tenant", tenant.name, "--status", "connected")["items"]) == []
    shown = onramp("signups", "show", signup_id)
    assert [fact["type"] for fact in shown["timeline"]] == ["signup.opened", "signup.outcome"]
    assert (shown["signup"]["status"], shown["signup"]["outcomes"]) == ("open", 1)
    assert onramp("signups", "show", "f" * 32, status=1)["code"] == "not_found"
    assert signup_id in onramp.text("signups", "show", signup_id)

    attempts = onramp("attempts", "list", "--since", "5m", "--limit", "500")
    assert {"outcome": "cancelled", "step": outcome["step"], "error_code": None, "count": 1}.items() <= next(
        one for one in attempts["counts"] if one["step"] == outcome["step"]
    ).items()
    assert signup_id in {item["signup_id"] for item in attempts["items"]}
    assert "cancelled" in onramp.text("attempts", "list")


# --- numbers -----------------------------------------------------------------------------------------


def test_a_number_is_found_watched_proved_ended_and_given_to_another_tenant(
    tenant: Tenant, rival: Tenant, onramp: Onramp
) -> None:
    signup_id, shared = tenant.authorized()
    [listed] = shared["wabas"][0]["numbers"]
    tenant.front_end.submit(signup_id, [listed["id"]])
    told = onramp.lines("signups", "watch", signup_id, "--for", "2m")
    assert told[-1]["status"] == "connected"
    [number] = submitted(tenant.front_end.read(signup_id))
    name, channel = number["phone_number_id"], number["channel_id"]
    for given in (
        ("--tenant", tenant.name),
        ("--digits", number["display_phone_number"]),
        ("--waba", shared["wabas"][0]["id"]),
        ("--channel", channel),
        ("--since", "5m", "--status", "connected", "--limit", "500"),
    ):
        assert name in {item["phone_number_id"] for item in onramp("numbers", "list", *given)["items"]}, given
    assert ids(onramp("signups", "find", "--digits", number["display_phone_number"])["items"]) == [signup_id]
    assert onramp("numbers", "show", name)["number"]["tenant"] == tenant.name
    assert onramp("numbers", "retry", name, status=1)["code"] == "nothing_to_retry"

    before = onramp("numbers", "show", name)["number"]["checked_at"]
    onramp("numbers", "check", name)
    eventually(lambda: onramp("numbers", "show", name)["number"]["checked_at"] != before)

    assert onramp("numbers", "release", name, "--yes", status=1)["code"] == "number_alive"
    assert onramp("numbers", "reactivate", name, status=1)["code"] == "nothing_to_reactivate"
    onramp("numbers", "cancel", name, "--yes")
    onramp("numbers", "reactivate", name)
    watched = onramp.lines("numbers", "watch", name, "--for", "1m")
    assert watched[-1]["status"] == "connected"
    released = onramp("numbers", "release", name, "--force", "--yes")
    assert (released["changed"], released["number"]["status"]) == (True, "cancelled")
    assert onramp("numbers", "release", name, "--yes")["changed"] is False

    again = rival.popup_again(shared["business_id"])
    other = rival.opened()
    rival.front_end.send_code(other, again["code"], again["session_info"])
    rival.front_end.submit(other, [name])
    shown = onramp("numbers", "show", name)["number"]
    assert (shown["tenant"], shown["signup_id"]) == (rival.name, other)
    assert [
        item["phone_number_id"] for item in onramp("numbers", "list", "--tenant", tenant.name)["items"]
    ] == []


def test_a_failed_number_is_retried_by_its_signup_by_itself_and_from_the_dead_letters(
    tenant: Tenant, outage: Dialog, onramp: Onramp
) -> None:
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    [number] = submitted(tenant.settled(signup_id))
    name = number["phone_number_id"]
    assert onramp.lines("numbers", "watch", name, status=1)[-1]["failure"] == "partner_unavailable"

    def letters() -> list[Json]:
        found = onramp("dead-letters", "list", "jobs", "--limit", "500")["items"]
        return [letter for letter in found if letter["body"]["phone_number_id"] == name]

    [letter] = letters()
    assert letter["reason"] == "partner_unavailable"
    onramp("signups", "retry", signup_id)
    assert onramp.lines("signups", "watch", signup_id, status=1)[-1]["status"] == "attention"
    onramp("numbers", "retry", name)
    assert onramp.lines("numbers", "watch", name, status=1)[-1]["status"] == "failed"
    assert len(letters()) == 3

    outage.call("DELETE", "faults")
    assert onramp("dead-letters", "show", "jobs", letter["id"])["body"]["phone_number_id"] == name
    dry = onramp("dead-letters", "redrive", "jobs", "--id", letter["id"], "--dry-run")
    assert (dry["count"], len(letters())) == (1, 3)
    assert onramp("dead-letters", "redrive", "jobs", "--id", letter["id"])["moved"] == 1
    assert onramp.lines("numbers", "watch", name, "--for", "2m")[-1]["status"] == "connected"
    # The others are repeats that are of no use any more, and do no harm.
    assert onramp("dead-letters", "redrive", "jobs", "--reason", "partner_unavailable")["moved"] >= 2
    assert letters() == []
    assert onramp("numbers", "show", name)["number"]["status"] == "connected"


# --- events ------------------------------------------------------------------------------------------


def test_events_are_listed_shown_and_replayed_and_act_once(tenant: Tenant, onramp: Onramp) -> None:
    signup = tenant.connected()
    [number] = submitted(signup)
    channel, name = number["channel_id"], number["phone_number_id"]
    events = onramp.until(4, "events", "list", "--channel", channel)
    assert {event["outcome"] for event in events} == {"applied"}
    assert events == onramp("events", "list", "--number", name)["items"]
    live = next(event for event in events if event["name"] == "channel_live")
    by_name = onramp("events", "list", "--name", "channel_l*", "--since", "10m", "--limit", "500")["items"]
    assert live["id"] in ids(by_name)
    assert live["id"] not in ids(onramp("events", "list", "--outcome", "given_up")["items"])
    assert onramp("events", "show", live["id"])["says"]["event"] == "channel_live"
    assert onramp("events", "show", "nonsense", status=1)["code"] == "not_found"

    before = onramp("numbers", "show", name)
    assert onramp("events", "replay", live["id"])["may_act"] is False
    time.sleep(2)
    assert onramp("numbers", "show", name)["timeline"] == before["timeline"]
    assert onramp("events", "list", "--channel", channel)["items"] == events


def test_an_event_that_was_given_up_acts_when_it_is_replayed(
    tenant: Tenant, dialog: Dialog, onramp: Onramp, run: LocalStack
) -> None:
    [number] = submitted(tenant.connected())
    posted = dialog.post_event(
        event="phone_number_quality_changed",
        data={"id": number["channel_id"]},
        id=f"evt-{secrets.token_hex(6)}",
    )
    assert posted["status"] == 200
    [event] = onramp.until(
        1, "events", "list", "--channel", number["channel_id"], "--name", "phone_number_quality_changed"
    )
    give_up(run, event["id"])
    assert onramp("events", "replay", event["id"], status=1)["code"] == "event_given_up"
    assert onramp("events", "replay", event["id"], "--again")["may_act"] is True
    eventually(lambda: onramp("events", "show", event["id"])["event"]["outcome"] == "applied")


def give_up(run: LocalStack, event_id: str) -> None:
    """What stands in the table when nobody could apply an event."""
    key = {"pk": {"S": f"EVENT#default#{event_id}"}, "sk": {"S": "EVENT"}}
    item = run.aws.dynamodb.get_item(TableName=run.table_name, Key=key)["Item"]
    record = json.loads(item["data"]["S"]) | {"outcome": "given_up", "reason": "internal_error"}
    run.aws.dynamodb.update_item(
        TableName=run.table_name,
        Key=key,
        UpdateExpression="SET #data = :data",
        ExpressionAttributeNames={"#data": "data"},
        ExpressionAttributeValues={":data": {"S": json.dumps(record)}},
    )


def test_a_tail_tells_events_as_they_come(tenant: Tenant, onramp: Onramp) -> None:
    journey = threading.Thread(target=tenant.connected)
    journey.start()
    told = onramp.lines("events", "tail", "--since", "1m", "--for", "25s")
    journey.join()
    assert {"channel_created", "channel_live"} <= {event["name"] for event in told}
    assert len({(event["id"], event["outcome"]) for event in told}) == len(told)


# --- dead letters ------------------------------------------------------------------------------------


def test_a_webhook_nobody_can_read_is_sent_back_comes_again_and_is_thrown_away(
    dialog: Dialog, onramp: Onramp
) -> None:
    marked = f"owner-{secrets.token_hex(4)}@example.com"
    assert dialog.post_event(raw=f"not json {marked}")["status"] == 200
    arguments = ("dead-letters", "list", "events")
    [letter, *_] = onramp.until(1, *arguments)
    shown = onramp(*arguments)
    assert letter["body"] == {"events": [], "unreadable": True}
    assert marked not in json.dumps(shown)
    there = len(shown["items"])
    assert shown["reasons"] == {"unreadable": there}
    assert onramp("dead-letters", "redrive", "events", "--rate", "50")["moved"] == there
    assert len(onramp.until(there, *arguments)) == there
    queues = {item["queue"]: item for item in onramp("dead-letters", "list")["items"]}
    assert queues["events"]["count"] == there
    assert onramp("dead-letters", "redrive", "stream", status=2)["code"] == "invalid_request"
    assert onramp("dead-letters", "purge", "events", status=2)["code"] == "could_not_begin"
    assert onramp("dead-letters", "purge", "events", "--yes")["moved"] == there
    assert onramp("dead-letters", "list", "events")["items"] == []


# --- links -------------------------------------------------------------------------------------------


def test_a_link_lets_its_customer_in_until_it_is_taken_back(tenant: Tenant, onramp: Onramp) -> None:
    client = new_client()
    who = ("--name", client["name"], "--email", client["email"], "--user-name", client["user_name"])
    made = onramp("links", "create", "--tenant", tenant.name, *who, "--days", "2")
    token = made["url"].partition("#")[2]
    assert made["url"].startswith("http")

    def visited() -> int:
        url = f"{onramp.run.api_url}/v1/linked-signup"
        sent = {"Authorization": f"Bearer {token}.{'v' * 22}"}
        return onramp.run.http.get(url, headers=sent).status_code

    assert visited() == 200
    assert ids(onramp("links", "list", "--tenant", tenant.name)["items"]) == [made["id"]]
    assert token.partition(".")[2] not in onramp.text("links", "list", "--tenant", tenant.name)
    assert (
        onramp("links", "revoke", made["id"], "--tenant", "nobody", "--yes", status=1)["code"] == "not_found"
    )
    assert onramp("links", "revoke", made["id"], "--tenant", tenant.name, "--yes")["status"] == "revoked"
    assert visited() == 410


# --- the stage ---------------------------------------------------------------------------------------


def test_the_budget_and_the_census_are_shown(onramp: Onramp) -> None:
    assert onramp("budget")["calls"] == onramp.run.options.budget_calls
    assert onramp("wake", "census")["jobs"] == 1
    assert onramp("wake", "number", "106540352242998", "--retry")["jobs"] == 1


def test_a_key_that_somebody_has_disabled_is_taken_back(onramp: Onramp) -> None:
    key = onramp.run.deployed.outputs["EnvelopeKeyArn"]
    onramp.run.aws.kms.disable_key(KeyId=key)
    try:
        shown = onramp("encryption", "show", status=1)["items"]
        assert {one["key"]: one["state"] for one in shown}["envelope"] == "Disabled"
        assert onramp("encryption", "enable")["enabled"] == ["envelope"]
    finally:
        onramp.run.aws.kms.enable_key(KeyId=key)
    assert onramp("encryption", "show")["items"][0]["state"] == "Enabled"
    assert onramp("encryption", "enable")["enabled"] == []


def test_a_stage_is_noted_and_its_buckets_are_emptied_before_it_goes(onramp: Onramp, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    onramp("retained", "save", "--to", str(file))
    assert json.loads(file.read_text())["Onramp-local"].keys() == onramp.run.deployed.outputs.keys()
    assert (
        "is still there" in onramp("retained", "delete", "--outputs", str(file), "--yes", status=2)["detail"]
    )
    assert onramp("protect", "--empty", "--yes", status=2)["code"] == "could_not_begin"
    buckets = list(onramp.run.deployed.resources.get("AWS::S3::Bucket", {}).values())
    with closing(Aws(endpoint=onramp.run.aws.endpoint)) as aws:
        for bucket in buckets:
            for name in ("one", "two"):
                aws.client("s3").put_object(Bucket=bucket, Key=f"left/{name}", Body=b"x")
    emptied = onramp("protect", "--off", "--empty", "--yes")["buckets"]
    assert [one["bucket"] for one in emptied] == buckets
    assert all(one["gone"] >= 2 for one in emptied)


def test_what_waits_for_one_stage_is_handed_over_to_another(dialog: Dialog, onramp: Onramp) -> None:
    sqs = onramp.run.aws.sqs
    there = sqs.create_queue(QueueName=f"there-{secrets.token_hex(4)}")["QueueUrl"]
    onramp("pause", "events")
    try:
        assert dialog.post_event(event="partner_note", id=f"evt-{secrets.token_hex(6)}")["status"] == 200
        assert onramp("events", "hand-over", "--to", there)["handed_over"] >= 1
    finally:
        onramp("resume", "events")
    assert sqs.receive_message(QueueUrl=there, WaitTimeSeconds=1)["Messages"]
    sqs.delete_queue(QueueUrl=there)
