"""A front end and a customer who do not give up, so that a fault is met, told and got over."""

from collections.abc import Callable
from typing import Final

from tests.canary import EMAIL, MARK, PHONE
from tests.secrecy.stage import Answer, Json, Stage


def customer(stage: Stage) -> Json:
    """A customer with a marked number who has finished Meta's popup."""
    numbers = [{"display_phone_number": PHONE, "verified_name": "Example"}]
    return stage.admin("meta", "signups", {"wabas": [{"numbers": numbers}]})


def open_signup(stage: Stage, key: str = "k-1") -> str:
    """The id of a signup."""
    body = {
        "client": {"name": "Example", "email": EMAIL, "user_name": "Owner"},
        "reference": "order-1",
        "prefill": {
            "business": {"email": EMAIL, "phone": {"code": "49", "number": PHONE.removeprefix("+49 ")}}
        },
    }
    headers = {"idempotency-key": key}
    answer = patiently(
        stage, lambda: stage.request("code_exchange", "POST", "/v1/signups", body, headers=headers)
    )
    return str(answer.json["id"])


def give_up(stage: Stage, signup_id: str) -> None:
    """A popup without a code, with words beside that are none of Meta's."""
    body = {"outcome": "cancelled", "step": PHONE, "error_code": PHONE, "session_id": PHONE}
    path = f"/v1/signups/{signup_id}/outcome"
    patiently(stage, lambda: stage.request("code_exchange", "POST", path, body))


def patiently(stage: Stage, send: Callable[[], Answer]) -> Answer:
    """Send until it is taken."""
    answer = send()
    for _ in range(stage.patience):
        if answer.status < 400:
            return answer
        stage.run(2)
        answer = send()
    raise AssertionError(f"never taken: {answer.status} {answer.text}")


def authorize(stage: Stage, signup_id: str, person: Json) -> None:
    """Bring codes until one is exchanged and proved."""

    def send() -> Answer:
        made = stage.admin("meta", "codes", {"business_id": person["business_id"]})
        body = {"code": made["code"], "session_info": person["session_info"]}
        answer = Answer(0, "", {})
        for _ in range(8):
            # The same code once more: what was exchanged before is not asked for again.
            answer = stage.request("code_exchange", "POST", f"/v1/signups/{signup_id}/code", body)
            if answer.status < 400 or not answer.json.get("retryable", True):
                break
        if answer.json.get("code") == "exchange_in_progress":
            stage.run(31)
        return answer

    patiently(stage, send)


def read(stage: Stage, signup_id: str) -> Json:
    """The signup as a front end reads it."""
    path = f"/v1/signups/{signup_id}"
    return patiently(stage, lambda: stage.request("signup_queries", "GET", path)).json


def submit(stage: Stage, signup_id: str) -> None:
    """Submit the number."""
    path = f"/v1/signups/{signup_id}/numbers"
    patiently(stage, lambda: stage.request("number_submission", "POST", path, {}))


def connect(stage: Stage, signup_id: str, person: Json) -> tuple[str, Json]:
    """Wait, and retry what failed, until the number is connected; gives its signup, and it.

    What a retry cannot mend begins anew, with a signup of its own.
    """
    number: Json = {}
    for tries in range(stage.patience):
        number = read(stage, signup_id)["numbers"][0]
        if number["status"] == "connected":
            return signup_id, number
        if number["status"] == "failed" and number["failure"]["retryable"]:
            stage.request("number_submission", "POST", f"/v1/signups/{signup_id}/retry", {})
        elif number["status"] == "failed":
            signup_id = submitted(stage, person, f"again-{tries}")
        stage.run(40)
    raise AssertionError(f"never connected: {number}")


def submitted(stage: Stage, person: Json, key: str) -> str:
    """A signup from its opening to the submission of its number; gives its id."""
    signup_id = open_signup(stage, key)
    give_up(stage, signup_id)
    authorize(stage, signup_id, person)
    submit(stage, signup_id)
    return signup_id


