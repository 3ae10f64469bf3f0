"""The hand-made AWS client: signs, names and addresses as botocore does, tries again, tells no secret."""

import base64
import json
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.adapters import aws_light
from onramp.adapters.aws_client import Client, Clients
from onramp.adapters.aws_light import (
    SERVICES,
    AwsError,
    Credentials,
    LightClient,
    credentials_of,
    fits_queue,
    host_of,
    read_secret,
    send_message,
    sign,
)
from tests.canary import APP_SECRET, PLATFORM_SECRETS, SECRET, assert_silent
from tests.unit.wire import raw_server

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
STAMP = NOW.timestamp()
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", "eu-central-1")


# --- signing


def signed_by_botocore(  # noqa: PLR0917 - as `sign`
    credentials: Credentials, service: str, host: str, headers: dict[str, str], body: bytes, now: datetime
) -> str:
    """The `Authorization` botocore makes for the same request."""

    class Frozen(SigV4Auth):
        _modify_request_before_signing: Any
        _inject_signature_to_request: Any

        def add_auth(self, request: Any) -> None:
            """As botocore's, at our time."""
            request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
            self._modify_request_before_signing(request)
            canonical = self.canonical_request(request)
            self._inject_signature_to_request(
                request, self.signature(self.string_to_sign(request, canonical), request)
            )

    request = AWSRequest(method="POST", url=f"https://{host}/", data=body, headers=headers)
    boto = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    Frozen(boto, service, credentials.region).add_auth(request)
    return str(request.headers["Authorization"])


header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
header_names = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=20
)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=500),
    extra=st.dictionaries(header_names.map(lambda name: f"X-Amz-{name}"), header_values, max_size=4),
    token=st.sampled_from(["", "FwoGZXIvYXdzE/+=="]),
    service=st.sampled_from(sorted(SERVICES)),
    now=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
)
def test_a_signature_is_botocores(
    body: bytes, extra: dict[str, str], token: str, service: str, now: datetime
) -> None:
    credentials = Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, token, CREDENTIALS.region)
    host = f"{service}.eu-central-1.amazonaws.com"
    given_headers = {name.lower(): value for name, value in extra.items() if name.lower() != "x-amz-date"}
    given_headers.pop("x-amz-security-token", None)
    given_headers |= {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
    at = now.replace(tzinfo=UTC)
    ours = sign(credentials, service, host, given_headers, body, at.timestamp())
    assert ours["authorization"] == signed_by_botocore(credentials, service, host, given_headers, body, at)
    assert ours["x-amz-date"] == at.strftime("%Y%m%dT%H%M%SZ")
    assert ours.get("x-amz-security-token", "") == token


def test_any_change_changes_the_signature() -> None:
    plain = sign(CREDENTIALS, "sqs", "h", {"a": "b"}, b"body", STAMP)["authorization"]
    others = [
        sign(CREDENTIALS, "sqs", "h", {"a": "b"}, b"bodY", STAMP),
        sign(CREDENTIALS, "sqs", "i", {"a": "b"}, b"body", STAMP),
        sign(CREDENTIALS, "kms", "h", {"a": "b"}, b"body", STAMP),
        sign(CREDENTIALS, "sqs", "h", {"a": "c"}, b"body", STAMP),
    ]
    assert all(other["authorization"] != plain for other in others)


def test_credentials_come_from_lambdas_variables() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}
    read = Credentials.read(environment)
    assert (read.access_key, read.secret_key, read.token, read.region) == ("a", "b", "", "r")
    assert Credentials.read({**environment, "AWS_SESSION_TOKEN": "t"}).token == "t"
    assert credentials_of(environment)().access_key == "a"


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"])
def test_a_missing_variable_is_named(missing: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}
    del environment[missing]
    with pytest.raises(KeyError, match=missing):
        credentials_of(environment)


