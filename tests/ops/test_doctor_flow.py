"""The doctor before a local run: all well, then one thing broken at a time, and exactly that is found.

A run of its own: other flow tests leave dead letters behind, and here nothing may be wrong at the beginning.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from harness.table import make_table
from local import deploy
from local.bus import listening
from local.demo import new_client
from local.journey import submitted
from local.options import RunOptions
from local.run import LocalStack, local_stack
from ops.cli import main
from ops.stage.aws import Aws
from tests.flow.walks import Dialog, Tenant, bus_events

pytestmark = pytest.mark.flow

type Json = dict[str, Any]
type Breakage = Callable[["Patient"], AbstractContextManager[object]]

NOWHERE = "http://127.0.0.1:1"
ELSEWHERE = "https://former.deployer.test/hook?token=abc"
# What nobody can know without CloudWatch or a connected number, and what a local run is not asked.
UNKNOWN = {"deployed-settings", "queue-age", "reconciler", "alarms", "channel-keys"}


@dataclass(frozen=True)
class Patient:
    """A local run, and the doctor's look at it."""

    run: LocalStack
    capsys: pytest.CaptureFixture[str]

    def examine(self, *arguments: str) -> tuple[int, Json]:
        status = main(
            [
                "doctor",
                "--stage",
                "local",
                "--endpoint-url",
                self.run.aws.endpoint,
                "--timeout",
                "30",
                "--json",
                *arguments,
            ]
        )
        shown = self.capsys.readouterr()
        options = self.run.options
        for secret in (options.app_secret, options.partner_key, options.platform_secret):
            assert secret not in shown.out + shown.err
        report: Json = json.loads(shown.out)["result"]
        return status, report

    def levels(self, *arguments: str) -> tuple[int, dict[str, str], dict[str, str]]:
        """Status, and the levels and details of what is not as it is in a healthy run."""
        status, report = self.examine(*arguments)
        odd = {
            f["check"]: f
            for f in report["findings"]
            if f["level"] != ("skipped" if f["check"] in UNKNOWN else "ok")
        }
        return (
            status,
            {name: f["level"] for name, f in odd.items()},
            {name: f["detail"] for name, f in odd.items()},
        )

    def meta(self, method: str, path: str, body: object = None) -> Json:
        url = f"{self.run.upstreams.meta_admin}/admin/{path}"
        answer: Json = self.run.http.request(method, url, json=body).raise_for_status().json()
        return answer

    def client(self, service: str) -> Any:
        aws = self.run.aws
        session = boto3.Session("test", "test", region_name=aws.region)
        return session.client(service, endpoint_url=aws.endpoint)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def healthy() -> Iterator[LocalStack]:
    with local_stack(RunOptions(budget_calls=500, budget_window_seconds=30, step_seconds=0.1)) as run:
        # The doctor is not patient with a cold function, and a busy machine takes its time to start one.
        run.http.get(f"{run.api_url}/v1/config", timeout=120).raise_for_status()
        yield run


@pytest.fixture
def patient(healthy: LocalStack, capsys: pytest.CaptureFixture[str]) -> Patient:
    return Patient(healthy, capsys)


def test_a_healthy_run(patient: Patient) -> None:
    status, report = patient.examine()
    levels = {found["check"]: found["level"] for found in report["findings"]}
    assert {name for name, level in levels.items() if level != "ok"} == UNKNOWN, report
    assert status == 0
    assert report["partner_calls"] == 1
    stored = patient.run.aws.dynamodb.scan(TableName=patient.run.table_name)["Items"]
    events = [item for item in stored if item["pk"]["S"].startswith("EVENT#default#doctor-")]
    assert [json.loads(item["data"]["S"])["outcome"] for item in events] == ["unknown"]


