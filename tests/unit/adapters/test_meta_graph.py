"""Meta's Graph API: what is asked, how often, and what is believed."""

import hashlib
import hmac
import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.adapters.meta_graph import (
    EXCHANGE_PAUSES,
    NUMBER_FIELDS,
    PAGE_SIZE,
    PAGES,
    READ_PAUSES,
    MetaGraph,
)
from onramp.adapters.system import SystemClock
from onramp.adapters.upstream import Credential
from onramp.domain.errors import Ambiguous, Permanent, Throttled, Transient, UpstreamError
from onramp.domain.text import identifier
from onramp.ports.upstreams import PhoneFacts, WabaFacts
from tests.canary import APP_SECRET, CODE, TOKEN, assert_silent
from tests.unit.wire import Answer, Wire, says

APP_ID = "1234567890"
BASE = "https://graph.example"
WABA = "102290129340398"


class StillClock(SystemClock):
    """Keeps what it should have slept."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


class Bench:
    """A graph on a wire, and its clock."""

    def __init__(self, *answers: Answer, app_secret: Callable[[], str] = lambda: APP_SECRET) -> None:
        self.wire = Wire(*answers)
        self.clock = StillClock()
        self.graph = MetaGraph(
            client=self.wire.client,
            clock=self.clock,
            base_url=BASE,
            version="v26.0",
            app_id=APP_ID,
            app_secret=Credential(app_secret),
        )


def error(code: int, subcode: int | None = None, status: int = 400, **more: object) -> httpx.Response:
    return says({"error": {"message": "no", "code": code, "error_subcode": subcode, **more}}, status)


def graph_reads() -> list[Callable[[MetaGraph], object]]:
    """Every read with the customer's token."""
    return [
        lambda graph: graph.business_of(TOKEN),
        lambda graph: graph.read_waba(TOKEN, WABA),
        lambda graph: graph.read_numbers(TOKEN, WABA),
    ]


# --- exchange


def test_an_exchange_is_a_form_with_exactly_three_fields() -> None:
    bench = Bench(says({"access_token": TOKEN, "token_type": "bearer"}))
    assert bench.graph.exchange(CODE) == TOKEN
    request = bench.wire.requests[0]
    assert request.method == "POST"
    assert str(request.url) == f"{BASE}/v26.0/oauth/access_token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert bench.wire.form(0) == [("client_id", APP_ID), ("client_secret", APP_SECRET), ("code", CODE)]
    assert "authorization" not in request.headers


def test_a_code_that_came_without_a_popup_goes_with_the_dialogs_page() -> None:
    bench = Bench(says({"access_token": TOKEN}))
    bench.graph.exchange(CODE, "https://app.example.com/a?b=1")
    assert bench.wire.form(0)[2:] == [("code", CODE), ("redirect_uri", "https://app.example.com/a?b=1")]


def test_a_code_with_signs_arrives_as_it_was() -> None:
    bench = Bench(says({"access_token": TOKEN}))
    bench.graph.exchange("a&client_id=2#%+ü=")
    assert bench.wire.form(0)[2] == ("code", "a&client_id=2#%+ü=")


def test_the_secret_is_asked_for_at_each_use() -> None:
    secrets = iter(["one", "two"])
    bench = Bench(says({"access_token": "a"}), says({"access_token": "b"}), app_secret=lambda: next(secrets))
    bench.graph.exchange("x")
    bench.graph.exchange("y")
    assert [bench.wire.form(index)[1][1] for index in (0, 1)] == ["one", "two"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": None},
        3,
    ],
)
def test_a_success_without_a_token_may_have_spent_the_code(answer: object) -> None:
    with pytest.raises(Ambiguous) as raised:
        Bench(says(answer)).graph.exchange(CODE)
    assert raised.value.code == "meta_unavailable"


def test_a_token_with_half_a_character_is_none() -> None:
    with pytest.raises(Ambiguous):
        Bench(httpx.Response(200, content=b'{"access_token": "EAA\\ud800"}')).graph.exchange(CODE)