def http(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def handed_out(address: str) -> dict[str, str]:
    """The environment of a function with SnapStart."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{address}/2021-04-23/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "asking",
        "AWS_REGION": "eu-central-1",
    }


def keys(expires: str) -> bytes:
    told = {"AccessKeyId": "a", "SecretAccessKey": APP_SECRET, "Token": "t", "Expiration": expires}
    return http(json.dumps(told).encode())


def test_with_snapstart_lambda_hands_credentials_out_until_they_end() -> None:
    with raw_server(keys("2090-01-01T00:00:00Z"), keys("2020-01-01T00:00:00Z")) as (address, requests):
        lasting = credentials_of(handed_out(address))
        assert {(one.access_key, one.token) for one in (lasting(), lasting())} == {("a", "t")}
        assert len(requests) == 1
        ended = credentials_of(handed_out(address))
        ended()
    assert len(requests) == 2
    assert b"authorization: asking" in requests[0].lower()


@pytest.mark.parametrize(
    "answer", [http(b"no"), http(b"{}"), http(b"[]"), keys("never"), http(b"{}", "500 No"), None]
)
def test_credentials_that_are_not_given_are_an_error_that_shows_nothing(answer: bytes | None) -> None:
    with raw_server(answer) as (address, _), pytest.raises(AwsError, match="no credentials") as raised:
        credentials_of(handed_out(address))()
    assert_silent("".join(traceback.format_exception(raised.value)))


# --- names and addresses


def botos(service: str, region: str) -> Any:
    """boto3's client."""
    return boto3.client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")  # type: ignore[call-overload]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_and_its_protocol_are_named_as_botocore_does(service: str) -> None:
    told = botos(service, "eu-central-1").meta.service_model.metadata
    assert SERVICES[service] == (told["targetPrefix"], told["jsonVersion"])
    assert told.get("signingName", told["endpointPrefix"]) == service


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc"])
def test_a_services_address_is_botocores_in_every_region(partition: str) -> None:
    regions = boto3.Session().get_available_regions("sqs", partition)
    assert regions
    # An address has the same form in all of a partition; a client takes long to make.
    for region in (regions[0], regions[-1]):
        for service in SERVICES:
            assert botos(service, region).meta.endpoint_url == f"https://{host_of(service, region)}"


def test_without_an_endpoint_the_address_is_awss_and_encrypted() -> None:
    client = LightClient("secretsmanager", lambda: CREDENTIALS, "eu-central-1")
    connection = client._taken()
    assert (connection.host, connection.port) == ("secretsmanager.eu-central-1.amazonaws.com", 443)
    assert connection._secure


# --- calls, on a server of this machine


_made: list[LightClient] = []


def light(address: str, service: str = "sqs", **limits: Any) -> LightClient:
    _made.append(LightClient(service, lambda: CREDENTIALS, "eu-central-1", address, **limits))
    return _made[-1]


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws_light, "FIRST_PAUSE", 0.0)
        yield
    for client in _made:
        client.disconnect()


def test_a_message_is_sent_as_sqs_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: STAMP)
    with raw_server(http(b'{"MessageId": "1"}')) as (address, requests):
        send_message(light(address), "https://sqs.example/q", '{"a":"ü"}', {"encoding": "utf-8"})
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"x-amz-target: AmazonSQS.SendMessage" in head
    assert b"content-type: application/x-amz-json-1.0" in head
    assert re.search(
        rb"authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20310506/eu-central-1/sqs/aws4_request,",
        head,
    )
    assert json.loads(body) == {
        "QueueUrl": "https://sqs.example/q",
        "MessageBody": '{"a":"ü"}',
        "MessageAttributes": {"encoding": {"DataType": "String", "StringValue": "utf-8"}},
    }


