"""Least privilege proved by use: the flows with IAM evaluation on, and each right of each function tried.

The emulator judges what the functions themselves call (DynamoDB, SQS, KMS, Secrets Manager, EventBridge,
Logs) and signed routes. It asks for no right where AWS acts in a function's name: when Lambda polls a queue,
writes a log or passes a failed run on, and when DynamoDB opens the table's key. The table of calls tries
the first three in the role's name. The last, and what encryption contexts decide, is judged by the policy
simulator on the template as it is (test_conditions.py).

One module on purpose: workers of pytest-xdist take whole modules, so the stack is started once.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.waiting import eventually
from infra.cards import CARDS
from infra.config import load_config
from infra.paths import CONFIG
from infra.permissions import LOG_ACTIONS
from local import deploy, stack
from local.aws import ACCOUNT, Aws
from local.bus import listening
from local.journey import submitted
from local.run import LocalStack
from local.template import denies_clear
from tests.flow.walks import Dialog, Tenant, bus_events
from tests.iam.calls import CALLS, COLUMNS, ROWS, Caller, permitted
from tests.iam.roles import Json, acting_as, document, new_role, reduced_to, role_of, statements_of

pytestmark = pytest.mark.flow

type Callers = Mapping[str, Caller]

# Who puts something into each queue.
SENDERS: Mapping[str, str] = {
    "jobs_queue": "number_submission",
    "jobs_dlq": "onboarding_worker",
    "events_queue": "webhook_receiver",
    "events_dlq": "partner_event_worker",
    "relay_queue": "partner_event_worker",
    "relay_dlq": "event_relay",
    "notifications_queue": "reconciler",
    "notifications_dlq": "notification_sender",
    "schedules_dlq": "reconciler",
    "stream_dlq": "event_publisher",
}


# --- the flows --------------------------------------------------------------------------------------


def test_a_signup_ends_connected(tenant: Tenant) -> None:
    signup = tenant.connected()
    assert [number["status"] for number in submitted(signup)] == ["connected"]
    listed = tenant.front_end.call("GET", "/v1/signups").json()["signups"]
    assert [one["id"] for one in listed] == [signup["id"]]


def test_a_job_that_is_given_up_reaches_the_dead_letters_and_a_retry_connects(
    tenant: Tenant, dialog: Dialog
) -> None:
    given_up = tenant.run.queue_depth("JobsDlq")
    # A read: nothing is in doubt after it, so the tries follow each other as scheduled.
    outage = {"method": "GET", "path": "/clients$"}
    dialog.call("POST", "faults", {"kind": "error_before", "status": 503, "match": outage})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    [number] = submitted(tenant.settled(signup_id))
    assert number["status"] == "failed"
    # The record tells first; the dead letter follows.
    eventually(lambda: tenant.run.queue_depth("JobsDlq") == given_up + 1)
    dialog.call("DELETE", "faults")
    answer = tenant.front_end.call("POST", f"/v1/signups/{signup_id}/retry", body={})
    assert answer.status_code == 202, answer.text
    assert tenant.settled(signup_id)["status"] == "connected"


def test_an_event_that_nobody_can_read_reaches_the_dead_letters(run: LocalStack, dialog: Dialog) -> None:
    unread = run.queue_depth("EventsDlq")
    assert dialog.post_event(raw="not json")["status"] == 200
    eventually(lambda: run.queue_depth("EventsDlq") == unread + 1)


def test_a_sweep_heals_what_lost_webhooks_left_behind(tenant: Tenant, dialog: Dialog) -> None:
    dialog.call("POST", "webhook-faults", {"drop": 1.0})
    signup_id, _ = tenant.authorized()
    tenant.front_end.submit(signup_id)
    assert tenant.settled_by_sweeps(signup_id)["status"] == "connected"


def test_the_census_is_taken(run: LocalStack) -> None:
    assert run.invoke("reconciler", {"task": "census"})["error"] is None
    key = {"pk": {"S": "CENSUS#default"}, "sk": {"S": "CENSUS"}}
    eventually(
        lambda: "ended_at" in str(run.aws.dynamodb.get_item(TableName=run.table_name, Key=key).get("Item")),
        "the census has ended",
    )


def test_what_happens_reaches_the_bus_and_once_more_when_it_is_asked_for(tenant: Tenant) -> None:
    with listening(tenant.run) as listener:
        began = datetime.now(UTC)
        signup_id = tenant.opened()
        [event] = [
            e for e in bus_events(listener, until="signup.opened") if e["detail"]["signup_id"] == signup_id
        ]
        span = {"since": began.isoformat(), "until": datetime.now(UTC).isoformat(), "cursor": None}
        answer = tenant.run.invoke("event_publisher", {"republish": span})
        assert answer["error"] is None, answer
        assert answer["payload"]["cursor"] is None
        again = bus_events(listener, until="signup.opened")
    assert event["detail"] in [e["detail"] for e in again]


# --- the signed route -------------------------------------------------------------------------------


def read_key(run: LocalStack, channel_id: str, aws: Aws) -> httpx.Response:
    url = f"{run.api_url}/v1/channels/{channel_id}/api-key"
    request = AWSRequest(method="GET", url=url)
    credentials = Credentials(aws.access_key, aws.secret_key, aws.session_token)
    SigV4Auth(credentials, "execute-api", aws.region).add_auth(request)
    return run.http.get(url, headers=dict(request.headers.items()))


def test_a_channels_key_is_for_roles_that_may_call_its_route(tenant: Tenant) -> None:
    run = tenant.run
    [number] = submitted(tenant.connected())
    channel_id = number["channel_id"]
    api = f"arn:aws:execute-api:{run.aws.region}:{ACCOUNT}:{run.deployed.outputs['ApiId']}"
    route = f"{api}/*/GET/v1/channels/*/api-key"
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": route}
    with new_role(run.aws, [allowed]) as backend:
        answer = read_key(run, channel_id, backend)
        assert answer.status_code == 200, answer.text
        assert answer.json()["channel_id"] == channel_id
        forged = dataclasses.replace(backend, secret_key="0" * 40)
        assert read_key(run, channel_id, forged).status_code == 403
        without_token = dataclasses.replace(backend, session_token=None)
        assert read_key(run, channel_id, without_token).status_code == 403
    with new_role(run.aws, [allowed | {"Resource": f"{api}/*/GET/v1/signups"}]) as elsewhere:
        assert read_key(run, channel_id, elsewhere).status_code == 403
    with new_role(run.aws, []) as nobody:
        assert read_key(run, channel_id, nobody).status_code == 403
    with acting_as(run.aws, role_of(run, "onboarding_worker")) as worker:
        assert read_key(run, channel_id, worker).status_code == 403
    assert run.http.get(f"{run.api_url}/v1/channels/{channel_id}/api-key").status_code == 403


def call_of_makers(
    run: LocalStack, method: str, path: str, aws: Aws, body: str | None = None
) -> httpx.Response:
    """A signed call of a route for makers of links."""
    url = f"{run.api_url}/v1/tenants/{path}"
    headers = {"Content-Type": "application/json"} if body else {}
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    credentials = Credentials(aws.access_key, aws.secret_key, aws.session_token)
    SigV4Auth(credentials, "execute-api", aws.region).add_auth(request)
    return run.http.request(method, url, content=body, headers=dict(request.headers.items()))


def test_links_are_made_by_roles_that_may_call_their_routes_and_by_no_other(tenant: Tenant) -> None:
    run = tenant.run
    api = f"arn:aws:execute-api:{run.aws.region}:{ACCOUNT}:{run.deployed.outputs['ApiId']}"
    routes = [f"{api}/*/{method}/v1/tenants/*/signup-links{end}" for method, end in MAKING]
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": routes}
    body = json.dumps({"client_id": "abcCL"})
    place = f"{tenant.name}/signup-links"
    with new_role(run.aws, [allowed]) as backend:
        made = call_of_makers(run, "POST", place, backend, body)
        assert made.status_code == 201, made.text
        [listed] = call_of_makers(run, "GET", place, backend).json()["links"]
        assert listed["id"] == made.json()["id"]
        revoked = call_of_makers(run, "POST", f"{place}/{listed['id']}/revoke", backend, "{}")
        assert revoked.json()["status"] == "revoked"
        assert read_key(run, "abcCH", backend).status_code == 403
    keys = allowed | {"Resource": f"{api}/*/GET/v1/channels/*/api-key"}
    for statements in ([keys], []):
        with new_role(run.aws, statements) as nobody:
            assert call_of_makers(run, "POST", place, nobody, body).status_code == 403
            assert call_of_makers(run, "GET", place, nobody).status_code == 403


MAKING = (("POST", ""), ("GET", ""), ("POST", "/*/revoke"))


# --- each right of each function --------------------------------------------------------------------


def test_the_table_speaks_of_every_call_and_every_grant() -> None:
    assert ROWS.keys() == CALLS.keys()
    assert set(COLUMNS) == set(CARDS)
    had = {None, *load_config(directory=CONFIG, stage="local").features}
    for name, card in CARDS.items():
        # The table's key is opened by DynamoDB and S3 alone.
        granted = {
            " ".join((action, grant.resource, *([grant.purpose] if grant.purpose else [])))
            for grant in card.grants
            for action in grant.actions
            if grant.resource not in {"table_key", "bodies_key"} and grant.needs in had
        }
        assert set(permitted(name)) == granted | {f"{action} own_log" for action in LOG_ACTIONS}


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, marks in ROWS.items() for name in CARDS if marks[name] != "c"]
)
def test_a_function_can_do_what_it_must_and_is_refused_the_rest(
    callers: Callers, call: str, name: str
) -> None:
    assert callers[name].tries(call) == ("done" if ROWS[call][name] == "+" else "refused")


def test_whoever_may_do_everything_is_refused_nothing(run: LocalStack, callers: Callers) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    with new_role(run.aws, [everything]) as mighty:
        caller = dataclasses.replace(callers["reconciler"], aws=mighty)
        # A function's role trusts Lambda alone, whatever its taker may do.
        assert {call for call in CALLS if caller.tries(call) == "refused"} == {"sts:AssumeRole other"}


def is_for_table_key(statement: Json) -> bool:
    """Whether DynamoDB or S3 needs the statement, in the function's name; nothing here can do that."""
    return "kms:ViaService" in str(statement.get("Condition"))


