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


async def test_another_app_secret_is_the_only_one_at_once(bench: Bench) -> None:
    signup = await bench.signup()
    await bench.meta_admin("app", app_secret="the-next-secret")
    assert error_of(await bench.exchange(signup["code"])) == (1, None)
    taken = await bench.exchange(signup["code"], client_secret="the-next-secret")
    assert taken.status_code == 200


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


async def test_a_code_of_the_dialog_without_a_popup_wants_the_dialogs_page(bench: Bench) -> None:
    signup = await bench.signup(redirect_uri="https://app.example.com/connect")
    assert error_of(await bench.exchange(signup["code"])) == (100, 36008)
    for other in ("https://app.example.com/connect/", ""):
        assert error_of(await bench.exchange(signup["code"], redirect_uri=other)) == (100, 36008)
    taken = await bench.exchange(signup["code"], redirect_uri="https://app.example.com/connect")
    assert taken.status_code == 200


async def test_a_code_of_the_window_is_refused_with_a_page(bench: Bench) -> None:
    signup = await bench.signup()
    answer = await bench.exchange(signup["code"], redirect_uri="https://app.example.com/connect")
    assert error_of(answer) == (100, 36008)


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


async def numbers_of(bench: Bench, token: str, waba_id: str) -> list[dict[str, object]]:
    fields = "id,code_verification_status,name_status,status"
    answer = await bench.graph(f"{waba_id}/phone_numbers", token, fields=fields)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def test_what_meta_says_of_a_number_can_be_chosen_and_changed(bench: Bench) -> None:
    number = {"status": "BANNED", "name_status": "DECLINED"}
    token, signup = await bench.token(wabas=[{"numbers": [number]}])
    waba = signup["wabas"][0]
    number_id = waba["numbers"][0]["id"]
    (shown,) = await numbers_of(bench, token, waba["id"])
    assert shown == {"id": number_id, "code_verification_status": "VERIFIED", **number}
    change = {"status": "CONNECTED", "name_status": None, "code_verification_status": "EXPIRED"}
    answer = await bench.meta.patch(f"/admin/numbers/{number_id}", json=change)
    assert (answer.json()["waba_id"], answer.json()["status"]) == (waba["id"], "CONNECTED")
    (shown,) = await numbers_of(bench, token, waba["id"])
    assert shown == {"id": number_id, "code_verification_status": "EXPIRED", "status": "CONNECTED"}


async def test_a_late_number_is_listed_some_seconds_after_the_popup(bench: Bench) -> None:
    token, signup = await bench.token(wabas=[{"numbers": [{}, {"listed_after_seconds": 20}]}])
    waba = signup["wabas"][0]
    first, late = (number["id"] for number in waba["numbers"])
    client_id = (await bench.new_client()).json()["id"]
    bench.clock.advance(19.9)
    assert [item["id"] for item in await numbers_of(bench, token, waba["id"])] == [first]
    assert error_of(await bench.graph(late, token)) == (100, 33)
    assert (await bench.submit(signup, client_id, channel_external_id=late)).status_code == 404
    bench.clock.advance(0.1)
    assert [item["id"] for item in await numbers_of(bench, token, waba["id"])] == [first, late]
    assert (await bench.graph(late, token)).status_code == 200
    assert (await bench.submit(signup, client_id, channel_external_id=late)).status_code == 200


async def test_a_number_is_added_after_a_popup_without_one(bench: Bench) -> None:
    token, signup = await bench.token(wabas=[{"numbers": []}])
    waba_id = signup["wabas"][0]["id"]
    assert "phone_number_id" not in signup["session_info"]["data"]
    assert await numbers_of(bench, token, waba_id) == []
    body = {"code_verification_status": "NOT_VERIFIED", "status": "UNVERIFIED"}
    added = await bench.meta_admin(f"wabas/{waba_id}/numbers", **body)
    (shown,) = await numbers_of(bench, token, waba_id)
    assert shown == {"id": added["id"], "name_status": "APPROVED", **body}
    again = await bench.meta.post(f"/admin/wabas/{waba_id}/numbers", json={"id": added["id"]})
    assert again.status_code == 422
    assert (await bench.meta.post("/admin/wabas/1/numbers", json={})).status_code == 404


