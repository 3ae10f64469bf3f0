"""Reading: configuration, one signup, pages of them, a channel's key."""

from datetime import timedelta

import pytest

import signup_queries
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.signup import ChannelKey, Number, Signup
from onramp.domain.states import Progress
from onramp.ports import Pointer
from onramp.usecases.connect_channel import key_context
from tests.canary import CHANNEL_KEY, PHONE, Watch
from tests.unit.handlers.bench import NUMBER, TABLE, TENANT, WABA, Answer, Bench


def test_the_configuration_is_public_and_holds_no_secret(bench: Bench, watch: Watch) -> None:
    answer = bench.call("GET", "/v1/config", tenant=None)
    assert answer.status == 200
    assert answer.json == {
        "app_id": "1234567890",
        "config_id": "9876543210",
        "graph_version": "v26.0",
        "extras": {"setup": {"solutionID": "123456789012345"}},
    }
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    watch.assert_silent()


# --- one signup


def test_a_signup_is_shown_with_its_version(bench: Bench) -> None:
    signup_id = bench.authorized()
    answer = bench.call("GET", f"/v1/signups/{signup_id}")
    assert answer.status == 200
    assert answer.json["id"] == signup_id
    assert answer.headers["ETag"].startswith('"')
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("written", ["{}", "W/{}", '"other", {}', "*", '"a",{} , "b"'])
def test_who_has_this_version_already_gets_none(bench: Bench, written: str) -> None:
    path = f"/v1/signups/{bench.opened()}"
    etag = bench.call("GET", path).headers["ETag"]
    answer = bench.call("GET", path, headers={"if-none-match": written.format(etag)})
    assert (answer.status, answer.text) == (304, "")
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("written", ["", '"other"', "W/", ",", '"'])
def test_who_has_another_version_gets_this_one(bench: Bench, written: str) -> None:
    path = f"/v1/signups/{bench.opened()}"
    assert bench.call("GET", path, headers={"if-none-match": written}).status == 200


def test_a_change_changes_the_version(bench: Bench) -> None:
    signup_id = bench.opened()
    path = f"/v1/signups/{signup_id}"
    etag = bench.call("GET", path).headers["ETag"]
    bench.call("POST", f"{path}/code", {"code": "x"})
    assert bench.call("GET", path, headers={"If-None-Match": etag}).status == 200


def test_while_something_is_under_way_the_reader_is_told_when_to_come_back(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    assert 1 <= int(bench.call("GET", f"/v1/signups/{signup_id}").headers["Retry-After"]) <= 30


# --- pages


def listed(bench: Bench, **query: str) -> Answer:
    return bench.call("GET", "/v1/signups", query=query)


def test_a_tenant_sees_its_own_signups_newest_first(bench: Bench) -> None:
    mine = [bench.opened() for _ in range(3)]
    bench.opened("tenant-2")
    answer = listed(bench)
    assert [signup["id"] for signup in answer.json["signups"]] == mine[::-1]
    assert answer.json["cursor"] is None


def test_pages_follow_each_other(bench: Bench) -> None:
    mine = [bench.opened() for _ in range(3)]
    first = listed(bench, limit="2").json
    second = listed(bench, limit="2", cursor=first["cursor"]).json
    assert [signup["id"] for signup in first["signups"] + second["signups"]] == mine[::-1]
    assert second["cursor"] is None


def test_a_status_filters(bench: Bench) -> None:
    bench.opened()
    authorized = bench.authorized()
    assert [signup["id"] for signup in listed(bench, status="authorized").json["signups"]] == [authorized]
    assert listed(bench, status="connected").json == {"signups": [], "cursor": None}


def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(bench: Bench) -> None:
    theirs = [bench.opened("tenant-2") for _ in range(3)]
    cursor = bench.call("GET", "/v1/signups", tenant="tenant-2", query={"limit": "1"}).json["cursor"]
    shown = listed(bench, cursor=cursor).text
    assert not [signup_id for signup_id in theirs if signup_id in shown]


# --- a channel's key


def with_channel(bench: Bench, *, key: bool = True, checked: bool = True) -> DynamoStore:
    """A signup whose number has the channel `oneCH`, and the store it is in."""
    runtime, _ = signup_queries.function()
    store = runtime.store(TABLE)
    now = runtime.clock.now()
    signup = store.load(bench.authorized())
    assert signup is not None
    number = signup.must_number(NUMBER)
    number.wanted, number.channel_id, number.progress = True, "oneCH", Progress.CONNECTED
    if key:
        secret = runtime.vault(bench.key_id).encrypt(CHANNEL_KEY, key_context(TENANT, signup.id))
        number.key = ChannelKey(
            secret=secret,
            address="https://waba-v2.360dialog.io",
            made_at=now - timedelta(minutes=1),
            checked_at=now if checked else None,
        )
    store.save(signup, channel=("oneCH", pointer(signup, number)))
    return store


def pointer(signup: Signup, number: Number) -> Pointer:
    return Pointer(signup.id, number.phone_number_id, signup.tenant, WABA, number.digits)


def test_a_connected_channels_key_is_given_and_never_logged(bench: Bench, watch: Watch) -> None:
    with_channel(bench)
    answer = bench.call("GET", "/v1/channels/oneCH/api-key", tenant=None)
    assert answer.status == 200
    assert answer.json == {
        "channel_id": "oneCH",
        "address": "https://waba-v2.360dialog.io",
        "api_key": CHANNEL_KEY,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    watch.assert_silent()


def test_the_key_is_in_no_other_answer(bench: Bench) -> None:
    with_channel(bench)
    assert "oneCH" in listed(bench).text
    assert CHANNEL_KEY not in listed(bench).text
    assert "secret" not in listed(bench).text


@pytest.mark.parametrize(("key", "checked"), [(False, False), (True, False)])
def test_a_key_that_was_not_proved_by_use_is_not_given(bench: Bench, key: bool, checked: bool) -> None:
    with_channel(bench, key=key, checked=checked)
    bench.call("GET", "/v1/channels/oneCH/api-key").problem(409, "not_connected")


@pytest.mark.parametrize("channel_id", ["twoCH", "%20", "..", "a" * 3_000, "one CH", "oneCH%00"])
def test_a_channel_nobody_knows_is_missing(bench: Bench, channel_id: str) -> None:
    with_channel(bench)
    bench.call("GET", f"/v1/channels/{channel_id}/api-key").problem(404, "not_found")


def test_a_key_that_another_context_has_encrypted_is_not_given(bench: Bench, watch: Watch) -> None:
    store = with_channel(bench)
    found = store.find_channel("oneCH")
    assert found is not None
    signup = store.load(found.signup_id)
    assert signup is not None
    number = signup.must_number(NUMBER)
    assert number.key is not None
    number.key.secret = bench.encrypted(
        CHANNEL_KEY, tenant="tenant-2", signup=signup.id, purpose="channel_key"
    )
    store.save(signup)
    bench.call("GET", "/v1/channels/oneCH/api-key").problem(503, "unavailable")
    watch.assert_silent()


def test_a_phone_number_is_shown_to_its_tenant_and_written_nowhere(bench: Bench, watch: Watch) -> None:
    bench.meta.says(f"{WABA}/phone_numbers", {"data": [{"id": NUMBER, "display_phone_number": PHONE}]})
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    (number,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert number["display_phone_number"] == PHONE
    watch.assert_silent()