def what_it_is(statement: Json) -> tuple[str, str]:
    """What a statement allows, as far as the emulator tells: of a key, whatever its contexts say."""
    resource = str(statement["Resource"])
    return ("kms", resource) if "kms:" in str(statement["Action"]) else (str(statement["Action"]), resource)


@pytest.mark.parametrize("name", CARDS)
def test_each_right_comes_from_one_statement_and_goes_with_it(
    run: LocalStack, callers: Callers, name: str
) -> None:
    caller = callers[name]
    gone: list[str] = []
    statements = statements_of(run.aws, caller.role)
    # What differs in the encryption context alone is told apart in test_conditions.py.
    for left_out in {what_it_is(one): one for one in statements}.values():
        rest = [one for one in statements if what_it_is(one) != what_it_is(left_out)]
        with reduced_to(run.aws, caller.role, rest):
            refused = [call for call in permitted(name) if caller.tries(call) == "refused"]
        assert bool(refused) is not is_for_table_key(left_out), left_out
        gone += refused
    assert sorted(gone) == sorted(permitted(name))


def test_a_flow_fails_for_want_of_one_statement(tenant: Tenant) -> None:
    run, role = tenant.run, role_of(tenant.run, "number_submission")
    statements = statements_of(run.aws, role)
    without_jobs = [one for one in statements if "sqs:SendMessage" not in one["Action"]]
    assert len(without_jobs) == len(statements) - 1
    signup_id, _ = tenant.authorized()
    path = f"/v1/signups/{signup_id}/numbers"
    with reduced_to(run.aws, role, without_jobs):
        assert tenant.front_end.call("POST", path, body={}).status_code == 503
    tenant.front_end.submit(signup_id)
    assert tenant.settled(signup_id)["status"] == "connected"


