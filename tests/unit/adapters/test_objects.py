"""Large bodies in S3: put and linked to as botocore would, and tried again."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from onramp.adapters import objects
from onramp.adapters.aws_light import Credentials
from onramp.adapters.objects import ATTEMPTS, S3Bodies
from onramp.domain.errors import UnavailableError
from tests.unit.wire import raw_server

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
ALONE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", "eu-central-1")
OF_A_ROLE = Credentials(ALONE.access_key, ALONE.secret_key, "a session/token+=", "eu-central-1")
CONTENT = b"a large body"
KEY = "9f86d081/2c26b46b"
WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


def bodies(endpoint: str | None = None, credentials: Credentials = OF_A_ROLE) -> S3Bodies:
    return S3Bodies("onramp-bodies", lambda: credentials, "eu-central-1", endpoint, NOW.timestamp)


def signed_by_botocore(url: str, credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> str:
    """The link that botocore makes for the same object at our time."""

    def modified(self: S3SigV4QueryAuth, request: AWSRequest) -> None:
        request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
        original(self, request)

    original = S3SigV4QueryAuth._modify_request_before_signing  # type: ignore[attr-defined]
    monkeypatch.setattr(S3SigV4QueryAuth, "_modify_request_before_signing", modified)
    own = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    request = AWSRequest(method="GET", url=url)
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4QueryAuth(own, "s3", "eu-central-1", expires=600)
    auth._modify_request_before_signing(request)  # type: ignore[attr-defined]
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


@pytest.mark.parametrize("credentials", [ALONE, OF_A_ROLE], ids=["alone", "of a role"])
def test_a_link_is_signed_as_botocore_signs_it(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = urlsplit(bodies(credentials=credentials).link(KEY, 600))
    assert link.netloc == "onramp-bodies.s3.eu-central-1.amazonaws.com"
    assert link.path == f"/{KEY}"
    asked = parse_qs(link.query)
    theirs = signed_by_botocore(f"https://{link.netloc}{link.path}", credentials, monkeypatch)
    assert asked["X-Amz-Signature"] == [theirs]
    assert asked["X-Amz-Expires"] == ["600"]
    assert asked.get("X-Amz-Security-Token", [""]) == [credentials.token]


def test_a_body_is_put_where_it_belongs() -> None:
    with raw_server(WELL) as (endpoint, requests):
        bodies(endpoint).put(KEY, CONTENT)
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(f"PUT /onramp-bodies/{KEY} HTTP/1.1".encode())
    assert f"x-amz-content-sha256: {hashlib.sha256(CONTENT).hexdigest()}".encode() in head
    assert body == CONTENT


def test_a_bucket_that_is_busy_is_asked_again() -> None:
    with raw_server(BUSY, None, WELL) as (endpoint, requests):
        bodies(endpoint).put(KEY, CONTENT)
    assert len(requests) == ATTEMPTS


def test_a_bucket_that_refuses_is_not_asked_again() -> None:
    with raw_server(DENIED, WELL) as (endpoint, requests), pytest.raises(UnavailableError):
        bodies(endpoint).put(KEY, CONTENT)
    assert len(requests) == 1


def test_a_bucket_that_never_answers_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "WAIT", 0.1)
    with raw_server(*[BUSY] * ATTEMPTS) as (endpoint, requests), pytest.raises(UnavailableError):
        bodies(endpoint).put(KEY, CONTENT)
    assert len(requests) == ATTEMPTS


def test_the_same_address_is_botocores_own() -> None:
    client = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    theirs = client.generate_presigned_url("get_object", Params={"Bucket": "onramp-bodies", "Key": KEY})
    assert urlsplit(theirs).path == urlsplit(bodies().link(KEY, 60)).path
