"""The sample events: what Lambda hands to each function; the files below `events/` are made from these."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from contract.routes import HUBS, META, PAGES, ROUTES, Access
from onramp.adapters.aws import SOURCE
from onramp.adapters.dynamo import FACTS_KEPT
from onramp.adapters.dynamo.items import fact_item
from onramp.domain.facts import FactType
from onramp.domain.partner_events import read_event
from onramp.domain.records import HUB, Fact
from onramp.domain.relaying import Body, Resolution, envelope_of, written
from onramp.domain.text import iso
from onramp.inbound.models import LINK_ID, SIGNUP_ID
from onramp.inbound.receiving import for_queue
from onramp.inbound.signature import HEADER, META_HEADER

type Json = dict[str, Any]

EVENTS: Final = Path(__file__).resolve().parent.parent / "events"
SECRET: Final = "sample-platform-secret"  # noqa: S105 - worth nothing
"""What the sample webhooks are signed with."""
APP_SECRET: Final = "sample-app-secret"  # noqa: S105 - likewise
VERIFY_TOKEN: Final = "sample-verify-token"  # noqa: S105 - likewise
"""What Meta's own samples are signed with, and its handshake shows."""
HOST: Final = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
AT: Final = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PHONE_NUMBER_ID: Final = "106540352242922"
WABA_ID: Final = "102290129340398"
CHANNEL_ID: Final = "smplA1CH"
CLIENT_ID: Final = "smplB2CL"
TENANT: Final = "tenant-sample"
_MILLISECONDS: Final = int(AT.timestamp() * 1000)
_ACCESS: Final[Mapping[str, Access]] = {route.key: route.access for route in (*ROUTES, *HUBS, *PAGES, *META)}


def body_of(name: str) -> object:
    """The JSON body of a sample request. Raises `KeyError`."""
    return json.loads(samples()[name]["body"])


def files() -> dict[Path, str]:
    """Every file below `events/` with its content."""
    return {
        EVENTS / f"{name}.json": json.dumps(event, indent=2, ensure_ascii=False) + "\n"
        for name, event in samples().items()
    }