@contextmanager
def secret(patient: Patient, **changes: object) -> Iterator[None]:
    answer = patient.run.aws.secrets.get_secret_value(SecretId=patient.run.secret_id)
    right = json.loads(answer["SecretString"])
    deploy.put_secret(patient.run.aws, patient.run.secret_id, right | changes)
    try:
        yield
    finally:
        deploy.put_secret(patient.run.aws, patient.run.secret_id, right)


@contextmanager
def webhook_elsewhere(patient: Patient) -> Iterator[None]:
    dialog = Dialog(patient.run)
    dialog.call("POST", "partner", {"webhook_url": ELSEWHERE})
    try:
        yield
    finally:
        dialog.call("POST", "partner", {"webhook_url": patient.run.webhook_url})


@contextmanager
def meta_options(patient: Patient, **changes: object) -> Iterator[None]:
    before = patient.meta("GET", "options")
    patient.meta("PATCH", "options", changes)
    try:
        yield
    finally:
        patient.meta("PATCH", "options", before)


@contextmanager
def meta_fault(patient: Patient, **fault: object) -> Iterator[None]:
    patient.meta("POST", "faults", {"kind": "error_before", **fault})
    try:
        yield
    finally:
        patient.meta("DELETE", "faults")


@contextmanager
def partner_fault(patient: Patient, **fault: object) -> Iterator[None]:
    dialog = Dialog(patient.run)
    dialog.call("POST", "faults", {"kind": "error_before", **fault})
    try:
        yield
    finally:
        dialog.call("DELETE", "faults")


@contextmanager
def dead_letter(patient: Patient, queue: str) -> Iterator[None]:
    url = patient.run.queue_url(queue)
    patient.run.aws.sqs.send_message(QueueUrl=url, MessageBody="{}")
    try:
        yield
    finally:
        patient.run.aws.sqs.purge_queue(QueueUrl=url)


@contextmanager
def schedules_off(patient: Patient) -> Iterator[None]:
    rules = patient.run.deployed.resources["AWS::Events::Rule"].values()
    with closing(patient.client("events")) as events:
        for rule in rules:
            events.disable_rule(Name=rule)
        try:
            yield
        finally:
            for rule in rules:
                events.enable_rule(Name=rule)


@contextmanager
def no_route(patient: Patient) -> Iterator[None]:
    apis, api_id = patient.run.aws.apigateway, patient.run.deployed.only("AWS::ApiGatewayV2::Api")
    routes = apis.get_routes(ApiId=api_id)["Items"]
    [route] = [route for route in routes if route["RouteKey"] == "GET /v1/signups"]
    apis.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    try:
        yield
    finally:
        apis.create_route(
            ApiId=api_id,
            RouteKey=route["RouteKey"],
            Target=route["Target"],
            AuthorizationType="JWT",
            AuthorizerId=route["AuthorizerId"],
        )


@contextmanager
def unfed(patient: Patient, name: str) -> Iterator[None]:
    """A function to which nothing is handed any more."""
    functions = patient.run.aws.functions
    sources = functions.list_event_source_mappings(FunctionName=patient.run.deployed.functions[name])[
        "EventSourceMappings"
    ]
    for source in sources:
        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        yield
    finally:
        for source in sources:
            functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


def no_worker(patient: Patient) -> AbstractContextManager[None]:
    return unfed(patient, "partner_event_worker")


