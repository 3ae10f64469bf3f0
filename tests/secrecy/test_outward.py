"""Those who are told, an operator, and Meta's own webhook: what passes is marked, and does not get out."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

import httpcore
import pytest

import meta_receiver
from onramp import wiring
from onramp.adapters.outbound import GuardedOutbound
from onramp.adapters.signer import StandardSigner
from onramp.inbound.desk.table import COMMANDS
from onramp.ports.outbound import NewKeys
from tests.canary import APP_SECRET, EMAIL, MARK, PHONE, SECRET
from tests.faults.outward import SERVERS, Behaviour, Network, Theirs, answer
from tests.secrecy.conftest import MakeStage
from tests.secrecy.journey import whole
from tests.secrecy.stage import ECHO, AwsCall, Json, LightAws, Message, Stage, serve
from tests.secrecy.test_faults import AWS_ERRORS, failing_once

RELAY_KEY: Final = f"whsec_{base64.b64encode(f'{MARK}-relay-key-0123456789abcdef'.encode()).decode()}"
VERIFY_TOKEN: Final = f"{MARK}-verify-token"
VARIABLES: Final = {
    "RELAY": json.dumps(
        {
            "coexistence": "relay",
            "targets": {
                "bus": {"to": "bus", "events": ["*"]},
                "hooks": {"to": "https://hooks.example.com/360dialog", "events": ["*"]},
            },
        }
    ),
    "NOTIFICATIONS": json.dumps(
        {
            "endpoints": {
                name: {"url": f"https://{name}.example.com/onramp", "events": ["*"]}
                for name in ("crm", "audit")
            },
            "retry_schedule_seconds": [5, 300],
            "allow_loopback": False,
        }
    ),
}
FULL: Final = json.dumps({**SECRET} | {"relay_key_hooks": RELAY_KEY, "meta_verify_token": VERIFY_TOKEN})
ANSWERS: Final = {
    "taken": Behaviour(takes=True, says=answer(204, body="")),
    "refused": Behaviour(takes=False, says=answer(500, f"x-said: {ECHO}", body=ECHO)),
    "gone": Behaviour(takes=False, says=answer(410, body=ECHO)),
    "elsewhere": Behaviour(takes=False, says=answer(307, f"location: https://{MARK}.example.com/")),
    "odd pause": Behaviour(takes=False, says=answer(429, f"retry-after: {ECHO}", body=ECHO)),
    "no HTTP": Behaviour(takes=True, says=ECHO.encode()),
    "broken": Behaviour(takes=True, says=httpcore.ReadError(ECHO)),
    "unknown": Behaviour(takes=False, says=OSError(ECHO), at="resolve"),
}


@pytest.fixture
def told(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, Theirs]:
    """A stage with targets and endpoints; their keys and signatures count as secrets."""
    stage = make_stage(variables=VARIABLES, secret=FULL)
    theirs = Theirs(now=lambda: 0.0)
    network = Network(theirs)
    guarded = GuardedOutbound(resolve=network.resolve, network=network)
    monkeypatch.setattr(wiring, "_outbound", lambda **_: guarded)
    stage.derived |= {RELAY_KEY, RELAY_KEY.removeprefix("whsec_"), VERIFY_TOKEN}
    new_keys, sign = StandardSigner.new_keys, StandardSigner.sign

    def noted_keys(signer: StandardSigner) -> NewKeys:
        keys = new_keys(signer)
        stage.derived |= {keys.secret, keys.private}
        return keys

    def noted(signer: StandardSigner, *given: Any) -> Any:
        signatures = sign(signer, *given)
        stage.derived |= set(signatures)
        return signatures

    monkeypatch.setattr(StandardSigner, "new_keys", noted_keys)
    monkeypatch.setattr(StandardSigner, "sign", noted)
    return stage, theirs


def record(message: Message, receives: int = 1) -> Json:
    attributes = {"ApproximateReceiveCount": str(receives), "SentTimestamp": str(round(message.due * 1000))}
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": attributes,
    }


def letters(stage: Stage) -> tuple[list[str], list[str]]:
    """What the worker has put on its way, and what the bus has been told."""
    relayed = [letter["Body"] for _ in range(9) for letter in stage.letters("relay")]
    entries = [entry for call in stage.told("PutEvents") for entry in call.parameters["Entries"]]
    facts = [
        json.dumps({"detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])})
        for entry in entries
    ]
    assert relayed
    assert facts
    return relayed, facts


def hand_on(stage: Stage, relayed: list[str], facts: list[str]) -> None:
    """Messages are worked off, those that nobody can read too; each comes three times at most."""
    for function, bodies in (("event_relay", relayed), ("notification_sender", facts)):
        broken = [PHONE, json.dumps({"target": "gone", "envelope": {"id": "e-1", "body": EMAIL}})]
        for body in (*bodies, *(broken if function == "event_relay" else ["{}"])):
            message = Message("none", body, {}, time.time(), f"m-{len(stage.calls)}", "r")
            for receives in (1, 2, 3):
                again = stage.invoke(function, {"Records": [record(message, receives)]})
                if again == {"batchItemFailures": []}:
                    break


def test_whoever_is_told_says_something_marked(told: tuple[Stage, Theirs]) -> None:
    stage, theirs = told
    whole(stage)
    names = [name.partition(".")[0] for name in SERVERS]
    relayed, facts = letters(stage)
    for index, behaviour in enumerate(ANSWERS.values()):
        # Cold, so that nobody is left alone for what was said before.
        stage._forget()
        theirs.always = dict.fromkeys(names, behaviour)
        hand_on(stage, relayed[index % len(relayed) :][:1], facts[index % len(facts) :][:1])
    assert {one.to for one in theirs.came} == {"hooks", "crm", "audit"}
    for function in ("event_relay", "notification_sender"):
        assert any(call.function == function for call in stage.calls)
    stage.assert_silent()
    # Keys and signatures were made, and are looked for.
    made = [value for value in stage.derived if value.startswith(("whsec_", "v1,"))]
    assert len(made) > len(ANSWERS)
    with pytest.raises(AssertionError, match="let out"):
        stage.assert_no_credential(made[-1])


def test_aws_fails_while_others_are_told(told: tuple[Stage, Theirs]) -> None:
    stage, _ = told
    whole(stage)
    relayed, facts = letters(stage)
    for index, kind in enumerate(AWS_ERRORS):
        stage._forget()
        stage.on_aws = failing_once(kind, 1)
        hand_on(stage, relayed[index % len(relayed) :][:1], facts[index % len(facts) :][:1])
    stage.assert_silent()


def no_trouble(_: AwsCall) -> None:
    """AWS is well."""


def arguments(stage: Stage, name: str) -> Mapping[str, object]:
    """What a command may want to know, as far as it takes it."""
    [channel, *_] = stage.sims.hub.channels.values()
    many: dict[str, object] = {
        "phone_number_id": channel.phone_number_id,
        "channel_id": channel.id,
        "client_id": channel.client_id,
        "email": EMAIL,
        "tenant": "tenant-1",
        "endpoint": "crm",
        "queue": "events",
        "reason": "none",
        "text": PHONE,
    }
    fields = COMMANDS[name].arguments.model_fields
    return {field: value for field, value in many.items() if field in fields}


def test_an_operator_asks_for_everything(told: tuple[Stage, Theirs]) -> None:
    stage, _ = told
    whole(stage)
    hand_on(stage, *letters(stage))
    for name in COMMANDS:
        stage.on_aws = failing_once("refused", 1) if len(name) % 2 else no_trouble
        for given in (arguments(stage, name), {"hub": MARK}):
            call = {"command": name, "arguments": given, "actor": f"arn:aws:sts::1:assumed-role/desk/{EMAIL}"}
            answered = stage.invoke("operator_desk", call)
            assert answered is not None
            shown = json.dumps(answered)
            if name != "endpoints.rotate":
                # The one answer that shows an endpoint's secret, once, to who has asked for a new one.
                stage.assert_no_credential(shown)
    assert "an operator asks for a change" in stage.out.getvalue()
    stage.assert_silent()


def signed(body: str) -> str:
    return f"sha256={hmac.new(APP_SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()}"


def asked(**said: object) -> str:
    """A signed request in a form, as Meta sends it."""
    content = {"algorithm": "HMAC-SHA256", "issued_at": int(time.time()), **said}
    payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    digest = hmac.new(APP_SECRET.encode(), payload.encode(), hashlib.sha256).digest()
    return f"signed_request={base64.urlsafe_b64encode(digest).decode().rstrip('=')}.{payload}"


LOST: Final[Mapping[str, Callable[[str], tuple[int, str] | None]]] = {
    "well": lambda _: None,
    "refused": lambda _: (400, json.dumps({"__type": "ValidationException", "message": ECHO})),
    "odd": lambda _: (200, ECHO),
    "queue": lambda target: (500, ECHO) if target.startswith("AmazonSQS") else None,
}


def test_meta_tells_persons_data(told: tuple[Stage, Theirs], monkeypatch: pytest.MonkeyPatch) -> None:
    stage, _ = told
    whole(stage)
    light = LightAws(secret=FULL, taken=stage._taken)
    change = {"field": "account_update", "value": {"phone_number": PHONE, "event": "PARTNER_REMOVED"}}
    events = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
    calls = (
        ("GET", "", "", ""),
        ("POST", "", events, signed(events)),
        ("POST", "", events, f"sha256={MARK}"),
        ("POST", "", PHONE, signed(PHONE)),
        ("POST", "/deauthorize", asked(user_id="10220011223344556"), ""),
        ("POST", "/data-deletion", asked(user_id="10220011223344556", name=EMAIL), ""),
        ("POST", "/data-deletion", f"signed_request={MARK}.{PHONE}", ""),
    )
    statuses = set()
    with serve(light) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        meta_receiver.receiver.cache_clear()
        for (lost, told_wrong), token in product(LOST.items(), (VERIFY_TOKEN, f"{MARK}-wrong")):
            light.answer = told_wrong
            for call in calls:
                answered = stage.invoke("meta_receiver", meta_call(*call, token=token))
                assert answered is not None, lost
                statuses.add(answered["statusCode"])
                stage.assert_no_credential(json.dumps(answered))
        meta_receiver.receiver().forget()
        meta_receiver.receiver.cache_clear()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert statuses == {200, 401, 403, 503}
    stage.run(400)
    stage.assert_silent()


def meta_call(method: str, more: str, body: str, signature: str, *, token: str) -> Json:
    """A call of Meta's, as API Gateway hands it over."""
    return {
        "routeKey": f"{method} /v1/webhooks/meta{more}",
        "headers": {"x-hub-signature-256": signature},
        "queryStringParameters": {
            "hub.mode": "subscribe",
            "hub.verify_token": token,
            "hub.challenge": "1158201444",
        },
        "requestContext": {"requestId": "r-meta", "domainName": "api.example.com"},
        "body": body,
    }
