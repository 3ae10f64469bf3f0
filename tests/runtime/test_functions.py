"""Every function on the real runtime interface client and emulator, from nothing but its bundle."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from harness.services import (
    APP_SECRET,
    PARTNER_KEY,
    PLATFORM_SECRET,
    Services,
)
from harness.waiting import eventually
from local import rie

type Json = dict[str, Any]
type Runtimes = Mapping[str, rie.Running]

pytestmark = pytest.mark.flow

EVENTS = Path(__file__).parents[2] / "events"
STATUSES = {
    "code_exchange/open_signup.json": HTTPStatus.CREATED,
    "code_exchange/open_signup_known_client.json": HTTPStatus.CREATED,
    # The samples' signup does not exist: the route is found, the caller known, the table asked.
    "code_exchange/exchange_code.json": HTTPStatus.NOT_FOUND,
    "code_exchange/choose_waba.json": HTTPStatus.NOT_FOUND,
    "code_exchange/open_signup_prefilled.json": HTTPStatus.CREATED,
    "code_exchange/tell_outcome.json": HTTPStatus.NOT_FOUND,
    "code_exchange/make_link.json": HTTPStatus.CREATED,
    "code_exchange/make_link_for_tenant.json": HTTPStatus.CREATED,
    "code_exchange/revoke_link.json": HTTPStatus.NOT_FOUND,
    "code_exchange/revoke_link_for_tenant.json": HTTPStatus.NOT_FOUND,
    # The samples' link does not exist: nobody is known by its token.
    "code_exchange/exchange_code_by_link.json": HTTPStatus.UNAUTHORIZED,
    "code_exchange/exchange_redirected_code.json": HTTPStatus.NOT_FOUND,
    "code_exchange/tell_outcome_by_link.json": HTTPStatus.UNAUTHORIZED,
    "number_submission/submit_claimed_number.json": HTTPStatus.NOT_FOUND,
    "number_submission/submit_named_numbers.json": HTTPStatus.NOT_FOUND,
    "number_submission/retry.json": HTTPStatus.NOT_FOUND,
    "number_submission/retry_number.json": HTTPStatus.NOT_FOUND,
    "number_submission/cancel_number.json": HTTPStatus.NOT_FOUND,
    "number_submission/reactivate_number.json": HTTPStatus.NOT_FOUND,
    "number_submission/check_number.json": HTTPStatus.NOT_FOUND,
    "number_submission/submit_numbers_by_link.json": HTTPStatus.UNAUTHORIZED,
    "number_submission/retry_by_link.json": HTTPStatus.UNAUTHORIZED,
    "signup_queries/read_config.json": HTTPStatus.OK,
    "signup_queries/read_signup.json": HTTPStatus.NOT_FOUND,
    "signup_queries/list_signups.json": HTTPStatus.OK,
    "signup_queries/read_number.json": HTTPStatus.NOT_FOUND,
    "signup_queries/list_numbers.json": HTTPStatus.OK,
    "signup_queries/read_api_key.json": HTTPStatus.NOT_FOUND,
    "signup_queries/list_links.json": HTTPStatus.OK,
    "signup_queries/list_links_for_tenant.json": HTTPStatus.OK,
    "signup_queries/read_by_link.json": HTTPStatus.UNAUTHORIZED,
    "signup_queries/read_deletion.json": HTTPStatus.NOT_FOUND,
    # These runtimes' secret has no verify token; the forms' signatures are old.
    "meta_receiver/handshake.json": HTTPStatus.SERVICE_UNAVAILABLE,
    "meta_receiver/partner_added.json": HTTPStatus.OK,
    "meta_receiver/deauthorize.json": HTTPStatus.UNAUTHORIZED,
    "meta_receiver/data_deletion.json": HTTPStatus.UNAUTHORIZED,
    "hosted_page/page.json": HTTPStatus.OK,
    "hosted_page/file.json": HTTPStatus.OK,
    "webhook_receiver/channel_live.json": HTTPStatus.OK,
    "webhook_receiver/channel_created_base64.json": HTTPStatus.OK,
}
OTHERS: Mapping[str, Json] = {
    "onboarding_worker/job.json": {"batchItemFailures": []},
    "onboarding_worker/job_redriven.json": {"batchItemFailures": []},
    "onboarding_worker/census.json": {"batchItemFailures": []},
    "reconciler/sweep.json": {"task": "sweep"},
    "reconciler/census.json": {"task": "census"},
    "event_publisher/facts.json": {"batchItemFailures": []},
    "event_relay/batch.json": {"batchItemFailures": []},
    "notification_sender/batch.json": {"batchItemFailures": []},
    "event_publisher/republish.json": {"published": 0, "cursor": None},
}
DESK = "operator_desk/show_number.json"
EVENT_BATCHES = ("partner_event_worker/batch.json", "partner_event_worker/batch_base64.json")
COMPLAINTS = ("Traceback", "errorType", "errorMessage", "crashed", "ImportModuleError")


def sample(name: str) -> Json:
    event: Json = json.loads((EVENTS / name).read_text(encoding="utf-8"))
    return event


def function_of(name: str) -> str:
    return name.partition("/")[0]


def assert_well(runtime: rie.Running) -> None:
    assert not [word for word in COMPLAINTS if word in runtime.log], runtime.log


def test_every_sample_has_an_expected_answer() -> None:
    files = {file.relative_to(EVENTS).as_posix() for file in EVENTS.rglob("*.json")}
    assert files == STATUSES.keys() | OTHERS.keys() | {*EVENT_BATCHES, DESK}


@pytest.mark.parametrize(("name", "status"), STATUSES.items(), ids=list(STATUSES))
def test_a_sample_request_is_answered(runtimes: Runtimes, name: str, status: HTTPStatus) -> None:
    runtime = runtimes[function_of(name)]
    answer = runtime.invoke(sample(name))
    assert answer.error is None, answer.payload
    assert rie.status_of(answer) is status, answer.payload
    if function_of(name) != "hosted_page":
        json.loads(answer.payload["body"])
    assert_well(runtime)


@pytest.mark.parametrize(("name", "expected"), OTHERS.items(), ids=list(OTHERS))
def test_a_sample_batch_or_task_is_done(runtimes: Runtimes, name: str, expected: Json) -> None:
    runtime = runtimes[function_of(name)]
    assert runtime.invoke(sample(name)).payload == expected
    assert_well(runtime)


def test_a_sample_command_of_an_operators_is_answered(runtimes: Runtimes) -> None:
    runtime = runtimes["operator_desk"]
    payload = runtime.invoke(sample(DESK)).payload
    # The sample's number does not exist: the command is found, the table asked.
    assert (payload["version"], payload["problem"]["code"]) == (1, "not_found")
    assert_well(runtime)


@pytest.mark.parametrize("name", EVENT_BATCHES)
def test_sample_events_that_find_no_number_come_once_more_and_are_kept(runtimes: Runtimes, name: str) -> None:
    runtime, event = runtimes[function_of(name)], sample(name)
    messages = [{"itemIdentifier": record["messageId"]} for record in event["Records"]]
    assert runtime.invoke(event).payload == {"batchItemFailures": messages}
    assert runtime.invoke(event).payload == {"batchItemFailures": []}
    assert_well(runtime)


def test_the_page_comes_with_its_files_and_its_headers(runtimes: Runtimes) -> None:
    runtime = runtimes["hosted_page"]
    page = runtime.invoke(sample("hosted_page/page.json")).payload
    assert page["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page["headers"]["Content-Security-Policy"]
    asked = sorted(set(re.findall(r'(?:href|src)="signup/([^"]+)"', page["body"])))
    assert {"page.css", "page.js", "onramp.js"} <= set(asked)
    for name in (*asked, "lang-en.json", "lang-es.json", "lang-pt.json", "lang-de.json"):
        event = sample("hosted_page/file.json")
        event["pathParameters"] = {"file": name}
        assert runtime.invoke(event).payload["statusCode"] == HTTPStatus.OK, name
    event = sample("hosted_page/file.json")
    event["pathParameters"] = {"file": "../hosted_page.py"}
    assert runtime.invoke(event).payload["statusCode"] == HTTPStatus.NOT_FOUND
    assert_well(runtime)


def test_a_forged_webhook_is_refused(runtimes: Runtimes) -> None:
    event = sample("webhook_receiver/channel_live.json")
    event["headers"]["x-360dialog-signature"] = "0" * 64
    answer = runtimes["webhook_receiver"].invoke(event)
    assert rie.status_of(answer) is HTTPStatus.UNAUTHORIZED


class Walk:
    """One signup through the functions, with this test in place of API Gateway and of the queue's poller."""

    def __init__(self, runtimes: Runtimes, around: Services) -> None:
        self._runtimes = runtimes
        self._around = around
        self.signup_id = ""

    def api(self, name: str, status: HTTPStatus, body: Json | None = None) -> Json:
        """Send a sample with our signup and this body."""
        event = sample(name)
        event["headers"].pop("idempotency-key", None)
        event["headers"].pop("if-none-match", None)
        if "pathParameters" in event and self.signup_id:
            old = event["pathParameters"]["signup_id"]
            event = json.loads(json.dumps(event).replace(old, self.signup_id))
        if body is not None:
            event["body"] = json.dumps(body)
        answer = self._runtimes[function_of(name)].invoke(event)
        assert rie.status_of(answer) is status, answer.payload
        content: Json = json.loads(answer.payload["body"])
        return content

    def work(self) -> None:
        """Hand every waiting job to the worker, then sweep: webhooks do not come here, the sweep heals."""
        names = self._around.names
        if records := self._around.received(names.jobs_queue_url):
            for record in records:
                self._runtimes["onboarding_worker"].invoke({"Records": [record]})
        answer = self._runtimes["reconciler"].invoke({"task": "sweep"})
        assert answer.payload == {"task": "sweep"}

    def number(self) -> Json:
        numbers: list[Json] = self.api("signup_queries/read_signup.json", HTTPStatus.OK)["numbers"]
        return numbers[0]

    def facts(self) -> list[Json]:
        timeline: list[Json] = self.api("signup_queries/read_signup.json", HTTPStatus.OK)["timeline"]
        assert timeline[-1]["event"] == "number.connected"
        return timeline