@pytest.mark.parametrize("trouble", [httpx.ConnectError("no"), httpx.ConnectTimeout("no")])
def test_an_exchange_that_was_never_sent_is_sent_again(trouble: Exception) -> None:
    bench = Bench(trouble, trouble, says({"access_token": TOKEN}))
    assert bench.graph.exchange(CODE) == TOKEN
    assert bench.clock.sleeps == list(EXCHANGE_PAUSES)


def test_an_exchange_is_tried_three_times_and_all_within_a_codes_life() -> None:
    bench = Bench(*[httpx.ConnectTimeout("no")] * 3)
    with pytest.raises(Transient):
        bench.graph.exchange(CODE)
    assert len(bench.wire.requests) == 3
    assert sum(bench.clock.sleeps) + 3 * 3.0 < 30


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("no"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(200, html="<h1>hello</h1>"),
        httpx.Response(502),
        error(2, status=500),
        error(1),
    ],
    ids=["timeout", "cut", "html", "502", "code 2", "code 1"],
)
def test_an_exchange_that_may_have_worked_is_never_repeated(answer: httpx.Response | Exception) -> None:
    bench = Bench(answer)
    with pytest.raises(Ambiguous):
        bench.graph.exchange(CODE)
    assert bench.clock.sleeps == []


def test_a_refused_exchange_is_never_repeated() -> None:
    bench = Bench(error(100, 36009))
    with pytest.raises(Permanent):
        bench.graph.exchange(CODE)
    assert bench.clock.sleeps == []


def test_a_throttled_exchange_waits_as_long_as_meta_asks() -> None:
    bench = Bench(says({}, 429, {"Retry-After": "1"}), error(4), says({"access_token": TOKEN}))
    assert bench.graph.exchange(CODE) == TOKEN
    assert bench.clock.sleeps == [1.0, EXCHANGE_PAUSES[1]]


def test_a_throttled_exchange_gives_up_when_meta_asks_for_more_than_a_codes_life() -> None:
    bench = Bench(says({}, 429, {"Retry-After": "25"}))
    with pytest.raises(Throttled) as raised:
        bench.graph.exchange(CODE)
    assert raised.value.retry_after == 25
    assert bench.clock.sleeps == []


@pytest.mark.parametrize(
    "answer",
    [
        error(100, 36007, message=f"code {CODE} expired"),
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
        says({}, 429, {"Retry-After": "99"}),
    ],
)
def test_no_error_text_holds_a_secret(answer: httpx.Response | Exception) -> None:
    bench = Bench(*[answer] * 3)
    with pytest.raises(UpstreamError) as raised:
        bench.graph.exchange(CODE)
    assert_silent("".join(traceback.format_exception(raised.value)))


# --- what a token grants


def debug(**data: object) -> httpx.Response:
    return says({"data": {"app_id": APP_ID, "is_valid": True, "expires_at": 0} | data})


def scope(name: str, *targets: object) -> dict[str, object]:
    return {"scope": name, "target_ids": list(targets)}


def test_a_token_is_inspected_in_our_own_name() -> None:
    bench = Bench(debug())
    bench.graph.inspect(TOKEN)
    request = bench.wire.requests[0]
    assert bench.wire.paths() == ["GET /v26.0/debug_token"]
    assert bench.wire.query(0) == {"input_token": TOKEN}
    assert request.headers["authorization"] == f"Bearer {APP_ID}|{APP_SECRET}"
    assert APP_SECRET not in str(request.url)


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        ([scope("whatsapp_business_management", "1", "2")], ("1", "2")),
        ([scope("whatsapp_business_messaging", "3")], ("3",)),
        (
            [scope("whatsapp_business_messaging", "2", "1"), scope("whatsapp_business_management", "1", "3")],
            ("2", "1", "3"),
        ),
        ([scope("whatsapp_business_management", 12)], ("12",)),
        ([scope("business_management", "9"), scope("public_profile", "8")], ()),
        # Since June 2026 it may come in place of another one; what is listed has to be proved anyhow.
        ([scope("whatsapp_business_manage_events", "4")], ("4",)),
        ([scope("whatsapp_of_tomorrow", "5"), scope("business_management", "9")], ("5",)),
        ([scope("instagram_whatsapp_", "6"), scope("Whatsapp_business_messaging", "6")], ()),
        ([{"scope": "whatsapp_business_management"}], ()),
        ([{"scope": "whatsapp_business_management", "target_ids": None}], ()),
        ([{"scope": "whatsapp_business_management", "target_ids": "123"}], ()),
        ([{"scope": "whatsapp_business_management", "target_ids": {"1": "2"}}], ()),
        (
            [{"scope": "whatsapp_business_management", "target_ids": [None, True, [], {}, "", " ", "7"]}],
            ("7",),
        ),
        ([None, "x", 3, []], ()),
        ({"scope": "whatsapp_business_management", "target_ids": ["1"]}, ()),
        (None, ()),
        ("whatsapp_business_management", ()),
        ([{"scope": ["whatsapp_business_management"], "target_ids": ["1"]}], ()),
    ],
)
def test_granted_wabas_are_read_from_whatsapps_scopes_and_from_nothing_else(
    scopes: object, granted: tuple[str, ...]
) -> None:
    assert Bench(debug(granular_scopes=scopes)).graph.inspect(TOKEN).waba_ids == granted


