"""The commands of endpoints and deliveries, and `listen`."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from ops.commands.endpoints import TESTED_WITHIN, tried
from ops.desk import Refused
from ops.running import Failed
from tests.ops.conftest import AtDesk

ENDPOINT = {
    "name": "crm",
    "status": "failing",
    "url": "https://hooks.example.com/",
    "events": ["number.*"],
    "failing_since": "2026-11-27T09:00:00.000Z",
    "disabled_why": None,
    "keys": [{"public": "whpk_1"}],
}


def delivery(name: str = "f1", **more: Any) -> dict[str, Any]:
    return {
        "delivery_id": f"s1/{name}/crm",
        "message_id": f"msg_{name}",
        "endpoint": "crm",
        "type": "number.connected",
        "state": "delivered",
        "created_at": datetime.now(UTC).isoformat(),
        "tries": [{"status": 200, "milliseconds": 12}],
        "body": '{"type":"number.connected"}',
        **more,
    }


def test_endpoints_are_listed(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.list"] = lambda _: {"items": [ENDPOINT], "cursor": None}
    assert at_desk.run("endpoints", "list") == 0
    assert "crm" in at_desk.out
    assert "whpk_1" in at_desk.out
    assert at_desk.run("endpoints", "list", "--json") == 0
    assert at_desk.result()["items"] == [ENDPOINT]


def test_a_test_tells_what_the_endpoint_answers(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.test"] = {"delivery": delivery(tries=[])}
    at_desk.answers["deliveries.show"] = {"delivery": delivery()}
    assert at_desk.run("endpoints", "test", "crm") == 0
    assert "crm: answered 200 in 12 ms" in at_desk.out


def test_a_test_that_fails_ends_with_1(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.test"] = {"delivery": delivery(tries=[])}
    last = {"status": None, "code": "address_not_allowed", "milliseconds": 3}
    at_desk.answers["deliveries.show"] = {"delivery": delivery(state="pending", tries=[last])}
    assert at_desk.run("endpoints", "test", "crm") == 1
    assert "no answer (address_not_allowed)" in at_desk.out


def test_a_test_that_nobody_makes_has_an_end() -> None:
    time = iter(range(0, 1000, 10))
    with pytest.raises(Failed, match="was not tried"):
        tried(lambda: delivery(tries=[]), lambda _: None, lambda: float(next(time)))
    assert TESTED_WITHIN < 60


def test_new_keys_are_shown_after_consent(at_desk: AtDesk) -> None:
    made = {"endpoint": ENDPOINT, "secret": "whsec_x", "public": "whpk_x"}
    at_desk.answers["endpoints.rotate"] = lambda _: made
    assert at_desk.run("endpoints", "rotate", "crm") == 2
    assert at_desk.asked == []
    assert at_desk.run("endpoints", "rotate", "crm", "--overlap", "48", "--yes") == 0
    assert at_desk.asked == [("endpoints.rotate", {"endpoint": "crm", "overlap_hours": 48})]
    assert "whsec_x" in at_desk.out
    assert "whsec_x" not in at_desk.err


def test_an_endpoint_is_enabled_and_the_way_to_what_failed_is_told(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.enable"] = {"endpoint": ENDPOINT}
    assert at_desk.run("endpoints", "enable", "crm") == 0
    assert "deliveries resend --endpoint crm --since" in at_desk.out


def test_an_endpoint_that_is_not_there_ends_with_1(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.enable"] = Refused({"code": "not_found", "detail": "no such endpoint"})
    assert at_desk.run("endpoints", "enable", "nobody") == 1
    assert "no such endpoint" in at_desk.err


def test_deliveries_of_all_endpoints_are_listed_newest_first(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.list"] = {"items": [ENDPOINT, {**ENDPOINT, "name": "audit"}], "cursor": None}

    def page(asked: dict[str, Any]) -> dict[str, Any]:
        at = "2026-11-27T09:00:00Z" if asked["endpoint"] == "crm" else "2026-11-27T10:00:00Z"
        return {"items": [delivery(asked["endpoint"], created_at=at)], "cursor": None}

    at_desk.answers["deliveries.list"] = page
    assert at_desk.run("deliveries", "list", "--state", "failed", "--json") == 0
    assert [row["message_id"] for row in at_desk.result()["items"]] == ["msg_audit", "msg_crm"]
    assert at_desk.asked[1][1]["state"] == "failed"


def test_deliveries_of_a_signup_are_listed(at_desk: AtDesk) -> None:
    at_desk.answers["deliveries.list"] = {"items": [delivery()], "cursor": None}
    assert at_desk.run("deliveries", "list", "--signup", "5" * 32, "--since", "24h") == 0
    name, asked = at_desk.asked[0]
    assert (name, asked["signup_id"]) == ("deliveries.list", "5" * 32)
    assert "since" in asked
    assert "answered 200" in at_desk.out


def test_no_endpoint_configured_is_told(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.list"] = lambda _: {"items": [], "cursor": None}
    assert at_desk.run("deliveries", "list") == 1
    assert "names no endpoint" in at_desk.err
    assert at_desk.run("listen", "http://localhost:1/") == 1


def test_one_delivery_is_shown_and_sent_again(at_desk: AtDesk) -> None:
    at_desk.answers["deliveries.show"] = {"delivery": delivery()}
    at_desk.answers["deliveries.resend"] = {"items": [delivery(state="pending")], "cursor": None}
    assert at_desk.run("deliveries", "show", "s1/f1/crm") == 0
    assert at_desk.run("deliveries", "resend", "s1/f1/crm") == 0
    assert at_desk.asked[1] == ("deliveries.resend", {"delivery_id": "s1/f1/crm"})


@pytest.mark.parametrize("words", [("list",), ("resend", "--since", "24h", "--yes")])
def test_deliveries_of_an_endpoint_that_is_not_there_end_with_1(at_desk: AtDesk, words: tuple[str]) -> None:
    at_desk.answers["endpoints.list"] = {"items": [ENDPOINT], "cursor": None}
    assert at_desk.run("deliveries", *words, "--endpoint", "nope") == 1
    assert "no such endpoint: nope; the configuration names crm" in at_desk.err
    assert [name for name, _ in at_desk.asked] == ["endpoints.list"]


def test_everything_failed_since_a_time_is_sent_again_page_by_page(at_desk: AtDesk) -> None:
    at_desk.answers["endpoints.list"] = {"items": [ENDPOINT], "cursor": None}
    at_desk.answers["deliveries.resend"] = [
        {"items": [delivery("f1")], "cursor": "more"},
        {"items": [delivery("f2")], "cursor": None},
    ]
    assert at_desk.run("deliveries", "resend", "--endpoint", "crm", "--since", "24h", "--yes") == 0
    assert "2 sent again" in at_desk.out
    assert at_desk.asked[2][1]["cursor"] == "more"


def test_sending_again_needs_to_know_what(at_desk: AtDesk) -> None:
    assert at_desk.run("deliveries", "resend") == 2
    assert at_desk.run("deliveries", "resend", "s1/f1/crm", "--since", "24h") == 2
    assert at_desk.asked == []
    at_desk.answers["endpoints.list"] = {"items": [ENDPOINT], "cursor": None}
    assert at_desk.run("deliveries", "resend", "--since", "24h", "--endpoint", "crm") == 2
    assert [name for name, _ in at_desk.asked] == ["endpoints.list"]


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An application on this machine."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called there
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", got
        finally:
            server.shutdown()


def test_listening_forwards_each_delivery_once_signed_with_the_secret_it_names(
    at_desk: AtDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.commands.listen.PAUSE", 0.05)
    at_desk.answers["deliveries.list"] = lambda _: {"items": [delivery("f2"), delivery("f1")], "cursor": None}
    with receiver() as (address, got):
        assert at_desk.run("listen", address, "--endpoint", "crm", "--for", "0.3", "--json") == 0
    secret = at_desk.err.strip().rpartition(" ")[2]
    assert {headers["webhook-id"] for headers, _ in got} == {"msg_f1", "msg_f2"}
    assert len(got) == 2
    for headers, body in got:
        assert Webhook(secret).verify(body, headers) == {"type": "number.connected"}
    lines = [json.loads(line) for line in at_desk.out.splitlines()]
    assert [line["result"]["forwarded"] for line in lines] == [204, 204]
    assert len(at_desk.asked) > 1


@pytest.mark.parametrize("address", ["https://hooks.example.com/", "http://10.0.0.1/", "localhost:80", ""])
def test_listening_goes_to_this_machine_alone(at_desk: AtDesk, address: str) -> None:
    assert at_desk.run("listen", address, "--endpoint", "crm") == 2
    assert at_desk.asked == []


def test_an_application_that_is_not_there_is_told(at_desk: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.commands.listen.PAUSE", 0.05)
    at_desk.answers["deliveries.list"] = lambda _: {"items": [delivery()], "cursor": None}
    assert at_desk.run("listen", "http://127.0.0.1:1/", "--endpoint", "crm", "--for", "0.1") == 0
    assert "no answer" in at_desk.out