# --- in clear ---------------------------------------------------------------------------------------


def denials(run: LocalStack) -> dict[str, Json]:
    """What each queue denies by the stack's own template, by the queue's URL.

    The run leaves these statements out (local/template.py), for everything in it comes in clear.
    """
    assembly = deploy.read_assembly(stack.synthesize(run.options.stage), region=run.aws.region)
    urls = run.deployed.resources["AWS::SQS::Queue"]
    found: dict[str, Json] = {}
    for resource in assembly.template["Resources"].values():
        if resource["Type"] != "AWS::SQS::QueuePolicy":
            continue
        (queue,) = resource["Properties"]["Queues"]
        (denial,) = filter(denies_clear, resource["Properties"]["PolicyDocument"]["Statement"])
        url = urls[queue["Ref"]]
        answer = run.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        found[url] = denial | {"Resource": answer["Attributes"]["QueueArn"]}
    return found


def say_tls(request: AWSRequest, **_: object) -> None:
    """Makes the emulator take a request for one that came through TLS."""
    request.headers["X-Forwarded-Proto"] = "https"


@contextlib.contextmanager
def over_tls(aws: Aws) -> Iterator[Aws]:
    with contextlib.closing(dataclasses.replace(aws)) as same:
        same.sqs.meta.events.register("before-sign.sqs", say_tls)
        yield same


def test_a_queue_refuses_what_comes_in_clear(run: LocalStack, callers: Callers) -> None:
    denied = denials(run)
    assert len(denied) == len(SENDERS)
    for queue, name in SENDERS.items():
        caller, call = callers[name], f"sqs:SendMessage {queue}"
        url = caller.account.queues[queue]
        with over_tls(run.aws) as root, over_tls(caller.aws) as session:
            root.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document([denied[url]])})
            try:
                assert caller.tries(call) == "refused"
                assert dataclasses.replace(caller, aws=session).tries(call) == "done"
            finally:
                root.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
        assert caller.tries(call) == "done"
