"""Every failure of what is around us, once for each call: Meta, 360dialog, AWS, and our own code.

Each test goes the whole way with one kind of failure at every call, gets over it, and looks at what was told.
"""

import contextlib
import json
import logging
from collections.abc import Callable

import httpx
import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError

from tests.canary import EMAIL, MARK, PARTNER_KEY, PHONE, TOKEN
from tests.secrecy.conftest import MakeStage
from tests.secrecy.journey import again, customer, submitted, whole
from tests.secrecy.stage import ECHO, AwsCall, AwsLost, Json, OnAws, Stage

META_CALLS = ("oauth/access_token$", "debug_token$", r"v26.0/\d+$", "phone_numbers$")
DIALOG_CALLS = (
    "GET .*partners/localPA/clients$",
    "POST .*account_sharing/clients$",
    "POST .*account_sharing/numbers$",
    "GET .*partners/localPA/channels$",
    "POST .*api_keys$",
    "POST .*configs/webhook$",
    "GET .*configs/webhook$",
)
FAULTS: dict[str, Json] = {
    "error_before": {"message": ECHO},
    "error_after": {"message": ECHO},
    "refused": {"kind": "error_before", "status": 400, "message": ECHO},
    "unauthorized": {"kind": "error_before", "status": 401, "message": ECHO},
    "odd_body": {"kind": "error_before", "status": 422, "body": [ECHO, {"error": ECHO}]},
    "throttle": {"message": ECHO, "retry_after": 1},
    "odd_retry_after": {"kind": "throttle", "retry_after": ECHO},
    "timeout_after": {},
    "cut_body": {},
    "invalid_json": {},
    "html": {},
    "wrong_content_type": {},
    "redirect": {"location": f"https://elsewhere.example/{TOKEN}?email={EMAIL}"},
}


def faults(kind: str) -> tuple[list[Json], list[Json]]:
    """One fault of a kind for each call, to Meta and to 360dialog."""

    def fault(pattern: str) -> Json:
        method, _, path = pattern.rpartition(" ")
        match = {"method": method or "*", "path": path}
        return {"kind": kind, "times": 1, **FAULTS[kind], "match": match}

    return [fault(pattern) for pattern in META_CALLS], [fault(pattern) for pattern in DIALOG_CALLS]


@pytest.mark.parametrize("kind", FAULTS)
def test_an_upstream_that_fails_at_every_call(stage: Stage, kind: str) -> None:
    meta, dialog = faults(kind)
    stage.admin("meta", "faults", {"faults": meta})
    stage.admin("dialog", "faults", {"faults": dialog})
    whole(stage)
    stage.assert_silent()
    met = [*stage.sims.meta_faults.faults, *stage.sims.dialog_faults.faults]
    # The list of channels is read by the report at the latest; every fault was met.
    assert not [fault.match for fault in met if not fault.hits]


def quoting(request: httpx.Request) -> str:
    """Everything a request has, as an exception's text may quote it."""
    return f"{ECHO} {request.url} {dict(request.headers)} {request.content!r}"