def late(stage: Stage, key: str) -> str:
    """A popup that ends without a number; one is added, seen and submitted. Gives the signup's id."""
    person = stage.admin("meta", "signups", {"wabas": [{"numbers": []}], "finish": "FINISH_ONLY_WABA"})
    signup_id = open_signup(stage, key)
    authorize(stage, signup_id, person)
    assert read(stage, signup_id)["numbers"] == []
    number = {"display_phone_number": PHONE, "verified_name": "Example"}
    stage.admin("meta", f"wabas/{person['wabas'][0]['id']}/numbers", number)
    submit(stage, signup_id)
    assert len(read(stage, signup_id)["numbers"]) == 1
    return signup_id


def whole(stage: Stage) -> None:
    """From the first request to the key, with everything there is to read, a census and the facts again."""
    person = customer(stage)
    _, number = connect(stage, submitted(stage, person, "k-1"), person)
    number_id, channel_id = number["phone_number_id"], number["channel_id"]
    for path in ("/v1/config", "/v1/signups", "/v1/numbers", f"/v1/numbers/{number_id}"):
        patiently(stage, lambda path=path: stage.request("signup_queries", "GET", path))  # type: ignore[misc]
    path = f"/v1/channels/{channel_id}/api-key"
    key = patiently(stage, lambda: stage.request("signup_queries", "GET", path, tenant=None)).json
    living = [channel.live_key() for channel in stage.sims.hub.channels.values()]
    assert key["api_key"] in [living_key.secret for living_key in living if living_key]
    census(stage)
    again(stage)


def census(stage: Stage) -> None:
    """Let all channels be compared, twice: a fault may have met the first one."""
    for _ in range(2):
        stage.invoke("reconciler", {"task": "census"})
        stage.run(700)


def again(stage: Stage) -> None:
    """Publish everything once more, as an operator does."""
    span = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    for _ in range(stage.patience):
        told = stage.invoke("event_publisher", {"republish": span})
        if told is not None and told["cursor"] is None:
            assert told["published"]
            return
    raise AssertionError("never published again")


VISIT: Final = f"{MARK}-visit-0001"


def linked(stage: Stage, key: str) -> None:
    """A customer with a link, from its making to its end, with what is refused on the way."""
    person = customer(stage)
    body = {
        "client": {"name": "Example", "email": EMAIL, "user_name": "Owner"},
        "reference": "order-2",
        "success_url": "http://127.0.0.1:8080/done",
    }
    headers = {"idempotency-key": key}

    def make() -> Answer:
        return stage.request("code_exchange", "POST", "/v1/signup-links", body, headers=headers)

    made = patiently(stage, make).json
    assert patiently(stage, make).json["id"] == made["id"]
    token = made["url"].partition("#")[2]

    def call(function: str, what: str = "", sent: object = None, visit: str = VISIT) -> Answer:
        shown = {"authorization": f"Bearer {token}.{visit}"}
        method = "GET" if sent is None else "POST"
        path = f"/v1/linked-signup{what}"
        return stage.request(function, method, path, sent, headers=shown, tenant=None)

    patiently(stage, lambda: call("signup_queries"))
    patiently(stage, lambda: call("code_exchange", "/outcome", {"outcome": "closed"}))
    code = {"code": person["code"], "session_info": person["session_info"]}
    patiently(stage, lambda: call("code_exchange", "/code", code))
    patiently(stage, lambda: call("number_submission", "/numbers", {}))
    patiently(stage, lambda: call("signup_queries"))
    assert call("signup_queries", visit=f"{VISIT}-stranger").status == 410
    for wrong in ("", f"{MARK}", f"{MARK} {MARK}", f"{VISIT}.{MARK}"):
        assert call("signup_queries", visit=wrong).status == 401
    path = f"/v1/signup-links/{made['id']}/revoke"
    patiently(stage, lambda: stage.request("code_exchange", "POST", path, {}))
    assert call("number_submission", "/retry", {}).status == 410
    patiently(stage, lambda: stage.request("signup_queries", "GET", "/v1/signup-links"))