def samples() -> dict[str, Json]:
    """Every sample by its name, `<function>/<what>`."""
    known_client = {"client_id": CLIENT_ID, "plan_tier": "premium"}
    signup = {"signup_id": SIGNUP_ID}
    number = {"phone_number_id": PHONE_NUMBER_ID}
    return {
        "code_exchange/open_signup": _request(
            1, "POST /v1/signups", body=_OPEN, headers={"idempotency-key": "5f0c1f0e-order-4711"}
        ),
        "code_exchange/open_signup_known_client": _request(2, "POST /v1/signups", body=known_client),
        "code_exchange/open_signup_prefilled": _request(20, "POST /v1/signups", body=_PREFILLED),
        "code_exchange/tell_outcome": _request(
            21, "POST /v1/signups/{signup_id}/outcome", signup, body=_OUTCOME
        ),
        "code_exchange/make_link": _request(
            22, "POST /v1/signup-links", body=_LINK, headers={"idempotency-key": "5f0c1f0e-link-4711"}
        ),
        "code_exchange/make_link_for_tenant": _request(
            23, "POST /v1/tenants/{tenant}/signup-links", {"tenant": TENANT}, body=_LINK
        ),
        "code_exchange/revoke_link": _request(
            24, "POST /v1/signup-links/{link_id}/revoke", {"link_id": LINK_ID}, body={}
        ),
        "code_exchange/revoke_link_for_tenant": _request(
            25,
            "POST /v1/tenants/{tenant}/signup-links/{link_id}/revoke",
            {"tenant": TENANT, "link_id": LINK_ID},
            body={},
        ),
        "code_exchange/exchange_code_by_link": _request(26, "POST /v1/linked-signup/code", body=_CODE),
        "code_exchange/tell_outcome_by_link": _request(27, "POST /v1/linked-signup/outcome", body=_OUTCOME),
        "code_exchange/exchange_code": _request(3, "POST /v1/signups/{signup_id}/code", signup, body=_CODE),
        "code_exchange/exchange_redirected_code": _request(
            34, "POST /v1/signups/{signup_id}/code", signup, body=_REDIRECTED
        ),
        "code_exchange/choose_waba": _request(
            4, "POST /v1/signups/{signup_id}/code", signup, body={"waba_id": WABA_ID}
        ),
        "number_submission/submit_claimed_number": _request(
            5, "POST /v1/signups/{signup_id}/numbers", signup, body={}
        ),
        "number_submission/submit_named_numbers": _request(
            6,
            "POST /v1/signups/{signup_id}/numbers",
            signup,
            body={"phone_number_ids": [PHONE_NUMBER_ID], "plan_tier": "regular"},
        ),
        "number_submission/retry": _request(7, "POST /v1/signups/{signup_id}/retry", signup, body={}),
        "number_submission/submit_numbers_by_link": _request(
            28, "POST /v1/linked-signup/numbers", body={"phone_number_ids": [PHONE_NUMBER_ID]}
        ),
        "number_submission/retry_by_link": _request(29, "POST /v1/linked-signup/retry", body={}),
        "number_submission/retry_number": _request(
            8, "POST /v1/numbers/{phone_number_id}/retry", number, body={}
        ),
        **{
            f"number_submission/{wish}_number": _request(
                serial, f"POST /v1/numbers/{{phone_number_id}}/{wish}", number, body={}
            )
            for serial, wish in ((17, "cancel"), (18, "reactivate"), (19, "check"))
        },
        "signup_queries/read_config": _request(9, "GET /v1/config"),
        "signup_queries/read_signup": _request(
            10, "GET /v1/signups/{signup_id}", signup, headers={"if-none-match": f'"{"0" * 32}"'}
        ),
        "signup_queries/list_signups": _request(
            11, "GET /v1/signups", query={"status": "attention", "limit": "10"}
        ),
        "signup_queries/list_links": _request(30, "GET /v1/signup-links", query={"status": "open"}),
        "signup_queries/list_links_for_tenant": _request(
            31, "GET /v1/tenants/{tenant}/signup-links", {"tenant": TENANT}
        ),
        "signup_queries/read_by_link": _request(32, "GET /v1/linked-signup"),
        "signup_queries/read_number": _request(12, "GET /v1/numbers/{phone_number_id}", number),
        "signup_queries/list_numbers": _request(13, "GET /v1/numbers", query={"status": "failed"}),
        "signup_queries/read_api_key": _request(
            14, "GET /v1/channels/{channel_id}/api-key", {"channel_id": CHANNEL_ID}
        ),
        "webhook_receiver/channel_live": _webhook(15, _partner_event(4, "live").encode()),
        "webhook_receiver/channel_created_base64": _webhook(
            16, _partner_event(1, "created", "Bäckerei Beispiel").encode(), in_base64=True
        ),
        "meta_receiver/handshake": _request(
            50,
            "GET /v1/webhooks/meta",
            query={
                "hub.mode": "subscribe",
                "hub.challenge": "1158201444",
                "hub.verify_token": VERIFY_TOKEN,
            },
        ),
        "meta_receiver/partner_added": _from_meta(51, json.dumps(_PARTNER_ADDED).encode()),
        "meta_receiver/deauthorize": _form(52, "deauthorize"),
        "meta_receiver/data_deletion": _form(53, "data-deletion"),
        "signup_queries/read_deletion": _request(
            54, "GET /v1/deletions/{code}", {"code": "abcdefghijklmnopqrstuvwx"}
        ),
        "hosted_page/page": _request(40, "GET /signup"),
        "hosted_page/file": _request(
            41, "GET /signup/{file}", {"file": "page.js"}, headers={"accept-encoding": "gzip, deflate, br"}
        ),
        "onboarding_worker/job": _batch("Jobs", [_message(1, json.dumps(number))]),
        "onboarding_worker/job_redriven": _batch(
            "Jobs",
            [
                _message(
                    2,
                    json.dumps({**number, "retry": True, "reason": "partner_unavailable"}),
                    reason="partner_unavailable",
                )
            ],
        ),
        "onboarding_worker/census": _batch("Jobs", [_message(3, json.dumps({"census": "default"}))]),
        "partner_event_worker/batch": _batch(
            "Events",
            [
                _queued(4, _partner_event(1, "created", "Bäckerei Beispiel").encode()),
                _queued(
                    5, f"[{_partner_event(2, 'ready')}, {_partner_event(3, 'running')}]".encode(), received=2
                ),
                _queued(6, _partner_event(4, "live").encode()),
            ],
        ),
        "partner_event_worker/batch_base64": _batch(
            "Events", [_queued(7, _partner_event(5, "live", "Example \uffffBakery").encode())]
        ),
        "reconciler/sweep": {"task": "sweep"},
        "reconciler/census": {"task": "census"},
        "event_relay/batch": _batch("Relay", [_of_the_relay()]),
        "operator_desk/show_number": {
            "command": "numbers.show",
            "arguments": number,
            "actor": f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/sample",
        },
        "notification_sender/batch": _batch("Notifications", [_notified(8), _wake_up(9)]),
        "event_publisher/facts": _stream(_FACTS),
        "event_publisher/republish": {
            "republish": {"since": "2026-11-23T00:00:00Z", "until": "2026-11-24T00:00:00Z", "cursor": None}
        },
    }


