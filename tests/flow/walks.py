"""What flow tests do again and again."""

from dataclasses import dataclass, field
from typing import Any

from harness.waiting import PATIENCE, eventually
from local.bus import Listener
from local.demo import new_client
from local.journey import FrontEnd, is_settled, read_channel_key
from local.run import LocalStack

type Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Tenant:
    """A front end of a tenant of its own, with the few walks that tests share."""

    run: LocalStack
    name: str
    front_end: FrontEnd
    codes: list[str] = field(default_factory=list)

    def popup(self, **fields: object) -> Json:
        shared = self.run.meta_signup(**fields)
        self.codes.append(shared["code"])
        return shared

    def popup_again(self, business_id: str) -> Json:
        """The same customer goes through the popup once more."""
        url = f"{self.run.upstreams.meta_admin}/admin/codes"
        answer = self.run.http.post(url, json={"business_id": business_id})
        shared: Json = answer.raise_for_status().json()
        self.codes.append(shared["code"])
        return shared

    def opened(self) -> str:
        return str(self.front_end.open(new_client())["id"])

    def authorized(self, **fields: object) -> tuple[str, Json]:
        """A signup whose code has been exchanged, and what Meta's popup gave."""
        signup_id, shared = self.opened(), self.popup(**fields)
        self.front_end.send_code(signup_id, shared["code"], shared["session_info"])
        return signup_id, shared

    def settled(self, signup_id: str) -> Json:
        return self.front_end.watch(signup_id, until=is_settled, timeout_seconds=PATIENCE)

    def settled_by_sweeps(self, signup_id: str) -> Json:
        """The same where only the sweep's looks move it on."""

        def swept() -> Json | None:
            answer = self.run.invoke("reconciler", {"task": "sweep"})
            assert answer["error"] is None, answer
            signup = self.front_end.read(signup_id)
            return signup if is_settled(signup) else None

        return eventually(swept)

    def connected(self, **fields: object) -> Json:
        signup_id, shared = self.authorized(**fields)
        self.front_end.submit(signup_id, [n["id"] for n in shared["wabas"][0]["numbers"]])
        signup = self.settled(signup_id)
        assert signup["status"] == "connected", signup
        return signup

    def key(self, channel_id: str) -> Json:
        answer = read_channel_key(self.run.api_url, channel_id, self.run.aws, http=self.run.http)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body


@dataclass(frozen=True, slots=True)
class Dialog:
    """The simulated 360dialog from behind."""

    run: LocalStack

    def call(self, method: str, path: str, body: object = None) -> Json:
        url = f"{self.run.upstreams.simulated['dialog']}/admin/{path}"
        answer: Json = self.run.http.request(method, url, json=body).raise_for_status().json()
        return answer

    def channel(self, channel_id: str) -> Json:
        [found] = [c for c in self.call("GET", "state")["channels"] if c["id"] == channel_id]
        channel: Json = found
        return channel

    def channels_of(self, waba_id: str) -> list[Json]:
        return [c for c in self.call("GET", "state")["channels"] if c["waba_external_id"] == waba_id]

    def post_event(self, **fields: object) -> Json:
        return self.call("POST", "events", fields)


def no_recent_census(run: LocalStack) -> None:
    """As after a quiet night: a round begins at once when it is asked for."""
    key = {name: {"S": text} for name, text in (("pk", "CENSUS#default"), ("sk", "CENSUS"))}
    run.aws.dynamodb.delete_item(TableName=run.table_name, Key=key)


def bus_events(listener: Listener, *, until: str) -> list[Json]:
    """What the bus delivers, up to and with the first event of a type."""
    events: list[Json] = []

    def heard() -> bool:
        events.extend(listener.heard())
        return until in {event["detail-type"] for event in events}

    eventually(heard, events)
    return events
