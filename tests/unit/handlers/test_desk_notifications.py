"""What an operator asks of endpoints and deliveries."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from onramp.domain.errors import Problem
from onramp.domain.notifications import Delivery
from onramp.inbound.desk.deliveries import AT_ONCE
from onramp.inbound.desk.table import COMMANDS
from onramp.ports.outbound import Answered
from tests.unit.usecases.test_notify import OK, World

SIGNUP = "5" * 32


def ask(world: World, command: str, **arguments: Any) -> Any:
    found = COMMANDS[command]
    return found.run(world.ports, found.arguments.model_validate_json(json.dumps(arguments)))


def failed(world: World, count: int) -> None:
    """So many deliveries that were given up, a second apart."""
    world.answers["crm"] = [Answered(410, 5)]
    for index in range(count):
        world.hear(f"f{index:03d}")
        world.clock.advance(timedelta(seconds=1))


def test_endpoints_are_listed_with_their_state_and_no_secret() -> None:
    world = World(crm=["number.*"], audit=["*"])
    world.answers["crm"] = [Answered(429, 5)]
    world.hear()
    items = ask(world, "endpoints.list")["items"]
    assert [(one["name"], one["status"], one["failures"]) for one in items] == [
        ("crm", "failing", 1),
        ("audit", "working", 0),
    ]
    assert items[0]["keys"][0]["public"] == "whpk_1"
    assert "whsec" not in repr(items)
    assert "secrets" not in items[0]["keys"][0]


def test_an_endpoint_that_has_heard_nothing_yet_is_listed_too() -> None:
    [one] = ask(World(), "endpoints.list")["items"]
    assert (one["name"], one["status"], one["keys"]) == ("crm", "working", [])


@pytest.mark.parametrize("state", [None, "failed"])
def test_what_was_told_of_one_signup_comes_page_by_page_and_whole(state: str | None) -> None:
    world = World()
    failed(world, 3)
    for one in world.store.records(Delivery):
        copy = one.model_copy(update={"subject": SIGNUP})
        copy.version = 0
        world.store.commit(copy)
    asked = {"signup_id": SIGNUP, "limit": 2} | ({"state": state} if state else {})
    whole = ask(world, "deliveries.list", **asked | {"limit": 50})["items"]
    assert len(whole) == 3
    first = ask(world, "deliveries.list", **asked)
    second = ask(world, "deliveries.list", **asked, cursor=first["cursor"])
    assert [*first["items"], *second["items"]] == whole
    assert second["cursor"] is None
    with pytest.raises(Problem, match="invalid_request"):
        ask(world, "deliveries.list", **asked, cursor="nonsense")


def test_a_test_event_is_sent_also_to_a_disabled_endpoint_and_its_answer_is_told() -> None:
    world = World()
    world.answers["crm"] = [Answered(410, 5)]
    world.hear()
    world.answers["crm"] = [OK]
    made = ask(world, "endpoints.test", endpoint="crm")["delivery"]
    assert made["tries"] == []
    world.wake()
    shown = ask(world, "deliveries.show", delivery_id=made["delivery_id"])["delivery"]
    assert (shown["state"], shown["tries"][-1]["status"]) == ("delivered", 200)
    assert json.loads(shown["body"])["type"] == "endpoint.test"
    assert ask(world, "endpoints.list")["items"][0]["status"] == "disabled"


def test_new_keys_are_shown_once_and_sign_beside_the_old_ones() -> None:
    world = World()
    world.hear()
    made = ask(world, "endpoints.rotate", endpoint="crm", overlap_hours=1)
    assert (made["secret"], made["public"]) == ("whsec_2", "whpk_2")
    assert [one["public"] for one in made["endpoint"]["keys"]] == ["whpk_2", "whpk_1"]
    world.hear("f2")
    assert "whsec_1" in world.got[-1][1].headers["webhook-signature"]
    world.clock.advance(timedelta(hours=1))
    world.hear("f3")
    assert world.got[-1][1].headers["webhook-signature"] == "v1,whsec_2/msg_f3 v1a,whsk_2"
    assert "whsec" not in repr(world.telemetry.lines)


def test_an_endpoint_that_is_enabled_is_sent_to_again() -> None:
    world = World()
    failed(world, 1)
    world.answers["crm"] = [OK]
    assert ask(world, "endpoints.enable", endpoint="crm")["endpoint"]["status"] == "working"
    world.hear("f9")
    assert world.delivery(fact="f9").state == "delivered"


@pytest.mark.parametrize("command", ["endpoints.test", "endpoints.rotate", "endpoints.enable"])
def test_an_endpoint_that_the_configuration_does_not_name_is_not_found(command: str) -> None:
    with pytest.raises(Problem) as told:
        ask(World(), command, endpoint="nobody")
    assert told.value.code == "not_found"


def test_deliveries_are_listed_by_endpoint_and_by_signup() -> None:
    world = World(crm=["*"], audit=["*"])
    world.answers["audit"] = [Answered(500, 5)]
    world.hear("f1", "f2")
    by_endpoint = ask(world, "deliveries.list", endpoint="crm")["items"]
    assert [one["message_id"] for one in by_endpoint] == ["msg_f2", "msg_f1"]
    assert {one["state"] for one in by_endpoint} == {"delivered"}
    assert "body" not in by_endpoint[0]
    pending = ask(world, "deliveries.list", endpoint="audit", state="pending", bodies=True)["items"]
    assert len(pending) == 2
    assert json.loads(pending[0]["body"])["data"]["reference"] == "Café"


def test_deliveries_of_a_signup_have_all_endpoints() -> None:
    world = World(crm=["*"], audit=["*"])
    world.hear("f1")
    for one in world.store.records(Delivery):
        copy = one.model_copy(update={"subject": SIGNUP})
        copy.version = 0
        world.store.commit(copy)
    items = ask(world, "deliveries.list", signup_id=SIGNUP)["items"]
    assert {one["endpoint"] for one in items} == {"crm", "audit"}
    assert {one["signup_id"] for one in items} == {SIGNUP}
    assert ask(world, "deliveries.list", signup_id=SIGNUP, state="failed")["items"] == []


def test_a_long_list_goes_page_by_page() -> None:
    world = World()
    failed(world, 7)
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = ask(world, "deliveries.list", endpoint="crm", limit=3, cursor=cursor)
        names += [one["message_id"] for one in page["items"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert names == [f"msg_f{index:03d}" for index in reversed(range(7))]


def test_everything_that_failed_since_a_time_is_sent_again_under_the_same_ids() -> None:
    world = World()
    failed(world, 2)
    since = world.clock.now()
    failed_later = AT_ONCE + 3
    for index in range(failed_later):
        world.hear(f"g{index:03d}")
        world.clock.advance(timedelta(seconds=1))
    ask(world, "endpoints.enable", endpoint="crm")
    world.answers["crm"] = [OK]
    world.got.clear()
    begun = 0
    more: dict[str, str] = {}
    while True:
        page = ask(world, "deliveries.resend", endpoint="crm", since=since.isoformat(), **more)
        begun += len(page["items"])
        if page["cursor"] is None:
            break
        more = {"cursor": page["cursor"]}
    assert begun == failed_later
    world.clock.advance(timedelta(minutes=2))
    world.wake()
    assert sorted(world.heard()) == [f"msg_g{index:03d}" for index in range(failed_later)]
    assert world.delivery(fact="g000").sendings == 2
    assert world.delivery(fact="f000").state == "failed"


def test_one_that_has_arrived_may_be_sent_again_by_its_id() -> None:
    world = World()
    world.hear()
    [one] = ask(world, "deliveries.resend", delivery_id="s1/f1/crm")["items"]
    assert (one["state"], one["sendings"]) == ("pending", 2)
    world.wake()
    assert world.heard() == ["msg_f1", "msg_f1"]


def test_what_is_not_there_is_not_found() -> None:
    world = World()
    for command in ("deliveries.show", "deliveries.resend"):
        with pytest.raises(Problem) as told:
            ask(world, command, delivery_id="s1/f1/crm")
        assert told.value.code == "not_found"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("deliveries.list", {}),
        ("deliveries.list", {"endpoint": "crm", "signup_id": SIGNUP}),
        ("deliveries.list", {"endpoint": "crm", "state": "lost"}),
        ("deliveries.resend", {}),
        ("deliveries.resend", {"endpoint": "crm"}),
        ("deliveries.resend", {"delivery_id": "a/b/c", "endpoint": "crm", "since": "2026-11-27T09:00:00Z"}),
        ("endpoints.rotate", {"endpoint": "crm", "overlap_hours": 1000}),
    ],
)
def test_what_makes_no_sense_is_refused(command: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(World(), command, **arguments)


def test_a_cursor_of_somebodys_own_is_refused() -> None:
    with pytest.raises(Problem) as told:
        ask(World(), "deliveries.list", endpoint="crm", cursor="nonsense")
    assert told.value.code == "invalid_request"