def test_a_token_without_scopes_lists_nothing() -> None:
    assert Bench(debug()).graph.inspect(TOKEN).waba_ids == ()


@pytest.mark.parametrize(
    "answer",
    [
        debug(is_valid=False),
        debug(is_valid="true"),
        debug(is_valid=1),
        debug(app_id="999"),
        debug(app_id=None),
        says({"data": {}}),
        says({"data": []}),
        says({}),
        says([]),
    ],
)
def test_a_token_that_is_not_valid_or_not_ours_grants_nothing(answer: httpx.Response) -> None:
    with pytest.raises(Permanent) as raised:
        Bench(answer).graph.inspect(TOKEN)
    assert raised.value.code == "waba_not_granted"


@pytest.mark.parametrize("kind", ["USER", "user", " User "])
def test_a_persons_token_is_our_configurations_fault_and_says_what_to_mend(kind: str) -> None:
    with pytest.raises(Permanent) as raised:
        Bench(debug(type=kind)).graph.inspect(TOKEN)
    assert raised.value.code == "meta_configuration"
    assert "system-user (business) token" in raised.value.reference
    assert_silent(str(raised.value))


@pytest.mark.parametrize("kind", ["SYSTEM_USER", "system_user", "APP", "", None, 7, [], {}, "x" * 5_000])
def test_any_other_kind_of_token_is_asked_no_question(kind: object) -> None:
    assert Bench(debug(type=kind)).graph.inspect(TOKEN).waba_ids == ()


def test_a_token_that_is_not_valid_is_refused_whatever_its_kind() -> None:
    with pytest.raises(Permanent) as raised:
        Bench(debug(type="USER", is_valid=False)).graph.inspect(TOKEN)
    assert raised.value.code == "waba_not_granted"


def test_an_app_id_may_come_as_a_number() -> None:
    assert Bench(debug(app_id=int(APP_ID))).graph.inspect(TOKEN).waba_ids == ()


# --- reads


@pytest.mark.parametrize("read", graph_reads())
def test_a_read_carries_the_token_in_its_header_and_the_proof(read: Callable[[MetaGraph], object]) -> None:
    bench = Bench(says({"data": []}))
    read(bench.graph)
    request = bench.wire.requests[0]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.url)
    assert APP_SECRET not in str(request.url)
    proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    assert bench.wire.query(0)["appsecret_proof"] == proof


@pytest.mark.parametrize(
    ("answer", "business"),
    [
        ({"client_business_id": "77", "id": "1"}, "77"),
        ({"id": "1"}, None),
        ([], None),
        ({"client_business_id": {}}, None),
    ],
)
def test_the_business_of_a_token(answer: object, business: str | None) -> None:
    bench = Bench(says(answer))
    assert bench.graph.business_of(TOKEN) == business
    assert bench.wire.paths() == ["GET /v26.0/me"]
    assert bench.wire.query(0)["fields"] == "client_business_id"