async def test_a_number_may_vanish_and_come_back(bench: Bench) -> None:
    token, signup = await bench.token()
    waba = signup["wabas"][0]
    path = f"/admin/numbers/{waba['numbers'][0]['id']}"
    await bench.meta.patch(path, json={"listed": False})
    assert await numbers_of(bench, token, waba["id"]) == []
    await bench.meta.patch(path, json={"listed": True})
    assert len(await numbers_of(bench, token, waba["id"])) == 1
    assert (await bench.meta.patch("/admin/numbers/1", json={})).status_code == 404
    late = await bench.meta_admin(f"wabas/{waba['id']}/numbers", listed_after_seconds=600)
    assert len(await numbers_of(bench, token, waba["id"])) == 1
    await bench.meta.patch(f"/admin/numbers/{late['id']}", json={"listed": True})
    assert len(await numbers_of(bench, token, waba["id"])) == 2


async def test_a_number_moves_to_another_customers_account(bench: Bench) -> None:
    old_token, old = await bench.token()
    new_token, new = await bench.token()
    old_waba, new_waba = old["wabas"][0], new["wabas"][0]
    number_id = old_waba["numbers"][0]["id"]
    client_id = (await bench.new_client()).json()["id"]
    await bench.submit(old, client_id)
    await bench.simulators.advance(4)
    path = f"/admin/numbers/{number_id}"
    assert (await bench.meta.patch(path, json={"waba_id": "1"})).status_code == 422
    moved = (await bench.meta.patch(path, json={"waba_id": new_waba["id"]})).json()
    assert (moved["waba_id"], moved["business_id"]) == (new_waba["id"], new["business_id"])
    assert await numbers_of(bench, old_token, old_waba["id"]) == []
    assert number_id in [item["id"] for item in await numbers_of(bench, new_token, new_waba["id"])]
    # The channel of its former account is another life, not a doubled one.
    assert (await bench.submit(new, client_id, channel_external_id=number_id)).status_code == 200
    state = await bench.state()
    assert [channel["waba_external_id"] for channel in state["channels"]] == [old_waba["id"], new_waba["id"]]
    assert state["duplicate_submissions"] == 0


@pytest.mark.parametrize("code", [131031, 368])
async def test_an_account_may_be_locked_or_blocked(bench: Bench, code: int) -> None:
    token, signup = await bench.token(waba_error=code)
    waba_id = signup["wabas"][0]["id"]
    for path in (waba_id, f"{waba_id}/phone_numbers", signup["wabas"][0]["numbers"][0]["id"]):
        assert error_of(await bench.graph(path, token)) == (code, None)
    assert (await bench.graph("me", token)).status_code == 200
    customer = f"/admin/customers/{signup['business_id']}"
    assert (await bench.meta.patch(customer, json={"waba_error": None})).status_code == 200
    assert (await bench.graph(waba_id, token)).status_code == 200
    assert (await bench.meta.patch(customer, json={"waba_error": 5})).status_code == 422


async def test_a_token_may_be_a_persons(bench: Bench) -> None:
    token, signup = await bench.token()
    assert (await bench.debug(token))["type"] == "SYSTEM_USER"
    await bench.meta.patch(f"/admin/customers/{signup['business_id']}", json={"token_type": "USER"})
    assert (await bench.debug(token))["type"] == "USER"


async def test_an_unheard_of_scope_may_name_the_accounts_beside_businesses(bench: Bench) -> None:
    token, signup = await bench.token(grants="other_scope")
    businesses, accounts = (await bench.debug(token))["granular_scopes"]
    assert businesses == {"scope": "business_management", "target_ids": [signup["business_id"]]}
    assert accounts["target_ids"] == [signup["wabas"][0]["id"]]


async def test_a_redirect_may_append_to_the_code(bench: Bench) -> None:
    signup = await bench.signup(code_tail="#_=_")
    again = await bench.meta_admin("codes", business_id=signup["business_id"], code_tail="#_=_")
    for code in (signup["code"], again["code"]):
        assert error_of(await bench.exchange(code)) == (100, None)
        assert (await bench.exchange(code.removesuffix("#_=_"))).status_code == 200