_OPEN: Final = {
    "client": {
        "name": "Example Bakery",
        "email": "owner@bakery.example.com",
        "user_name": "Alex Example",
    },
    "reference": "customer-4711",
}
_PREFILLED: Final = {
    **_OPEN,
    "flow": "standard",
    "prefill": {
        "business": {
            "name": "Example Bakery Ltd",
            "email": "owner@bakery.example.com",
            "phone": {"code": "1", "number": "555 010 0100"},
            "website": "https://bakery.example.com",
            "address": {"street_address1": "1 Example Street", "city": "Exampleton", "country": "US"},
            "timezone": "UTC-08:00",
        },
        "phone": {"display_name": "Example Bakery", "category": "FOOD", "description": "Bread and cakes"},
    },
}
_LINK: Final = {
    **_OPEN,
    "language": "en",
    "success_url": "https://app.example.com/done?plan=2",
    "failure_url": "https://app.example.com/failed",
    "expires_in_days": 7,
}
_OUTCOME: Final = {
    "outcome": "cancelled",
    "step": "PHONE_NUMBER_VERIFICATION",
    "session_id": "f34b51dab5e0498",
}
_CODE: Final = {
    "code": "AQBsampleCodeFromThePopup",
    "session_info": {
        "type": "WA_EMBEDDED_SIGNUP",
        "event": "FINISH",
        "version": "3",
        "data": {
            "phone_number_id": PHONE_NUMBER_ID,
            "waba_id": WABA_ID,
            "business_id": "2729063490586005",
        },
    },
}
_REDIRECTED: Final = {
    "code": "AQBsampleCodeFromTheDialog",
    "redirect_uri": "https://app.example.com/connect",
}
_FACTS: Final = (
    Fact(
        id="01a207a28d305b1c5f0e9d4c7a11be200",
        type=FactType.SIGNUP_AUTHORIZED,
        at=AT + timedelta(seconds=20),
        subject=SIGNUP_ID,
        tenant=TENANT,
        reference="customer-4711",
        detail={"waba_id": WABA_ID, "proof": "granted_ids"},
    ),
    Fact(
        id="01a207a291185d3a0b77c2e9f4d8a6010",
        type=FactType.NUMBER_PENDING,
        at=AT + timedelta(seconds=22),
        subject=SIGNUP_ID,
        tenant=TENANT,
        reference="customer-4711",
        phone_number_id=PHONE_NUMBER_ID,
    ),
)


# --- requests --------------------------------------------------------------------------------------------


def _request(
    serial: int,
    route: str,
    path_values: Mapping[str, str] | None = None,
    *,
    body: object = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Json:
    """A request as API Gateway hands it over."""
    access = _ACCESS[route]
    sent = {**_SENT[access], **(headers or {})}
    text = None if body is None else json.dumps(body)
    if text is not None:
        sent |= {"content-type": "application/json", "content-length": str(len(text.encode()))}
    event = _event(serial, route, path_values or {}, sent)
    event["requestContext"] |= _CALLER.get(access, {})
    if query:
        event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in query.items())
        event["queryStringParameters"] = dict(query)
    if path_values:
        event["pathParameters"] = dict(path_values)
    if text is not None:
        event["body"] = text
    return event | {"isBase64Encoded": False}


def _webhook(serial: int, body: bytes, *, in_base64: bool = False) -> Json:
    """A signed webhook of 360dialog's; in base64 it has the signature's other form, too."""
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        **_SENT["signed"],
        "content-length": str(len(body)),
        "content-type": "application/octet-stream" if in_base64 else "application/json",
        HEADER: f"sha256={signature}" if in_base64 else signature,
    }
    event = _event(serial, "POST /v1/webhooks/360dialog", {}, headers)
    event["body"] = base64.b64encode(body).decode() if in_base64 else body.decode()
    return event | {"isBase64Encoded": in_base64}