def test_a_waba_with_its_owner() -> None:
    bench = Bench(says({"id": WABA, "name": "Acme", "owner_business_info": {"id": 55, "name": "B"}}))
    assert bench.graph.read_waba(TOKEN, WABA) == WabaFacts(WABA, "Acme", "55")
    assert bench.wire.paths() == [f"GET /v26.0/{WABA}"]
    assert bench.wire.query(0)["fields"] == "id,name,owner_business_info"


@pytest.mark.parametrize("answer", [{}, [], "x", {"name": 3.5, "owner_business_info": "x"}, {"name": None}])
def test_a_waba_of_which_meta_says_little(answer: object) -> None:
    facts = Bench(says(answer)).graph.read_waba(TOKEN, WABA)
    assert facts == WabaFacts(WABA, None, None)


def test_another_waba_than_asked_for_is_no_proof() -> None:
    with pytest.raises(Permanent) as raised:
        Bench(says({"id": "1"})).graph.read_waba(TOKEN, WABA)
    assert raised.value.code == "waba_not_granted"


@pytest.mark.parametrize(
    "waba_id",
    ["", "..", "../me", "1/2", "1?x=", "1#", "me", "1 ", " 1", "1\n", "%31", "٣", "1" * 33, "-1", "1e3"],
)
def test_an_id_that_is_none_reaches_no_path(waba_id: str) -> None:
    for read in (MetaGraph.read_waba, MetaGraph.read_numbers):
        bench = Bench()
        with pytest.raises(Permanent) as raised:
            read(bench.graph, TOKEN, waba_id)
        assert raised.value.code == "waba_not_granted"
        assert bench.wire.requests == []


# --- numbers and pages


def page(*ids: str, after: str | None = None, **paging: object) -> httpx.Response:
    content: dict[str, object] = {
        "data": [
            {"id": number, "display_phone_number": f"+1 {number}", "verified_name": "A"} for number in ids
        ]
    }
    if after is not None:
        content["paging"] = {
            "cursors": {"before": "b", "after": after},
            "next": f"https://evil.example/?access_token={TOKEN}",
        } | paging
    return says(content)


def ids_of(phones: object) -> list[str]:
    assert isinstance(phones, tuple)
    return [phone.id for phone in phones]


def test_numbers_are_read_page_by_page_by_cursor() -> None:
    bench = Bench(page("1", "2", after="c1"), page("3", after="c2"), page("4"))
    assert ids_of(bench.graph.read_numbers(TOKEN, WABA)) == ["1", "2", "3", "4"]
    assert [bench.wire.query(index).get("after") for index in range(3)] == [None, "c1", "c2"]
    assert bench.wire.query(1)["limit"] == PAGE_SIZE
    assert bench.wire.query(1)["fields"] == NUMBER_FIELDS
    assert {request.url.host for request in bench.wire.requests} == {"graph.example"}


def test_a_last_page_has_a_cursor_but_no_next() -> None:
    last = says({"data": [{"id": "1"}], "paging": {"cursors": {"after": "c"}}})
    bench = Bench(last)
    assert bench.graph.read_numbers(TOKEN, WABA) == (PhoneFacts("1", "", None),)


@pytest.mark.parametrize(
    ("given", "verification"),
    [
        ("VERIFIED", "VERIFIED"),
        ("NOT_VERIFIED", "NOT_VERIFIED"),
        (" EXPIRED ", "EXPIRED"),
        (None, None),
        ("", None),
        ({}, None),
        (["VERIFIED"], None),
        (True, None),
        ("x" * 201, None),
    ],
)
def test_a_number_tells_whether_it_is_verified(given: object, verification: str | None) -> None:
    bench = Bench(says({"data": [{"id": "1", "code_verification_status": given}]}))
    assert bench.graph.read_numbers(TOKEN, WABA) == (PhoneFacts("1", "", None, verification),)
    assert "code_verification_status" in bench.wire.query(0)["fields"].split(",")


WORDS: list[object] = ["VERIFIED", " EXPIRED ", None, "", {}, ["VERIFIED"], True, 7, 1.5, "x" * 201, "\ud800"]