def test_a_signup_walks_through_all_functions(runtimes: Runtimes, around: Services) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    walk = Walk(runtimes, around)
    customer = around.customer()
    walk.signup_id = walk.api("code_exchange/open_signup.json", HTTPStatus.CREATED)["id"]
    code = {"code": customer["code"], "session_info": customer["session_info"]}
    walk.api("code_exchange/exchange_code.json", HTTPStatus.OK, code)
    walk.api("number_submission/submit_claimed_number.json", HTTPStatus.ACCEPTED)

    def connected() -> bool:
        walk.work()
        return bool(walk.number()["status"] == "connected")

    eventually(connected)
    channel_id = walk.number()["channel_id"]
    event = json.loads(json.dumps(sample("signup_queries/read_api_key.json")).replace("smplA1CH", channel_id))
    answer = runtimes["signup_queries"].invoke(event)
    assert rie.status_of(answer) is HTTPStatus.OK
    span = {"since": began.isoformat(), "until": (began + timedelta(hours=1)).isoformat()}
    published = runtimes["event_publisher"].invoke({"republish": span}).payload
    assert published["published"] >= len(walk.facts())
    assert published["cursor"] is None
    api_key = json.loads(answer.payload["body"])["api_key"]
    secrets = (customer["code"], api_key, APP_SECRET, PARTNER_KEY, PLATFORM_SECRET, "appsecret_proof")
    for runtime in runtimes.values():
        assert_well(runtime)
        # On Lambda's own log handler, which takes INFO of every library.
        assert not [secret for secret in secrets if secret in runtime.log]