def test_no_call_names_the_trace_of_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """By that header Lambda counts how often its functions wake each other, and stops a chain of sixteen."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2;Sampled=1")
    with raw_server(http(b"{}")) as (address, requests):
        light(address).call("T", {})
    assert b"trace" not in requests[0].lower()


def test_a_secret_is_read() -> None:
    answer = http(json.dumps({"SecretString": json.dumps(SECRET)}).encode())
    with raw_server(answer) as (address, requests):
        assert read_secret(light(address, "secretsmanager"), "the-secret") == SECRET
    assert b"x-amz-target: secretsmanager.GetSecretValue" in requests[0]
    assert requests[0].endswith(b'{"SecretId": "the-secret"}')


def test_bytes_and_times_are_written_as_aws_wants_them_and_bytes_are_read() -> None:
    stored = base64.b64encode(b"\x00z").decode()
    item = {"pk": {"S": "B"}, "B": {"S": "B"}, "data": {"B": stored}}
    with raw_server(http(json.dumps({"Item": item}).encode()), http(b"{}")) as (address, requests):
        client = Client(light(address, "dynamodb"))
        found = client.get_item(TableName="t", Key={"pk": {"B": b"\x00z"}})
        assert found == {"Item": {"pk": {"S": "B"}, "B": {"S": "B"}, "data": {"B": b"\x00z"}}}
        Client(light(address, "events")).put_events(Entries=[{"Time": NOW}])
    assert json.loads(requests[0].partition(b"\r\n\r\n")[2])["Key"] == {"pk": {"B": stored}}
    assert json.loads(requests[1].partition(b"\r\n\r\n")[2]) == {"Entries": [{"Time": int(STAMP)}]}


def test_what_json_has_no_form_for_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="object"):
        light("http://127.0.0.1:1").call("T", {"a": object()})


def test_aws_that_hangs_up_every_time_is_an_error() -> None:
    with (
        raw_server(None, None, None) as (address, requests),
        pytest.raises(AwsError, match="sqs does not answer: Garbled") as raised,
    ):
        light(address).call("T", {})
    assert (len(requests), raised.value.status, raised.value.code) == (3, 0, "Garbled")


def test_an_answer_cut_short_is_tried_once_more() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", http(b"{}")) as (address, _):
        assert light(address).call("T", {}) == {}


def test_an_address_where_nobody_listens_is_an_error() -> None:
    with raw_server() as (address, _):
        pass
    with pytest.raises(AwsError, match="does not answer: ConnectionRefusedError"):
        light(address).call("T", {})
    light(address).connect()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "400 Bad Request",
            b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "q"}',
            "400 QueueDoesNotExist",
        ),
        ("400 Bad Request", b'{"__type": "InvalidParameter"}', "400 InvalidParameter"),
        ("403 No", b"[]", "403 "),
        ("200 OK", b"[]", "200 "),
        ("200 OK", b"no json", "200 "),
        ("302 Found", b"{}", "302 "),
    ],
)
def test_a_refusal_tells_its_status_and_type_and_nothing_else(status: str, body: bytes, told: str) -> None:
    with raw_server(http(body, status)) as (address, requests), pytest.raises(AwsError) as raised:
        light(address).call("T", {})
    assert str(raised.value) == f"sqs: {told}"
    assert raised.value.status == int(status[:3])
    assert len(requests) == 1


MAY_PASS = [
    http(b"<html>", "500 Oops"),
    http(b"", "503 Slow"),
    http(b"{}", "429 Many"),
    http(b'{"__type": "x#ThrottlingException"}', "400 Bad Request"),
    http(b'{"__type": "x#ProvisionedThroughputExceededException"}', "400 Bad Request"),
]


@pytest.mark.parametrize("answer", MAY_PASS)
def test_what_may_pass_is_tried_again(answer: bytes) -> None:
    with raw_server(answer, answer, http(b'{"ok": 1}')) as (address, requests):
        assert light(address).call("T", {}) == {"ok": 1}
    assert len(requests) == 3


@pytest.mark.parametrize("answer", MAY_PASS)
def test_what_does_not_pass_is_an_error_in_the_end(answer: bytes) -> None:
    with raw_server(answer, answer) as (address, requests), pytest.raises(AwsError):
        light(address, attempts=2).call("T", {})
    assert len(requests) == 2


def test_no_try_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_light, "_pause", lambda _: 60.0)
    with raw_server(http(b"", "503 Slow")) as (address, requests), pytest.raises(AwsError, match="503"):
        light(address, deadline=30.0).call("T", {})
    assert len(requests) == 1


def test_a_cancelled_transaction_tells_the_reason_of_each_member() -> None:
    told = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {}}, {}],
    }
    answer = http(json.dumps(told).encode(), "400 Bad Request")
    with raw_server(answer) as (address, _), pytest.raises(AwsError) as raised:
        light(address, "dynamodb").call("TransactWriteItems", {})
    assert raised.value.code == "TransactionCanceledException"
    assert raised.value.reasons == ("None", "ConditionalCheckFailed", "")


def test_a_success_without_a_body_is_an_empty_answer() -> None:
    with raw_server(http(b"")) as (address, _):
        assert light(address).call("T", {}) == {}


@pytest.mark.parametrize(
    "answer",
    [{"SecretString": f"{APP_SECRET} {PLATFORM_SECRETS[0]}"}, {"SecretString": f'{{"a": "{APP_SECRET}'}, {}],
)
def test_a_secret_that_is_no_json_is_never_shown(answer: dict[str, str]) -> None:
    content = json.dumps(answer).encode()
    with raw_server(http(content)) as (address, _), pytest.raises(AwsError, match="not JSON") as raised:
        read_secret(light(address, "secretsmanager"), "x")
    assert_silent("".join(traceback.format_exception(raised.value)))


@pytest.mark.parametrize("text", ["\x00", "\x1f", "a\ud800", "\ufffe", "\uffff"])
def test_a_character_that_sqs_refuses_is_noticed(text: str) -> None:
    assert not fits_queue(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_every_other_character_fits(text: str) -> None:
    assert fits_queue(f"{text}\t\r\n\x7f\x85")


# --- the clients of a process


def test_a_process_has_one_client_of_a_service_with_its_environments_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}.items():
        monkeypatch.setenv(name, value)
    with raw_server(http(b"{}"), http(b"{}")) as (address, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        clients = Clients()
        assert clients("sqs") is clients("sqs")
        clients("sqs").change_message_visibility(QueueUrl="q")
        clients.forget()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "new")
        clients("sqs").change_message_visibility(QueueUrl="q")
        clients.forget()
    assert b"AmazonSQS.ChangeMessageVisibility" in requests[0]
    assert b"Credential=a/" in requests[0]
    assert b"Credential=new/" in requests[1]