def _from_meta(serial: int, body: bytes) -> Json:
    """A webhook of Meta's own, signed with the app's secret."""
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    event = _event(
        serial,
        "POST /v1/webhooks/meta",
        {},
        {
            **_SENT["signed"],
            "content-length": str(len(body)),
            "content-type": "application/json",
            META_HEADER: f"sha256={signature}",
        },
    )
    return event | {"body": body.decode(), "isBase64Encoded": False}


def _form(serial: int, what: str) -> Json:
    """A person's request as Meta sends it, which counts for a day after `AT`."""
    said = {"algorithm": "HMAC-SHA256", "issued_at": int(AT.timestamp()), "user_id": "10220011223344556"}
    payload = _base64url(json.dumps(said).encode())
    signature = hmac.new(APP_SECRET.encode(), payload.encode(), hashlib.sha256).digest()
    body = f"signed_request={_base64url(signature)}.{payload}"
    headers = {
        **_SENT["signed"],
        "content-length": str(len(body)),
        "content-type": "application/x-www-form-urlencoded",
    }
    event = _event(serial, f"POST /v1/webhooks/meta/{what}", {}, headers)
    return event | {"body": body, "isBase64Encoded": False}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_PARTNER_ADDED: Final[Json] = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "506914307656634",
            "time": int(AT.timestamp()),
            "changes": [
                {
                    "field": "account_update",
                    "value": {
                        "event": "PARTNER_ADDED",
                        "waba_info": {
                            "waba_id": WABA_ID,
                            "owner_business_id": "506914307656634",
                            "solution_id": "123456789012345",
                        },
                    },
                }
            ],
        }
    ],
}
_FORWARDED: Final = {
    "host": HOST,
    "x-forwarded-for": "192.0.2.10",
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
}
_PAGE: Final = {
    **_FORWARDED,
    "accept": "application/json",
    "origin": "https://app.example.com",
    "user-agent": "Mozilla/5.0",
}
_SENT: Final[Mapping[Access, Mapping[str, str]]] = {
    "public": _PAGE,
    "jwt": {**_PAGE, "authorization": "Bearer sample"},
    # No secret of any link: it is refused.
    "link": {**_PAGE, "authorization": f"Bearer {LINK_ID}.{'0' * 43}.sample-visit-0001"},
    "iam": {
        **_FORWARDED,
        "accept": "application/json",
        "authorization": "AWS4-HMAC-SHA256 Credential=sample",
        "user-agent": "sender/1.0",
        "x-amz-date": "20261123T090000Z",
    },
    "signed": {**_FORWARDED, "accept": "application/json", "user-agent": "360dialog"},
}
"""Headers, by who calls."""
_CALLER: Final[Mapping[Access, Json]] = {
    "jwt": {
        "authorizer": {
            "jwt": {
                "claims": {
                    "aud": "onramp",
                    "exp": str(_MILLISECONDS // 1000 + 3600),
                    "iat": str(_MILLISECONDS // 1000),
                    "iss": "https://login.example.com",
                    "sub": TENANT,
                },
                "scopes": None,
            }
        }
    },
    "iam": {
        "authorizer": {
            "iam": {
                "accessKey": "ASIASAMPLE",
                "accountId": ACCOUNT,
                "callerId": "AROASAMPLE:sender",
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/message-sender/sender",
                "userId": "AROASAMPLE:sender",
            }
        }
    },
}
"""What the gateway tells of the caller, by who calls."""


def _event(serial: int, route: str, path_values: Mapping[str, str], headers: Mapping[str, str]) -> Json:
    method, _, pattern = route.partition(" ")
    path = pattern.format(**path_values)
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": dict(sorted(headers.items())),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": HOST.partition(".")[0],
            "domainName": HOST,
            "domainPrefix": HOST.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.10",
                "userAgent": headers["user-agent"],
            },
            "requestId": f"sample{serial:02d}EAMFiA=",
            "routeKey": route,
            "stage": "$default",
            "time": f"{AT:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": _MILLISECONDS,
        },
    }