def test_a_webhook_goes_from_the_receiver_to_its_worker(runtimes: Runtimes, around: Services) -> None:
    around.aws.sqs.purge_queue(QueueUrl=around.names.events_queue_url)
    body = json.dumps({"id": "event-rie", "event": "client_created", "data": {"id": "rieCL"}})
    event = sample("webhook_receiver/channel_live.json")
    event["body"] = body
    signature = hmac.new(PLATFORM_SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    event["headers"]["x-360dialog-signature"] = signature
    answer = runtimes["webhook_receiver"].invoke(event)
    assert (rie.status_of(answer), answer.payload["body"]) == (HTTPStatus.OK, "{}")
    records = around.received(around.names.events_queue_url)
    assert [record["body"] for record in records] == [body]
    done = runtimes["partner_event_worker"].invoke({"Records": records})
    assert done.payload == {"batchItemFailures": []}
    assert around.received(around.names.events_dlq_url) == []


def test_what_a_bundle_lacks_is_noticed(around: Services, tmp_path: Path) -> None:
    # Installed beside the client in .venv-sam and in our own environment, and in no bundle.
    (tmp_path / "lacking.py").write_text("import yaml\n\ndef handler(event, context):\n    return {}\n")
    function = rie.Function(name="lacking", handler="lacking.handler", code=tmp_path, environment={})
    with rie.running(function, tmp_path) as runtime:
        assert runtime.invoke({}).error == "Runtime.ImportModuleError"


def test_a_missing_variable_is_named(around: Services, tmp_path: Path) -> None:
    function = around.function("reconciler", TABLE_NAME="")
    with rie.running(function, tmp_path) as runtime:
        answer = runtime.invoke({"task": "sweep"})
    assert answer.error == "SettingsError"
    assert answer.payload["errorMessage"] == "missing: TABLE_NAME"
