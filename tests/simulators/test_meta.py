import hashlib
import hmac

import httpx
import pytest

from tests.simulators.harness import APP_SECRET, Bench

pytestmark = pytest.mark.anyio


def error_of(answer: httpx.Response) -> tuple[int, int | None]:
    error = answer.json()["error"]
    return error["code"], error.get("error_subcode")


async def test_a_code_is_exchanged_once(bench: Bench) -> None:
    signup = await bench.signup()
    first, second = await bench.exchange(signup["code"]), await bench.exchange(signup["code"])
    assert first.status_code == 200
    assert first.json()["token_type"] == "bearer"
    assert "expires_in" not in first.json()
    assert second.status_code == 400
    assert error_of(second) == (100, 36009)


async def test_a_code_is_dead_after_thirty_seconds(bench: Bench) -> None:
    in_time, late = await bench.signup(), await bench.signup()
    bench.clock.advance(29.9)
    assert (await bench.exchange(in_time["code"])).status_code == 200
    bench.clock.advance(0.1)
    assert error_of(await bench.exchange(late["code"])) == (100, 36007)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_id": "999"}, (101, None)),
        ({"client_secret": "wrong"}, (1, None)),
        ({"redirect_uri": ""}, (100, 36008)),
        ({"code": "nonsense"}, (100, None)),
        ({"grant_type": "authorization_code"}, (100, None)),
    ],
)
async def test_a_wrong_exchange_is_told_apart_and_spends_nothing(
    bench: Bench, changes: dict[str, str], expected: tuple[int, int | None]
) -> None:
    signup = await bench.signup()
    assert error_of(await bench.exchange(signup["code"], **changes)) == expected
    assert (await bench.exchange(signup["code"])).status_code == 200


async def test_subcodes_can_be_missing(bench: Bench) -> None:
    await bench.meta.patch("/admin/options", json={"subcodes": False})
    signup = await bench.signup()
    await bench.exchange(signup["code"])
    answer = await bench.exchange(signup["code"])
    assert error_of(answer) == (100, None)
    assert "has been used" in answer.json()["error"]["message"]


async def test_grants_are_shuffled_with_decoys_first(bench: Bench) -> None:
    token, signup = await bench.token(wabas=[{}, {}, {}], decoys=3)
    decoys = {waba["id"] for waba in signup["decoys"]}
    wanted = {waba["id"] for waba in signup["wabas"]}
    orders = set()
    for _ in range(20):
        ids = (await bench.debug(token))["granular_scopes"][0]["target_ids"]
        assert set(ids[:3]) == decoys
        assert set(ids[3:]) == wanted
        orders.add(tuple(ids))
    assert len(orders) > 5


@pytest.mark.parametrize("grants", ["scopes_only", "no_entries"])
async def test_grants_can_be_silent_and_are_then_proved_by_use(bench: Bench, grants: str) -> None:
    token, signup = await bench.token(grants=grants)
    data = await bench.debug(token)
    assert data["is_valid"] is True
    assert data["app_id"] == "1234567890"
    assert all("target_ids" not in scope for scope in data["granular_scopes"])
    waba_id = signup["wabas"][0]["id"]
    answer = await bench.graph(waba_id, token, fields="id,name,owner_business_info")
    me = await bench.graph("me", token, fields="client_business_id")
    assert answer.json()["owner_business_info"]["id"] == me.json()["client_business_id"]


@pytest.mark.parametrize(("mode", "subcode"), [("expired", 463), ("invalid", 460), ("error", 460)])
async def test_a_bad_token_is_refused_everywhere(bench: Bench, mode: str, subcode: int) -> None:
    token, signup = await bench.token(token=mode)
    assert (await bench.debug(token))["is_valid"] is False
    answer = await bench.graph(signup["wabas"][0]["id"], token)
    assert answer.status_code == 401
    assert error_of(answer) == (190, subcode)


async def test_a_token_of_another_app_shows_it(bench: Bench) -> None:
    token, _ = await bench.token(token="other_app")
    data = await bench.debug(token)
    assert data["is_valid"] is True
    assert data["app_id"] != "1234567890"


@pytest.mark.parametrize(
    ("option", "expected"), [("100/33", (100, 33)), ("10", (10, None)), ("200", (200, None))]
)
async def test_somebody_elses_account_cannot_be_read(
    bench: Bench, option: str, expected: tuple[int, int | None]
) -> None:
    await bench.meta.patch("/admin/options", json={"ungranted_error": option})
    token, _ = await bench.token()
    stranger = await bench.signup()
    answer = await bench.graph(f"{stranger['wabas'][0]['id']}/phone_numbers", token)
    assert error_of(answer) == expected


async def test_an_owner_can_differ(bench: Bench) -> None:
    token, signup = await bench.token(owner_mismatch=True)
    answer = await bench.graph(signup["wabas"][0]["id"], token, fields="owner_business_info")
    assert answer.json()["owner_business_info"]["id"] != signup["business_id"]