@pytest.mark.parametrize(
    ("breakage", "expected", "told"),
    [
        (
            lambda p: secret(p, partner_api_key="not-the-key"),
            {"partner-key": "fail", "partner-webhook": "skipped"},
            {"partner-key": "360dialog refuses the key (401)"},
        ),
        (
            lambda p: secret(p, partner_api_key="changeme"),
            {"secret": "fail", "partner-key": "skipped", "partner-webhook": "skipped"},
            {"secret": "partner_api_key is a placeholder"},
        ),
        (
            lambda p: secret(p, meta_app_secret="not-the-secret"),
            {"meta-app": "fail", "solution": "skipped"},
            {"meta-app": "the secret is not that of app 1234567890"},
        ),
        (
            webhook_elsewhere,
            {"partner-webhook": "fail"},
            {"partner-webhook": "partner webhooks go to https://former.deployer.test/hook?…, not to "},
        ),
        (
            lambda p: meta_options(p, solution_status="DRAFT"),
            {"solution": "fail"},
            {"solution": "is DRAFT, not ACTIVE"},
        ),
        (
            lambda p: meta_options(p, oldest_version=27),
            {"meta-app": "fail", "graph-version": "fail", "solution": "skipped"},
            {"meta-app": "serves v26.0 no more", "graph-version": "serves v26.0 no more"},
        ),
        (
            lambda p: meta_fault(p, match={"path": "1234567890$"}, status=503),
            {"meta-app": "warn"},
            {"meta-app": "trouble of its own"},
        ),
        (
            lambda p: partner_fault(p, match={"path": "webhook_url$"}, status=500),
            {"partner-key": "warn", "partner-webhook": "skipped"},
            {"partner-key": "trouble of its own"},
        ),
        (
            lambda p: dead_letter(p, "JobsDlq"),
            {"dead-letters": "fail"},
            {"dead-letters": "1 dead letter of jobs"},
        ),
        (
            lambda p: dead_letter(p, "EventsDlq"),
            {"dead-letters": "fail"},
            {"dead-letters": "1 dead letter of events"},
        ),
        (schedules_off, {"reconciler": "fail"}, {"reconciler": "2 of the 2 schedules are switched off"}),
        (no_route, {"token-required": "fail"}, {"token-required": "answers 404, not 401"}),
        (
            no_worker,
            {"webhook-event": "fail", "consumers": "fail"},
            {
                "webhook-event": "no worker has seen it",
                "consumers": "the queue events_queue is handed to nobody",
            },
        ),
        (
            lambda p: unfed(p, "event_publisher"),
            {"consumers": "fail"},
            {"consumers": "the table's stream is handed to nobody"},
        ),
        (
            lambda p: dead_letter(p, "StreamDlq"),
            {"dead-letters": "fail"},
            {"dead-letters": "1 dead letter of stream"},
        ),
    ],
)
def test_what_is_broken_is_found_and_nothing_else(
    patient: Patient, breakage: Breakage, expected: dict[str, str], told: dict[str, str]
) -> None:
    # What never comes need not be waited for long.
    hurry = ("--timeout", "4") if breakage is no_worker else ()
    with breakage(patient):
        status, levels, details = patient.levels(*hurry)
    assert levels == expected, details
    assert all(text in details[name] for name, text in told.items()), details
    assert status == int("fail" in expected.values())