@pytest.mark.parametrize("given", WORDS)
@pytest.mark.parametrize(("member", "kept"), [("name_status", "name_status"), ("status", "meta_status")])
def test_a_number_tells_of_its_name_and_of_itself(member: str, kept: str, given: object) -> None:
    answer = json.dumps({"data": [{"id": "1", member: given}]}).encode()
    bench = Bench(httpx.Response(200, content=answer))
    (phone,) = bench.graph.read_numbers(TOKEN, WABA)
    word = getattr(phone, kept)
    assert word is None or (isinstance(word, str) and 0 < len(word) <= 200 and word == word.strip())
    assert word == identifier(given)
    assert member in bench.wire.query(0)["fields"].split(",")


def test_default_fields_leave_out_what_meta_says_only_when_asked() -> None:
    bench = Bench(error(100), says({"data": [{"id": "1", "display_phone_number": "+1 1"}]}))
    (phone,) = bench.graph.read_numbers(TOKEN, WABA)
    assert (phone.verification, phone.name_status, phone.meta_status) == (None, None, None)


def test_a_hundred_numbers_fit_into_one_item_whatever_their_names() -> None:
    numbers = [
        {"id": str(index), "display_phone_number": "1" * 4_000, "verified_name": "n" * 4_000}
        for index in range(100)
    ]
    phones = Bench(says({"data": numbers})).graph.read_numbers(TOKEN, WABA)
    assert {(phone.display_phone_number, phone.verified_name) for phone in phones} == {("", "n" * 200)}