BROKEN: dict[str, Callable[[httpx.Request], Exception]] = {
    "crash": lambda request: RuntimeError(quoting(request)),
    "lookup": lambda request: KeyError(quoting(request)),
    "connect": lambda request: httpx.ConnectError(quoting(request), request=request),
    "read": lambda request: httpx.ReadError(quoting(request), request=request),
    "protocol": lambda request: httpx.RemoteProtocolError(quoting(request), request=request),
    "decoding": lambda request: httpx.DecodingError(quoting(request), request=request),
    "header": lambda request: httpx.LocalProtocolError(quoting(request), request=request),
    "unicode": lambda request: UnicodeEncodeError("ascii", quoting(request), 0, 1, ECHO),
    "system": lambda request: OSError(5, quoting(request)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_connection_whose_error_quotes_the_request(stage: Stage, kind: str) -> None:
    met: set[tuple[str, str]] = set()

    def break_first(request: httpx.Request) -> None:
        call = (request.method, request.url.path)
        if call not in met:
            met.add(call)
            raise BROKEN[kind](request)

    stage.on_request = break_first
    whole(stage)
    stage.assert_silent()
    assert len(met) > 8


def client_error(call: AwsCall) -> Exception:
    """What AWS says, quoting what it was given."""
    message = f"{ECHO} {call.parameters}"
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, call.operation)


AWS_ERRORS: dict[str, Callable[[AwsCall], Exception]] = {
    "refused": client_error,
    "not_sent": lambda call: ParamValidationError(report=f"{ECHO} {call.parameters}"),
    "lost": lambda call: AwsLost(ReadTimeoutError(endpoint_url=f"https://aws.example/{TOKEN}", error=ECHO)),
    "done_and_refused": lambda call: AwsLost(client_error(call)),
    "crash": lambda call: RuntimeError(f"{ECHO} {call.parameters}"),
    "recursion": lambda call: RecursionError(ECHO),
}


def failing_once(kind: str, nth: int) -> OnAws:
    """Fails the `nth` call of each operation by each function."""
    seen: dict[tuple[str, str], int] = {}

    def fail(call: AwsCall) -> Exception | None:
        key = (call.function, call.operation)
        seen[key] = seen.get(key, 0) + 1
        return AWS_ERRORS[kind](call) if seen[key] == nth else None

    return fail


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("kind", AWS_ERRORS)
def test_an_aws_that_fails_at_every_call(stage: Stage, kind: str, nth: int) -> None:
    stage.on_aws = failing_once(kind, nth)
    whole(stage)
    stage.assert_silent()


@pytest.mark.parametrize(
    "secret",
    [
        f"{MARK} is no JSON",
        f'"{PARTNER_KEY}"',
        f'["{PARTNER_KEY}"]',
        f'{{"partner_api_key": ["{PARTNER_KEY}"], "platform_secrets": {{"a": "{MARK}"}}}}',
        f'{{"platform_secrets": ["{MARK}", ""], "meta_app_secret": 5}}',
        # Keys that no header can hold: the HTTP client's error quotes them.
        f'{{"platform_secrets": ["{MARK}"], "meta_app_secret": "{MARK}\\n", "partner_api_key": "{MARK}\\n"}}',
    ],
    ids=["text", "string", "list", "shapes", "empty", "line_break"],
)
@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=["info", "debug"])
def test_a_secret_that_cannot_be_used(make_stage: MakeStage, secret: str, level: int) -> None:
    stage = make_stage(secret=secret, root_level=level, patience=3)
    with pytest.raises(AssertionError, match="never taken"):
        whole(stage)
    stage.admin("dialog", "events", {"event": "client_created", "data": {"id": "C"}})
    for task in ("sweep", "census"):
        stage.invoke("reconciler", {"task": task})
    stage.assert_silent()


@pytest.mark.parametrize(
    "name",
    [
        "MESSAGING_WEBHOOK_HEADERS",
        "SIGNUP_FLOWS",
        "SIGNUP_LINKS",
        "SIGNUP_PAGE",
        "TENANT_LIMITS",
        "RETENTION",
        "RETRY_SCHEDULE_SECONDS",
        "PARTNER_BUDGET_CALLS",
        "NUMBERS_MEND_KEYS",
    ],
)
@pytest.mark.parametrize("value", [f"{MARK}", f'["{MARK}"]', f'{{"{MARK}": '])
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(
    make_stage: MakeStage, name: str, value: str
) -> None:
    stage = make_stage(variables={name: value})
    stage.invoke("onboarding_worker", {"Records": []})
    stage.invoke("signup_queries", {"rawPath": "/v1/config", "requestContext": {"http": {"method": "GET"}}})
    stage.invoke("code_exchange", {"rawPath": "/v1/signups", "requestContext": {"http": {"method": "POST"}}})
    stage.assert_silent()
    assert name in stage.out.getvalue()


def test_a_number_given_up_leaves_a_dead_letter_of_ids(make_stage: MakeStage) -> None:
    stage = make_stage(patience=6)
    fault = {"kind": "error_before", "message": ECHO, "match": {"method": "POST", "path": "numbers$"}}
    stage.admin("dialog", "faults", fault)
    with pytest.raises(AssertionError, match="never connected"):
        whole(stage)
    stage.assert_silent()
    letters = stage.letters("jobs-dlq")
    assert letters
    assert {name for letter in letters for name in letter["MessageAttributes"]} == {"reason"}