def _partner_event(serial: int, status: str, name: str = "Example Bakery") -> str:
    """One event of 360dialog's about a channel."""
    event = {
        "id": f"sample-event-{serial}",
        "event": f"channel_{status}",
        "data": {
            "id": CHANNEL_ID,
            "client_id": CLIENT_ID,
            "account_mode": "live",
            "status": status,
            "created_at": "2026-11-23T09:00:08Z",
            "client": {"id": CLIENT_ID, "name": "Example Bakery"},
            "setup_info": {"phone_number": "15550100123", "phone_name": name},
            "waba_account": {"id": "smplC3WA", "external_id": WABA_ID, "name": name},
            "integration": {"enabled": True, "state": "running"},
        },
    }
    return json.dumps(event, ensure_ascii=False)


# --- queues and the stream -------------------------------------------------------------------------------


def _batch(queue: str, messages: Sequence[Json]) -> Json:
    source = {
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:Onramp-{queue}",
        "awsRegion": REGION,
    }
    return {"Records": [message | source for message in messages]}


def _message(serial: int, body: str, received: int = 1, **attributes: str) -> Json:
    """A message as SQS hands it over."""
    made: Json = {
        "messageId": f"00000000-0000-4000-8000-{serial:012d}",
        "receiptHandle": f"sample-receipt-{serial}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": str(_MILLISECONDS),
            "SenderId": "AROASAMPLE:sender",
            "ApproximateFirstReceiveTimestamp": str(_MILLISECONDS + 10),
        },
        "messageAttributes": {
            name: {
                "stringValue": value,
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }
            for name, value in attributes.items()
        },
    }
    if attributes:
        made["md5OfMessageAttributes"] = _md5(_packed(attributes))
    return made | {"md5OfBody": _md5(body.encode())}


def _of_the_relay() -> Json:
    """An event on its way to a target of the local run's."""
    content = json.loads(_partner_event(4, "live"))
    event = read_event(content)
    resolution = Resolution(TENANT, SIGNUP_ID, PHONE_NUMBER_ID, CHANNEL_ID, event.channel.waba_id)
    body = Body(_partner_event(4, "live"))
    envelope = envelope_of(event, HUB, body, resolution, datetime(2026, 11, 23, 12, tzinfo=UTC))
    message = written({"target": "own-bus", "envelope": envelope})
    return _queued(40, message.encode())


def _queued(serial: int, body: bytes, received: int = 1) -> Json:
    """A webhook as the receiver has queued it."""
    text, encoding = for_queue(body)
    return _message(serial, text, received, encoding=encoding, request_id=f"sample{serial:02d}EAMFiA=")


def _packed(attributes: Mapping[str, str]) -> bytes:
    """A message's attributes as SQS hashes them."""
    packed = b""
    for name, value in sorted(attributes.items()):
        for text in (name, "String"):
            packed += len(text).to_bytes(4) + text.encode()
        packed += b"\x01" + len(value.encode()).to_bytes(4) + value.encode()
    return packed


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _notified(serial: int) -> Json:
    """An event of the bus as EventBridge puts it into a queue."""
    fact = _FACTS[-1]
    event = {
        "version": "0",
        "id": "3f1b7a52-5d0e-4b5e-9d4c-2a1f6b8c9d10",
        "detail-type": fact.type,
        "source": SOURCE,
        "account": ACCOUNT,
        "time": iso(fact.at),
        "region": REGION,
        "resources": [],
        "detail": {"id": fact.id, "at": iso(fact.at), "signup_id": fact.subject, "tenant": fact.tenant},
    }
    return _message(serial, json.dumps(event))


def _wake_up(serial: int) -> Json:
    """A delivery that is due again."""
    return _message(serial, json.dumps({"delivery": [SIGNUP_ID, _FACTS[0].id, "crm"]}))


def _stream(facts: Sequence[Fact]) -> Json:
    """New facts as the table's stream hands them over."""
    return {"Records": [_change(index + 1, fact) for index, fact in enumerate(facts)]}


def _change(serial: int, fact: Fact) -> Json:
    (pk, sk), attributes = fact_item(fact, FACTS_KEPT)
    keys: Json = {"pk": {"S": pk}, "sk": {"S": sk}}
    return {
        "eventID": f"{serial:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": fact.at.timestamp(),
            "Keys": keys,
            "NewImage": keys | {name: _value(value) for name, value in attributes.items()},
            "SequenceNumber": f"{4421584500000000017450439000 + serial}",
            "SizeBytes": 400,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Onramp/stream/2026-11-23T00:00:00.000",
    }


def _value(value: object) -> Json:
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