HOSTILE: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", " ", "USER", "BANNED", "\ud800", "x" * 5_000, "1" * 400, "\u0661"])
    | st.text(alphabet=st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "status",
                    "name_status",
                    "display_phone_number",
                    "paging",
                    "cursors",
                    "next",
                    "after",
                    "type",
                    "app_id",
                    "is_valid",
                    "granular_scopes",
                    "scope",
                    "target_ids",
                    "error",
                    "code",
                    "error_subcode",
                    "message",
                    "access_token",
                    "owner_business_info",
                    "name",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(answer=HOSTILE, status=st.sampled_from([200, 200, 200, 400, 401, 403, 404, 500]))
def test_whatever_meta_answers_is_a_result_or_an_error_of_ours(answer: object, status: int) -> None:
    content = json.dumps(answer).encode()
    reads: list[Callable[[MetaGraph], object]] = [
        *graph_reads(),
        lambda graph: graph.whole_list(TOKEN, WABA),
        lambda graph: graph.inspect(TOKEN),
        lambda graph: graph.exchange(CODE),
    ]
    for read in reads:
        bench = Bench(*[httpx.Response(status, content=content) for _ in range(2 * PAGES)])
        with suppress(UpstreamError):
            repr(read(bench.graph)).encode()


# --- lists that say what is missing


def test_a_whole_list_has_the_ids_of_all_pages() -> None:
    bench = Bench(page("1", "2", after="c1"), page("3"))
    assert bench.graph.whole_list(TOKEN, WABA) == frozenset({"1", "2", "3"})
    assert Bench(says({"data": []})).graph.whole_list(TOKEN, WABA) == frozenset()


@pytest.mark.parametrize(
    "answers",
    [
        [{}],
        [[]],
        [3],
        [{"data": None}],
        [{"data": {"id": "1"}}],
        [{"data": [{"id": "1"}, {}]}],
        [{"data": [{"id": "1"}, {"id": None}]}],
        [{"data": [{"id": "1"}, "2"]}],
        [{"data": [{"id": "1"}], "paging": {"next": "x"}}],
        [{"data": [{"id": "1"}], "paging": {"next": "x", "cursors": {"after": "c"}}}] * 2,
        [{"data": [], "paging": {"next": "x", "cursors": {"after": "c"}}}],
        [{"data": [{"id": "1"}], "paging": {"next": "x", "cursors": {"after": "c"}}}, {"data": None}],
    ],
)
def test_a_list_that_leaves_a_doubt_is_not_whole(answers: list[object]) -> None:
    assert Bench(*map(says, answers)).graph.whole_list(TOKEN, WABA) is None


def test_a_list_that_is_longer_than_we_read_is_not_whole() -> None:
    bench = Bench(*[page(str(turn), after=f"c{turn}") for turn in range(PAGES)])
    assert bench.graph.whole_list(TOKEN, WABA) is None


def test_pages_that_take_too_long_have_an_end() -> None:
    bench = Bench(page("1", after="c1"), page("2"))
    slow = replace(bench.graph, patience=-1.0)
    with pytest.raises(Transient):
        slow.read_numbers(TOKEN, WABA)


def test_a_graph_in_a_hurry_waits_no_longer_than_it_has_been_told() -> None:
    bench = Bench(says({"data": []}))
    replace(bench.graph, deadline=2.0).read_numbers(TOKEN, WABA)
    waits = bench.wire.requests[0].extensions["timeout"]
    assert waits == {"connect": 2.0, "read": 2.0, "write": 2.0, "pool": 2.0}


def test_default_fields_tell_it_too_when_meta_knows_one_of_ours_no_more() -> None:
    bench = Bench(error(100), says({"data": [{"id": "1", "code_verification_status": "VERIFIED"}]}))
    assert bench.graph.read_numbers(TOKEN, WABA)[0].verification == "VERIFIED"


def test_texts_of_metas_hold_no_half_of_a_character() -> None:
    number = {"id": "1", "display_phone_number": "+1 \ud800", "verified_name": "\udc00x"}
    bench = Bench(
        *(
            httpx.Response(200, content=json.dumps(content).encode())
            for content in ({"id": WABA, "name": "Caf\ud83d"}, {"data": [number]})
        )
    )
    assert bench.graph.read_waba(TOKEN, WABA).name == "Caf\ufffd"
    assert bench.graph.read_numbers(TOKEN, WABA) == (PhoneFacts("1", "+1 \ufffd", "\ufffdx"),)


def test_a_cursor_that_stands_still_ends_the_reading() -> None:
    bench = Bench(page("1", after="c"), page("1", after="c"))
    assert ids_of(bench.graph.read_numbers(TOKEN, WABA)) == ["1"]


def test_cursors_that_run_in_a_circle_end_at_the_limit() -> None:
    bench = Bench(*[page(str(turn), after="ab"[turn % 2]) for turn in range(PAGES + 5)])
    assert len(ids_of(bench.graph.read_numbers(TOKEN, WABA))) == PAGES
    assert len(bench.wire.requests) == PAGES


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        3,
        {"data": None},
        {"data": {"id": "1"}},
        {"data": "abc"},
        {"data": [None, 1, "x", [], {}, {"id": None}, {"id": {}}, {"id": ""}, {"id": True}]},
        {"data": [], "paging": {"next": "https://x.example", "cursors": {"after": "c"}}},
        {"data": [], "paging": "next"},
        {"data": [{}], "paging": {"next": "x", "cursors": ["after"]}},
    ],
)
def test_numbers_nobody_can_read_are_none(answer: object) -> None:
    assert Bench(says(answer)).graph.read_numbers(TOKEN, WABA) == ()


def test_a_cursor_cannot_change_the_query() -> None:
    bench = Bench(page("1", after="x&access_token=y#"), page("2"))
    bench.graph.read_numbers(TOKEN, WABA)
    assert bench.wire.query(1)["after"] == "x&access_token=y#"
    assert "access_token" not in bench.wire.query(1)


# --- fields Meta does not know, outages


def test_an_unknown_field_falls_back_to_the_default_ones() -> None:
    bench = Bench(error(100), says({"id": WABA, "name": "Acme"}))
    assert bench.graph.read_waba(TOKEN, WABA).name == "Acme"
    assert "fields" in bench.wire.query(0)
    assert "fields" not in bench.wire.query(1)
    assert bench.wire.query(1)["appsecret_proof"] == bench.wire.query(0)["appsecret_proof"]


def test_the_fallback_keeps_its_place_in_the_pages() -> None:
    bench = Bench(page("1", after="c1"), error(100, 2018), page("2"))
    assert ids_of(bench.graph.read_numbers(TOKEN, WABA)) == ["1", "2"]
    assert bench.wire.query(2)["after"] == "c1"