def test_an_event_given_up_leaves_its_body_without_a_credential(stage: Stage) -> None:
    whole(stage)

    def refuse(call: AwsCall) -> Exception | None:
        writing = call.operation in {"TransactWriteItems", "PutItem", "UpdateItem"} and "violation" in str(
            call.parameters
        )
        return RuntimeError(f"{ECHO} {call.parameters}") if writing else None

    stage.on_aws = refuse
    channel = next(iter(stage.sims.hub.channels.values()))
    data = {"id": channel.id, "violation_type": "spam", "phone_number": PHONE, "client": {"email": EMAIL}}
    stage.admin("dialog", "events", {"event": "account_violation", "data": data})
    stage.run(300)
    stage.assert_silent()


@pytest.mark.parametrize(
    "kind", ["SIGNUP", "EXCHANGE", "NUMBER", "EVENT", "CLIENT", "BUDGET", "CENSUS", "KEY"]
)
def test_a_record_that_cannot_be_read_is_not_quoted(stage: Stage, kind: str) -> None:
    """Stored by another release, or spoiled: what is in it, and what it is called by, is a person's data."""
    whole(stage)
    person = customer(stage)
    table = stage.table
    spoiled = [item for item in table.scan(TableName="records")["Items"] if item["sk"]["S"] == kind]
    for item in spoiled:
        item["data"] = {"S": json.dumps({"created_at": EMAIL, "received_at": PHONE})}
        item |= {"due_shard": {"S": "WORK"}, "due_at": {"S": "2020-01-01T00:00:00.000Z"}}
        table.put_item(TableName="records", Item=item)
    assert spoiled
    stage.patience = 2
    with contextlib.suppress(AssertionError):
        submitted(stage, person, "k-2")
    [signup_id] = {item["pk"]["S"].removeprefix("SIGNUP#") for item in spoiled if kind == "SIGNUP"} or {
        "none"
    }
    channel = next(iter(stage.sims.hub.channels.values()))
    number_path = f"/v1/numbers/{channel.phone_number_id}"
    for path in (f"/v1/signups/{signup_id}", "/v1/signups", number_path, "/v1/numbers"):
        stage.request("signup_queries", "GET", path)
    stage.request("signup_queries", "GET", f"/v1/channels/{channel.id}/api-key", tenant=None)
    stage.request("code_exchange", "POST", f"/v1/signups/{signup_id}/code", {"code": TOKEN})
    for path in (
        f"/v1/signups/{signup_id}/numbers",
        f"/v1/signups/{signup_id}/retry",
        *(f"{number_path}/{wish}" for wish in ("retry", "cancel", "reactivate", "check")),
    ):
        stage.request("number_submission", "POST", path, {})
    stage.put("jobs", json.dumps({"phone_number_id": channel.phone_number_id}))
    stage.put("jobs", json.dumps({"census": "default"}))
    for event in stage.sims.dialog_server.lifecycle.sender.deliveries:
        stage.put("events", event.body.decode(), {"encoding": {"stringValue": "utf-8"}})
    stage.admin("dialog", "events", {"event": "account_violation", "data": {"id": channel.id}})
    stage.run(400)
    assert any(call.function == "reconciler" for call in stage.calls)
    stage.assert_silent()


def test_a_fact_that_cannot_be_read_is_not_quoted_and_holds_up_nobody(stage: Stage) -> None:
    whole(stage)
    table = stage.table
    [fact, *_] = [
        item for item in table.scan(TableName="records")["Items"] if item["sk"]["S"].startswith("FACT#")
    ]
    fact["data"] = {"S": json.dumps({"at": EMAIL, "reference": PHONE})}
    table.put_item(TableName="records", Item=fact)
    again(stage)
    change = {"Keys": {"sk": fact["sk"]}, "NewImage": fact, "SequenceNumber": "1"}
    told = stage.invoke("event_publisher", {"Records": [{"eventID": "e1", "dynamodb": change}]})
    assert told == {"batchItemFailures": []}
    stage.request("signup_queries", "GET", f"/v1/signups/{fact['pk']['S'].removeprefix('SIGNUP#')}")
    stage.assert_silent()


@pytest.mark.parametrize("kind", ["refused", "crash"])
def test_everything_fails_once_while_everybody_is_verbose(make_stage: MakeStage, kind: str) -> None:
    stage = make_stage(root_level=logging.DEBUG)
    meta, dialog = faults("error_after")
    stage.admin("meta", "faults", {"faults": meta})
    stage.admin("dialog", "faults", {"faults": dialog})
    stage.on_aws = failing_once(kind, 1)
    whole(stage)
    stage.assert_silent()
