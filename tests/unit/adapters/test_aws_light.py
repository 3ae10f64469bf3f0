"""The hand-made AWS client: signs as botocore does, survives a closed connection, tells no secret."""

import json
import re
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.adapters import aws_light
from onramp.adapters.aws_light import AwsError, Credentials, LightClient, read_secret, send_message, sign
from tests.canary import APP_SECRET, PLATFORM_SECRETS, SECRET, assert_silent
from tests.unit.wire import raw_server

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
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
    service=st.sampled_from(["sqs", "secretsmanager"]),
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
    ours = sign(credentials, service, host, given_headers, body, at)
    assert ours["authorization"] == signed_by_botocore(credentials, service, host, given_headers, body, at)
    assert ours["x-amz-date"] == at.strftime("%Y%m%dT%H%M%SZ")
    assert ours.get("x-amz-security-token", "") == token


def test_the_time_is_utc_wherever_it_was_read() -> None:
    there = datetime.fromisoformat("2031-05-06T09:08:09+02:00")
    assert sign(CREDENTIALS, "sqs", "h", {}, b"", there) == sign(CREDENTIALS, "sqs", "h", {}, b"", NOW)


def test_any_change_changes_the_signature() -> None:
    plain = sign(CREDENTIALS, "sqs", "h", {"a": "b"}, b"body", NOW)["authorization"]
    others = [
        sign(CREDENTIALS, "sqs", "h", {"a": "b"}, b"bodY", NOW),
        sign(CREDENTIALS, "sqs", "i", {"a": "b"}, b"body", NOW),
        sign(CREDENTIALS, "kms", "h", {"a": "b"}, b"body", NOW),
        sign(CREDENTIALS, "sqs", "h", {"a": "c"}, b"body", NOW),
    ]
    assert all(other["authorization"] != plain for other in others)


def test_credentials_come_from_lambdas_variables() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}
    assert Credentials.read(environment) == Credentials("a", "b", "", "r")
    assert Credentials.read({**environment, "AWS_SESSION_TOKEN": "t"}).token == "t"


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"])
def test_a_missing_variable_is_named(missing: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}
    del environment[missing]
    with pytest.raises(KeyError, match=missing):
        Credentials.read(environment)


# --- calls, on a server of this machine


def http(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def light(address: str, service: str = "sqs") -> LightClient:
    return LightClient(service, CREDENTIALS, address, lambda: NOW)


def close(client: LightClient) -> None:
    client._disconnect()


def test_a_message_is_sent_as_sqs_wants_it() -> None:
    with raw_server(http(b'{"MessageId": "1"}')) as (address, requests):
        client = light(address)
        send_message(client, "https://sqs.example/q", '{"a":"ü"}', {"encoding": "utf-8"})
        close(client)
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


def test_a_secret_is_read() -> None:
    answer = http(json.dumps({"SecretString": json.dumps(SECRET)}).encode())
    with raw_server(answer) as (address, requests):
        client = light(address, "secretsmanager")
        assert read_secret(client, "the-secret") == SECRET
        close(client)
    assert b"x-amz-target: secretsmanager.GetSecretValue" in requests[0]
    assert requests[0].endswith(b'{"SecretId": "the-secret"}')


def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    # Each answer of this server ends its connection without saying so.
    with raw_server(http(b"{}"), http(b'{"MessageId": "2"}')) as (address, requests):
        client = light(address)
        client.call("T", "c", {"n": 1})
        assert client.call("T", "c", {"n": 2}) == {"MessageId": "2"}
        close(client)
    assert [request[-8:] for request in requests] == [b'{"n": 1}', b'{"n": 2}']


def test_a_connection_is_kept() -> None:
    made = 0
    with raw_server(http(b"{}")) as (address, _):
        client = light(address)
        connect = client._connect

        def counted() -> Any:
            nonlocal made
            made += 1
            return connect()

        client._connect = counted  # type: ignore[method-assign]
        client.call("T", "c", {})
        assert client._connection is not None
        close(client)
        close(client)
    assert made == 1
    assert client._connection is None


def test_aws_that_hangs_up_twice_is_an_error() -> None:
    with (
        raw_server(None, None) as (address, requests),
        pytest.raises(AwsError, match="sqs does not answer: RemoteDisconnected"),
    ):
        light(address).call("T", "c", {})
    assert len(requests) == aws_light.ATTEMPTS


def test_an_answer_cut_short_is_tried_once_more() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", http(b"{}")) as (address, _):
        client = light(address)
        assert client.call("T", "c", {}) == {}
        close(client)


def test_an_address_where_nobody_listens_is_an_error() -> None:
    with raw_server() as (address, _):
        pass
    with pytest.raises(AwsError, match="does not answer: ConnectionRefusedError"):
        light(address).call("T", "c", {})


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "400 Bad Request",
            b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "q"}',
            "400 QueueDoesNotExist",
        ),
        ("400 Bad Request", b'{"__type": "InvalidParameter"}', "400 InvalidParameter"),
        ("500 Oops", b"<html>", "500 "),
        ("503 Slow", b"", "503 "),
        ("403 No", b"[]", "403 "),
        ("200 OK", b"[]", "200 "),
        ("302 Found", b"{}", "302 "),
    ],
)
def test_a_refusal_tells_its_status_and_type_and_nothing_else(status: str, body: bytes, told: str) -> None:
    with raw_server(http(body, status)) as (address, requests):
        client = light(address)
        with pytest.raises(AwsError) as raised:
            client.call("T", "c", {})
        close(client)
    assert str(raised.value) == f"sqs: {told}"
    assert len(requests) == 1


def test_a_success_without_a_body_is_an_empty_answer() -> None:
    with raw_server(http(b""), http(b"no json")) as (address, _):
        client = light(address)
        assert client.call("T", "c", {}) == {}
        assert client.call("T", "c", {}) == {}
        close(client)


@pytest.mark.parametrize(
    "answer",
    [{"SecretString": f"{APP_SECRET} {PLATFORM_SECRETS[0]}"}, {"SecretString": f'{{"a": "{APP_SECRET}'}, {}],
)
def test_a_secret_that_is_no_json_is_never_shown(answer: dict[str, str]) -> None:
    with raw_server(http(json.dumps(answer).encode())) as (address, _):
        client = light(address)
        with pytest.raises(AwsError, match="not JSON") as raised:
            read_secret(client, "x")
        close(client)
    assert_silent("".join(traceback.format_exception(raised.value)))


def test_without_an_endpoint_the_address_is_awss_and_encrypted() -> None:
    client = LightClient("secretsmanager", CREDENTIALS, None, lambda: NOW)
    connection = client._connect()
    assert (connection.host, connection.port) == ("secretsmanager.eu-central-1.amazonaws.com", 443)
    assert connection.timeout == aws_light.TIMEOUT_SECONDS
    context = connection._context  # type: ignore[attr-defined]
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