@pytest.mark.parametrize(
    "answer", [error(100, 33), error(190, 463, 401), error(10, status=403), error(3), says({}, 404)]
)
def test_a_real_refusal_is_not_asked_twice(answer: httpx.Response) -> None:
    bench = Bench(answer)
    with pytest.raises(Permanent):
        bench.graph.read_waba(TOKEN, WABA)
    assert len(bench.wire.requests) == 1


@pytest.mark.parametrize("body", [b"<html>Not here</html>", b"", b'{"error": {"co', b"[]"])
def test_a_refusal_that_cannot_be_read_is_no_answer(body: bytes) -> None:
    with pytest.raises(Ambiguous):
        Bench(httpx.Response(400, content=body)).graph.exchange(CODE)
    with pytest.raises(Transient):
        Bench(*[httpx.Response(404, content=body)] * 2).graph.read_waba(TOKEN, WABA)


def test_a_proof_that_meta_refuses_is_our_configuration_and_no_unknown_field() -> None:
    bench = Bench(error(100, message="(#100) Invalid appsecret_proof provided in the API argument"))
    with pytest.raises(Permanent) as raised:
        bench.graph.read_waba(TOKEN, WABA)
    assert raised.value.code == "meta_configuration"
    assert len(bench.wire.requests) == 1


def test_a_subcode_that_only_begins_like_a_refusal_falls_back() -> None:
    bench = Bench(error(100, 3301), says({"id": WABA}))
    assert bench.graph.read_waba(TOKEN, WABA).id == WABA


@pytest.mark.parametrize(
    "trouble", [httpx.ReadTimeout("no"), httpx.ConnectError("no"), error(2), httpx.Response(503)]
)
def test_a_read_is_tried_twice(trouble: httpx.Response | Exception) -> None:
    bench = Bench(trouble, says({"id": WABA}))
    assert bench.graph.read_waba(TOKEN, WABA).id == WABA
    assert bench.clock.sleeps == list(READ_PAUSES)


def test_a_read_that_fails_twice_fails() -> None:
    bench = Bench(httpx.ReadTimeout("no"), httpx.ReadTimeout("no"))
    with pytest.raises(Transient):
        bench.graph.business_of(TOKEN)


def test_a_throttled_read_stops_when_meta_asks_for_a_long_rest() -> None:
    bench = Bench(says({}, 429, {"Retry-After": "60"}))
    with pytest.raises(Throttled):
        bench.graph.business_of(TOKEN)
    assert bench.clock.sleeps == []


# --- a secret that was rotated


WRONG_SECRET = "Error validating client secret."


def rotated(*answers: Answer) -> Bench:
    """A graph whose secret a second reading changes."""
    secrets = ["old"]

    def renew() -> bool:
        secrets.append("new")
        return len(secrets) == 2

    bench = Bench(*answers)
    bench.graph = replace(bench.graph, app_secret=Credential(lambda: secrets[-1], renew))
    return bench


def test_a_refused_secret_is_read_anew_and_the_code_is_exchanged_with_it() -> None:
    bench = rotated(error(1, message=WRONG_SECRET), says({"access_token": TOKEN}))
    assert bench.graph.exchange(CODE) == TOKEN
    assert [bench.wire.form(index)[1][1] for index in (0, 1)] == ["old", "new"]


def test_a_secret_that_is_refused_twice_is_our_operators_matter() -> None:
    bench = rotated(error(1, message=WRONG_SECRET), error(1, message=WRONG_SECRET))
    with pytest.raises(Permanent, match="meta_configuration"):
        bench.graph.exchange(CODE)


def test_a_token_is_inspected_and_read_with_a_rotated_secret() -> None:
    bench = rotated(error(190), debug())
    with suppress(UpstreamError):
        bench.graph.inspect(TOKEN)
    assert bench.wire.requests[1].headers["authorization"] == f"Bearer {APP_ID}|new"
    bench = rotated(error(100, message="Invalid appsecret_proof"), says({"client_business_id": "3001"}))
    assert bench.graph.business_of(TOKEN) == "3001"


def test_a_refusal_of_the_code_itself_reads_no_secret() -> None:
    bench = rotated(error(100, 36007))
    with pytest.raises(Permanent):
        bench.graph.exchange(CODE)
    assert bench.graph.app_secret.value() == "old"