@pytest.mark.parametrize(
    ("values", "expected", "told"),
    [
        (
            {"meta.app_id": "5555555555"},
            {"meta-app": "fail", "public-config": "fail", "solution": "skipped"},
            {"meta-app": "Meta knows no app 5555555555", "public-config": "another app_id"},
        ),
        (
            {"meta.graph_version": "v19.0"},
            {"graph-version": "fail", "meta-app": "fail", "public-config": "fail", "solution": "skipped"},
            {"graph-version": "Meta serves v19.0 no more", "public-config": "another graph_version"},
        ),
        (
            {"meta.config_id": "mine"},
            {"config-id": "fail", "public-config": "fail"},
            {"config-id": "is not digits"},
        ),
        (
            {"partner.solution_id": "12345"},
            {"solution": "fail", "public-config": "fail"},
            {"solution": "14 to 18 digits", "public-config": "another solution"},
        ),
        (
            {"partner.partner_id": "somebodyPA"},
            {"partner-key": "fail", "partner-webhook": "skipped"},
            {"partner-key": "none of partner somebodyPA (403)"},
        ),
        (
            {"meta.graph_base_url": NOWHERE},
            {"meta-app": "fail", "solution": "skipped"},
            {"meta-app": "Meta's Graph API cannot be reached"},
        ),
        (
            {"partner.base_url": f"{NOWHERE}/api/v2"},
            {"partner-key": "fail", "partner-webhook": "skipped", "hubs": "fail"},
            {"partner-key": "cannot be reached"},
        ),
        (
            {"api.jwt_issuer": NOWHERE},
            {"jwt-issuer": "fail"},
            {"jwt-issuer": "the identity provider cannot be reached"},
        ),
        (
            {"api.allowed_origins": "http://app.deployer.test"},
            {"allowed-origins": "fail"},
            {"allowed-origins": "does not use https"},
        ),
        (
            {"messaging.webhook_url": "https://my_host.deployer.test:8443/hook"},
            {"messaging-webhook": "fail"},
            {"messaging-webhook": "names a port"},
        ),
        (
            {"stage.removal": "retain"},
            {"protection": "warn", "table": "warn"},
            {"protection": "not protected against deletion: the table, the stack"},
        ),
        (
            {"partner.default_plan_tier": "huge"},
            {"configuration": "fail"},
            {"configuration": "partner.default_plan_tier: "},
        ),
    ],
)
def test_what_is_configured_wrong_is_found(
    patient: Patient, values: dict[str, str], expected: dict[str, str], told: dict[str, str]
) -> None:
    given = [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
    status, levels, details = patient.levels(*given)
    assert levels == expected, details
    assert all(text in details[name] for name, text in told.items()), details
    assert status == int("fail" in expected.values())


def test_a_second_platform_secret_must_work_too(patient: Patient) -> None:
    """What the receiver does with a secret that has just changed depends on when it last looked."""
    with secret(patient, platform_secrets=[patient.run.options.platform_secret, "the-coming-secret"]):
        status, report = patient.examine("--only", "secret", "webhook-event", "--timeout", "40")
    assert status == 0, report
    assert "2 platform secrets" in report["findings"][0]["detail"]
    assert "(2 of 2 secrets) arrived" in report["findings"][1]["detail"]


def test_an_empty_secret(patient: Patient) -> None:
    with secret(patient, meta_app_secret="", partner_api_key="", platform_secrets=[]):
        only = ["secret", "meta-app", "partner-key", "partner-webhook", "webhook-event"]
        status, levels, _ = patient.levels("--only", *only)
    assert levels == {name: "fail" if name == "secret" else "skipped" for name in only}
    assert status == 1


def test_fix_sets_the_partner_webhook(patient: Patient) -> None:
    with webhook_elsewhere(patient):
        status, report = patient.examine("--fix", "--only", "partner-webhook")
        assert Dialog(patient.run).call("GET", "state")["webhook_url"] == patient.run.webhook_url
    [found] = report["findings"]
    assert (status, found["level"], found["changed"]) == (0, "ok", True)
    assert patient.run.webhook_url in found["detail"]
    assert "former.deployer.test" in found["detail"]
    assert "token=abc" not in found["detail"]
    _, again = patient.examine("--fix", "--only", "partner-webhook")
    assert not again["findings"][0]["changed"]


@pytest.mark.parametrize(("seconds", "level"), [(-20, "warn"), (20, "warn"), (300, "fail")])
def test_a_wrong_clock(patient: Patient, seconds: int, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = timedelta(seconds=seconds)
    monkeypatch.setattr("ops.doctor.stage._now", lambda: datetime.now(UTC) + wrong)
    _, levels, details = patient.levels("--only", "clock", "partner-key", "webhook-event")
    assert levels == {"clock": level}
    assert ("ahead" if seconds > 0 else "behind") in details["clock"]


def test_a_stage_that_is_not_there(patient: Patient) -> None:
    arguments = ["doctor", "--stage", "example", "--endpoint-url", patient.run.aws.endpoint]
    assert main(arguments) == 2
    assert "there is no stack Onramp-example" in patient.capsys.readouterr().err


def test_without_the_route_the_stack_names(patient: Patient) -> None:
    """Outputs from a file, of which one leads to nobody and one is missing."""
    with closing(Aws(endpoint=patient.run.aws.endpoint)) as aws:
        assert aws.is_emulated
    outputs = dict(patient.run.deployed.outputs) | {"ApiUrl": NOWHERE, "WebhookUrl": f"{NOWHERE}/hook"}
    del outputs["BusName"]
    file = patient.run.folder / "outputs.json"
    file.write_text(json.dumps({"Onramp-local": outputs}))
    only = ["stack", "public-config", "token-required", "webhook-unsigned", "webhook-event", "clock"]
    status, levels, details = patient.levels("--outputs", str(file), "--only", *only)
    assert levels == dict.fromkeys(only[:-1], "fail"), details
    assert details["stack"] == "outputs missing: BusName"
    assert status == 1


def test_facts_are_published_again(patient: Patient) -> None:
    run = patient.run
    where = ["--stage", "local", "--endpoint-url", run.aws.endpoint, "--json"]
    with run.front_end("tenant-facts") as front_end, listening(run) as listener:
        signup_id = front_end.open(new_client())["id"]
        first = of_signup(bus_events(listener, until="signup.opened"), signup_id)
        assert main(["facts", "republish", *where, "--since", "10m"]) == 0
        told = json.loads(patient.capsys.readouterr().out)["result"]
        again = of_signup(bus_events(listener, until="signup.opened"), signup_id)
        assert again == first
        assert (told["complete"], told["trouble"]) == (True, "")
        assert told["published"] >= 1
        assert main(["facts", "republish", *where, "--since", "2020-01-01", "--until", "2020-02-01"]) == 0
        assert json.loads(patient.capsys.readouterr().out)["result"]["published"] == 0


def of_signup(events: list[Json], signup_id: str) -> list[Json]:
    """What was told of a signup: the events' own part, which a copy has unchanged."""
    return [event["detail"] for event in events if event["detail"]["signup_id"] == signup_id]


# --- the other commands ------------------------------------------------------------------------------


@dataclass
class Operator:
    """A person at the command line, before the local run."""

    patient: Patient

    def run(self, *arguments: str) -> str:
        where = ["--stage", "local", "--endpoint-url", self.patient.run.aws.endpoint]
        assert main([*arguments, *where]) == 0, self.patient.capsys.readouterr()
        return self.patient.capsys.readouterr().out


@pytest.fixture
def operator(patient: Patient) -> Operator:
    return Operator(patient)


def test_a_paused_stage_is_shown_as_paused_and_goes_on(operator: Operator) -> None:
    operator.run("pause", "jobs", "schedules", "api")
    off = json.loads(operator.run("status", "--json"))["result"]["off"]
    assert len(off) == 6
    _, levels, _ = operator.patient.levels("--only", "consumers", "capacity", "reconciler")
    assert levels == dict.fromkeys(("consumers", "capacity", "reconciler"), "fail")
    operator.run("resume")
    assert json.loads(operator.run("status", "--json"))["result"]["off"] == []


def test_a_signup_is_found_and_shown(operator: Operator) -> None:
    client = new_client()
    with operator.patient.run.front_end("tenant-found") as front_end:
        signup_id = front_end.open(client)["id"]
    assert signup_id in operator.run("signups", "find", "--email", client["email"])
    shown = operator.run("signups", "show", signup_id)
    assert "tenant-found" in shown
    assert "signup.opened" in shown


def test_a_dead_letter_goes_back_and_the_number_is_looked_at(operator: Operator) -> None:
    run = operator.patient.run
    job = {"phone_number_id": "106540352242999", "retry": True}
    run.aws.sqs.send_message(QueueUrl=run.queue_url("JobsDlq"), MessageBody=json.dumps(job))
    assert "106540352242999" in operator.run("dead-letters", "list", "jobs")
    assert operator.run("dead-letters", "redrive", "jobs").startswith("1 sent back to jobs")
    assert operator.run("dead-letters", "list", "jobs") == "no dead letters of jobs\n"


def test_a_stage_is_locked_and_unlocked(operator: Operator) -> None:
    operator.run("protect")
    _, levels, _ = operator.patient.levels(
        "--only", "protection", "-c", "stage.removal=retain", "-c", "stage.protected=true"
    )
    assert not levels
    assert operator.run("protect", "--off", "--yes").count("not protected") == 2


def test_a_table_is_restored_beside_itself_and_copied_back(operator: Operator) -> None:
    with operator.patient.run.front_end("tenant-restored") as front_end:
        signup_id = front_end.open(new_client())["id"]
    operator.run("table", "restore", "--at", "1m")
    operator.run("table", "copy", "Onramp-local-restored")
    assert operator.run("signups", "show", signup_id)
    operator.patient.run.aws.dynamodb.delete_table(TableName="Onramp-local-restored")


def test_an_alarm_rings_for_practice(operator: Operator) -> None:
    operator.run("drill", "alarm", "sweep-silent")
    ringing = json.loads(operator.run("status", "--json"))["result"]["ringing"]
    assert [item["alarm"] for item in ringing] == ["Onramp-local-sweep-silent"]
    with closing(operator.patient.client("cloudwatch")) as alarms:
        alarms.set_alarm_state(AlarmName="Onramp-local-sweep-silent", StateValue="OK", StateReason="over")


def test_what_a_deleted_stack_has_left_becomes_a_stack_again(operator: Operator) -> None:
    """A table and its key that no stack has, taken into a new one by their outputs."""
    run = operator.patient.run
    with closing(operator.patient.client("kms")) as keys:
        key = keys.create_key()["KeyMetadata"]["Arn"]
    make_table(run.aws.dynamodb, "left-behind")
    kept = {"DeletionPolicy": "RetainExceptOnCreate"}
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    template = {
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {}}, **kept},
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {"AttributeDefinitions": attributes, "KeySchema": schema},
                **kept,
            },
        },
        "Outputs": {
            "TableName": {"Value": {"Ref": "Table"}},
            "TableKeyArn": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}},
        },
    }
    (run.folder / "template.json").write_text(json.dumps(template))
    (run.folder / "left.json").write_text(json.dumps({"TableName": "left-behind", "TableKeyArn": key}))
    files = ["--template", str(run.folder / "template.json"), "--outputs", str(run.folder / "left.json")]
    operator.run("retained", "import", "--stack", "Onramp-again", *files)
    with closing(operator.patient.client("cloudformation")) as stacks:
        [stack] = stacks.describe_stacks(StackName="Onramp-again")["Stacks"]
        listed = stacks.list_stack_resources(StackName="Onramp-again")["StackResourceSummaries"]
    assert stack["StackStatus"] == "IMPORT_COMPLETE"
    assert {item["PhysicalResourceId"] for item in listed} == {"left-behind", key.rpartition("/")[2]}


def test_a_dead_key_is_found_by_trying_some(operator: Operator) -> None:
    """The last one: a connected number changes what a healthy run looks like."""
    patient, run = operator.patient, operator.patient.run
    with run.front_end("tenant-keys") as front_end:
        signup = Tenant(run=run, name="tenant-keys", front_end=front_end).connected()
    [number] = submitted(signup)
    _, report = patient.examine("--only", "channel-keys")
    assert report["findings"][0]["detail"] == "1 of the stored keys tried, all work"
    shown = json.loads(operator.run("numbers", "show", number["phone_number_id"], "--json"))["result"]
    assert shown["number"]["status"] == "connected"
    found = operator.run("numbers", "list", "--digits", number["display_phone_number"])
    assert number["channel_id"] in found
    Dialog(run).call("POST", f"channels/{number['channel_id']}/hub", {"action": "make_key"})
    _, levels, details = patient.levels("--only", "channel-keys")
    assert levels == {"channel-keys": "fail"}, details
    assert f"the stored key of channel {number['channel_id']} is dead" in details["channel-keys"]