async def test_one_unknown_field_fails_the_whole_call(bench: Bench) -> None:
    token, signup = await bench.token()
    path = f"{signup['wabas'][0]['id']}/phone_numbers"
    assert error_of(await bench.graph(path, token, fields="id,shoe_size")) == (100, None)
    await bench.meta.patch("/admin/options", json={"unknown_fields": ["is_on_biz_app"]})
    assert error_of(await bench.graph(path, token, fields="id,is_on_biz_app")) == (100, None)
    assert (await bench.graph(path, token)).status_code == 200


async def test_numbers_come_in_pages_and_next_is_a_trap(bench: Bench) -> None:
    token, signup = await bench.token(wabas=[{"numbers": [{} for _ in range(5)]}])
    path = f"{signup['wabas'][0]['id']}/phone_numbers"
    seen, after, trap, pages = [], "", "", 0
    while True:
        page = (await bench.graph(path, token, limit="2", **({"after": after} if after else {}))).json()
        if not page["data"]:
            break
        pages += 1
        seen += [number["id"] for number in page["data"]]
        after = page["paging"]["cursors"]["after"]
        assert ("next" in page["paging"]) is (pages < 3)
        if "next" in page["paging"]:
            trap = page["paging"]["next"]
    assert seen == [number["id"] for number in signup["wabas"][0]["numbers"]]
    assert token in trap
    assert (await bench.meta.get(trap)).status_code == 400
    assert (await bench.meta.get("/admin/state")).json()["trap_hits"] == 1


async def test_appsecret_proof_is_checked_when_given_and_can_be_required(bench: Bench) -> None:
    token, signup = await bench.token()
    waba_id = signup["wabas"][0]["id"]
    proof = hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert (await bench.graph(waba_id, token, appsecret_proof=proof)).status_code == 200
    assert error_of(await bench.graph(waba_id, token, appsecret_proof="0" * 64)) == (100, None)
    await bench.meta.patch("/admin/options", json={"require_appsecret_proof": True})
    assert error_of(await bench.graph(waba_id, token)) == (100, None)


async def test_the_app_reads_itself_and_its_solution(bench: Bench) -> None:
    app_token = f"1234567890|{APP_SECRET}"
    assert (await bench.graph("1234567890", app_token, fields="id,name")).json()["id"] == "1234567890"
    solution = await bench.graph("123456789012345", app_token, fields="id,name,status")
    assert solution.json()["status"] == "ACTIVE"
    assert error_of(await bench.graph("1234567890", "1234567890|wrong")) == (190, None)
    assert error_of(await bench.meta.get("/v26.0/1234567890")) == (104, None)


@pytest.mark.parametrize(
    ("finish", "keys"),
    [
        ("FINISH", {"waba_id", "phone_number_id", "business_id"}),
        ("FINISH_ONLY_WABA", {"waba_id", "business_id"}),
        ("FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING", {"waba_id"}),
    ],
)
async def test_the_browsers_message_depends_on_how_it_finished(
    bench: Bench, finish: str, keys: set[str]
) -> None:
    message = (await bench.signup(finish=finish))["session_info"]
    assert message["type"] == "WA_EMBEDDED_SIGNUP"
    assert message["event"] == finish
    assert set(message["data"]) == keys


async def test_a_known_customer_can_finish_again_and_lie(bench: Bench) -> None:
    signup = await bench.signup()
    again = await bench.meta_admin(
        "codes", business_id=signup["business_id"], claim={"waba_id": "1"}, code_lifetime=1
    )
    assert again["session_info"]["data"]["waba_id"] == "1"
    assert again["code"] != signup["code"]
    bench.clock.advance(1)
    assert error_of(await bench.exchange(again["code"])) == (100, 36007)


async def test_a_fault_words_metas_error(bench: Bench) -> None:
    signup = await bench.signup()
    record = {"kind": "error_before", "match": {"path": "oauth"}, "status": 400, "code": 613, "times": 1}
    await bench.meta.post("/admin/faults", json=record)
    assert error_of(await bench.exchange(signup["code"])) == (613, None)
    assert (await bench.exchange(signup["code"])).status_code == 200


async def test_the_log_holds_no_secret(bench: Bench) -> None:
    token, _ = await bench.token()
    await bench.meta.get("/v26.0/me", params={"access_token": token})
    state = (await bench.meta.get("/admin/state")).text
    assert token not in state
    assert APP_SECRET not in state
    assert '"credential":"query"' in state


async def test_one_scope_may_stand_in_for_the_others(bench: Bench) -> None:
    token, signup = await bench.token(grants="events_scope")
    (scope,) = (await bench.debug(token))["granular_scopes"]
    assert scope == {
        "scope": "whatsapp_business_manage_events",
        "target_ids": [signup["wabas"][0]["id"]],
    }


async def test_a_number_may_be_unverified(bench: Bench) -> None:
    numbers = [{}, {"code_verification_status": "NOT_VERIFIED"}]
    token, signup = await bench.token(wabas=[{"numbers": numbers}])
    path = f"{signup['wabas'][0]['id']}/phone_numbers"
    listed = (await bench.graph(path, token, fields="code_verification_status")).json()["data"]
    assert [number["code_verification_status"] for number in listed] == ["VERIFIED", "NOT_VERIFIED"]
