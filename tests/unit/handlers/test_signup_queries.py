"""Reading: configuration, one signup, pages of them, a channel's key."""

from datetime import timedelta

import pytest

from onramp.domain.number import ChannelKey, Number, WabaOf
from onramp.domain.signup import Listed, ListedNumber, Signup
from onramp.domain.states import Progress
from onramp.inbound.models import LARGEST_PAGE, NumberView, fitting
from onramp.usecases import read
from onramp.usecases.connect import key_context
from tests.canary import CHANNEL_KEY, PHONE, Watch
from tests.unit.handlers.bench import NUMBER, PAGE, REDIRECT, TENANT, WABA, Answer, Bench


def test_the_configuration_is_public_and_holds_no_secret(bench: Bench, watch: Watch) -> None:
    answer = bench.call("GET", "/v1/config", tenant=None)
    assert answer.status == 200
    assert answer.json == {
        "app_id": "1234567890",
        "config_id": "9876543210",
        "graph_version": "v26.0",
        "extras": {"setup": {"solutionID": "123456789012345"}},
        "sdk_url": "https://connect.example/en_US/sdk.js",
        "dialog_url": "https://dialog.example/v26.0/dialog/oauth",
        "redirect_uris": [REDIRECT],
        "flows": ["standard", "coexistence"],
        "page": PAGE,
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
    for path in (f"/v1/signups/{signup_id}", f"/v1/numbers/{NUMBER}"):
        answer = bench.call("GET", path)
        assert answer.headers["Retry-After"] == "2"
        again = bench.call("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.headers["Retry-After"]) == (304, "2")


def test_the_longer_something_waits_the_later_the_reader_comes_back(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    number = stored(bench)
    number.steps = {Progress.PENDING: bench.clock.now() - timedelta(days=10)}
    bench.store.commit(number)
    assert bench.call("GET", f"/v1/signups/{signup_id}").headers["Retry-After"] == "300"


def test_the_client_of_a_signup_is_named_once_a_number_knows_it(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    assert bench.call("GET", f"/v1/signups/{signup_id}").json["client"]["id"] is None
    number = stored(bench)
    number.client_id = "newCL"
    bench.store.commit(number)
    assert bench.call("GET", f"/v1/signups/{signup_id}").json["client"]["id"] == "newCL"


def test_a_timeline_tells_what_happened_in_its_order(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    timeline = bench.call("GET", f"/v1/signups/{signup_id}").json["timeline"]
    assert [entry["event"] for entry in timeline] == ["signup.opened", "signup.authorized", "number.pending"]
    assert [entry["phone_number_id"] for entry in timeline] == [None, None, NUMBER]


def test_words_of_a_later_release_are_shown_as_they_are(bench: Bench) -> None:
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    number, signup = stored(bench), bench.store.read(Signup, signup_id)
    assert signup is not None
    assert signup.waba is not None
    number.progress, signup.waba.proof = "celebrating", "telepathy"
    bench.store.commit(number, signup)
    shown = bench.call("GET", f"/v1/signups/{signup_id}").json
    assert (shown["numbers"][0]["status"], shown["waba"]["proof"]) == ("celebrating", "telepathy")


def stored(bench: Bench, phone_number_id: str = NUMBER) -> Number:
    """The number as the table has it."""
    found = bench.store.read(Number, phone_number_id)
    assert found is not None
    return found


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


def test_lists_are_without_timelines_and_launches(bench: Bench) -> None:
    signup_id = bench.authorized()
    (shown,) = listed(bench).json["signups"]
    whole = bench.call("GET", f"/v1/signups/{signup_id}").json
    assert {name: value for name, value in whole.items() if name not in {"timeline", "launch"}} == shown


def number_of(bench: Bench, phone_number_id: str, tenant: str = TENANT) -> Number:
    """A number, stored."""
    number = Number(
        phone_number_id=phone_number_id,
        tenant=tenant,
        signup_id="s",
        waba=WabaOf(id=WABA),
        created_at=bench.clock.now(),
        progress=Progress.CONNECTED,
    )
    bench.store.commit(number)
    return number


def test_a_tenant_sees_its_own_numbers_newest_first_in_pages(bench: Bench) -> None:
    for serial in range(3):
        number_of(bench, f"10{serial}")
    number_of(bench, "200", "tenant-2")
    first = bench.call("GET", "/v1/numbers", query={"limit": "2", "status": "connected"}).json
    second = bench.call("GET", "/v1/numbers", query={"limit": "2", "cursor": first["cursor"]}).json
    assert [number["phone_number_id"] for number in first["numbers"] + second["numbers"]] == [
        "102", "101", "100",
    ]  # fmt: skip
    assert second["cursor"] is None
    assert bench.call("GET", "/v1/numbers", query={"status": "failed"}).json == {
        "numbers": [],
        "cursor": None,
    }
    bench.call("GET", "/v1/numbers/200").problem(404, "not_found")


def test_a_page_ends_before_it_grows_over_its_limit_and_goes_on_behind_it(bench: Bench) -> None:
    """Three signups whose WABAs have so many numbers that two of them do not fit into one answer."""
    mine = [bench.opened() for _ in range(3)]
    numbers = [ListedNumber(phone_number_id=str(serial), verified_name="x" * 3_500) for serial in range(75)]
    parts = LARGEST_PAGE * 2 // 3 // 280_000
    for signup_id in mine:
        signup = bench.store.read(Signup, signup_id)
        assert signup is not None
        signup.parts = parts
        bench.store.commit(
            signup, *(Listed(signup_id=signup_id, part=part, numbers=numbers) for part in range(parts))
        )
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in mine:
        answer = listed(bench, **cursor)
        assert len(answer.text) <= LARGEST_PAGE + 100
        seen += [signup["id"] for signup in answer.json["signups"]]
        assert len(answer.json["signups"]) == 1
        if answer.json["cursor"] is None:
            break
        cursor = {"cursor": answer.json["cursor"]}
    assert seen == mine[::-1]


def test_what_is_too_large_by_itself_is_shown_all_the_same() -> None:
    class Shown(NumberView):
        blob: str

    def shown(size: int) -> Shown:
        view = NumberView.listed(ListedNumber(phone_number_id="1"))
        return Shown(**view.model_dump(), blob="x" * size)

    page = read.Listing([LARGEST_PAGE + 1, 1, 2], "end")
    views, cursor = fitting(page, shown, str)
    assert ([len(view.blob) for view in views], cursor) == ([LARGEST_PAGE + 1], str(LARGEST_PAGE + 1))
    views, cursor = fitting(read.Listing([1, 2], "end"), shown, str)
    assert ([len(view.blob) for view in views], cursor) == ([1, 2], "end")


def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(bench: Bench) -> None:
    theirs = [bench.opened("tenant-2") for _ in range(3)]
    cursor = bench.call("GET", "/v1/signups", tenant="tenant-2", query={"limit": "1"}).json["cursor"]
    shown = listed(bench, cursor=cursor).text
    assert not [signup_id for signup_id in theirs if signup_id in shown]


# --- a channel's key


def with_channel(bench: Bench, *, key: bool = True, checked: bool = True) -> Number:
    """A number with the channel `oneCH`."""
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    number = stored(bench)
    now = bench.clock.now()
    number.channel_id, number.progress = "oneCH", Progress.CONNECTED
    if key:
        number.key = ChannelKey(
            secret=bench.encrypted(CHANNEL_KEY, **key_context(TENANT, NUMBER)),
            address="https://waba-v2.360dialog.io",
            made_at=now - timedelta(minutes=1),
            checked_at=now if checked else None,
        )
    bench.store.commit(number)
    return number


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
    shown = [listed(bench), bench.call("GET", "/v1/numbers"), bench.call("GET", f"/v1/numbers/{NUMBER}")]
    for answer in shown:
        assert "oneCH" in answer.text
        assert CHANNEL_KEY not in answer.text
        assert "secret" not in answer.text


@pytest.mark.parametrize(("key", "checked"), [(False, False), (True, False)])
def test_a_key_that_was_not_proved_by_use_is_not_given(bench: Bench, key: bool, checked: bool) -> None:
    with_channel(bench, key=key, checked=checked)
    bench.call("GET", "/v1/channels/oneCH/api-key").problem(409, "not_connected")


def test_a_cancelled_numbers_key_is_not_given(bench: Bench) -> None:
    number = with_channel(bench)
    number.cancelled_at = bench.clock.now()
    bench.store.commit(number)
    bench.call("GET", "/v1/channels/oneCH/api-key").problem(409, "not_connected")


@pytest.mark.parametrize("channel_id", ["twoCH", "%20", "..", "a" * 3_000, "one CH", "oneCH%00"])
def test_a_channel_nobody_knows_is_missing(bench: Bench, channel_id: str) -> None:
    with_channel(bench)
    bench.call("GET", f"/v1/channels/{channel_id}/api-key").problem(404, "not_found")


def test_a_key_that_another_context_has_encrypted_is_not_given(bench: Bench, watch: Watch) -> None:
    number = with_channel(bench)
    assert number.key is not None
    number.key.secret = bench.encrypted(CHANNEL_KEY, **key_context("tenant-2", NUMBER))
    bench.store.commit(number)
    bench.call("GET", "/v1/channels/oneCH/api-key").problem(503, "unavailable")
    watch.assert_silent()


def test_a_phone_number_is_shown_to_its_tenant_and_written_nowhere(bench: Bench, watch: Watch) -> None:
    bench.meta.says(f"{WABA}/phone_numbers", {"data": [{"id": NUMBER, "display_phone_number": PHONE}]})
    signup_id = bench.authorized()
    bench.call("POST", f"/v1/signups/{signup_id}/numbers")
    (number,) = bench.call("GET", f"/v1/signups/{signup_id}").json["numbers"]
    assert number["display_phone_number"] == PHONE
    watch.assert_silent()
