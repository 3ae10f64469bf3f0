"""360dialog's Partner API: few calls, each through the gate, and no key for a stranger."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest

from onramp.adapters.partner_api import FARTHEST, PAGE, PartnerApi
from onramp.adapters.upstream import Credential
from onramp.domain.errors import Ambiguous, Permanent, PutOff, Transient
from onramp.domain.states import Progress
from onramp.ports.upstreams import NewKey, RemoteClient, Submission
from tests.canary import CHANNEL_KEY, PARTNER_KEY
from tests.unit.wire import Answer, Wire, says

BASE = "https://hub.example/api/v2"
MESSAGING = "https://waba-v2.360dialog.io"
ROOT = "/api/v2/partners/localPA"


@dataclass
class Gate:
    """Counts how often it was passed; shut, it raises."""

    passed: int = 0
    open_for: int = 1_000

    def __call__(self) -> None:
        if self.passed >= self.open_for:
            raise PutOff(datetime(2031, 1, 1, tzinfo=UTC), "budget")
        self.passed += 1


@dataclass
class Bench:
    """The Partner API on a wire, and a gate."""

    wire: Wire
    gate: Gate = field(default_factory=Gate)
    messaging_url: str = MESSAGING

    @property
    def api(self) -> PartnerApi:
        return PartnerApi(
            client=self.wire.client,
            base_url=BASE,
            partner_id="localPA",
            partner_key=Credential(lambda: PARTNER_KEY),
            solution_id="123456789012345",
            messaging_url=self.messaging_url,
        )


def bench(*answers: Answer, open_for: int = 1_000, messaging_url: str = MESSAGING) -> Bench:
    return Bench(Wire(*answers), Gate(open_for=open_for), messaging_url)


def client(client_id: str, email: str | None = None, created: str | None = None) -> dict[str, object]:
    return {"id": client_id, "contact_info": {"email": email}, "created_at": created}


def clients(*listed: object, total: object = None) -> httpx.Response:
    return says(
        {"clients": list(listed), "count": len(listed), "total": len(listed) if total is None else total}
    )


def others(count: int, start: int = 0) -> list[dict[str, object]]:
    return [client(f"c{number}CL", f"c{number}@x.example") for number in range(start, start + count)]


SUBMISSION = Submission(
    waba_id="102290129340398",
    business_id="55",
    client_id="abcCL",
    plan_tier="premium",
    phone_number_id="1066",
)

CALLS: dict[str, Callable[[PartnerApi, Gate], object]] = {
    "list_clients": lambda api, gate: api.list_clients(0, gate),
    "read_client": lambda api, gate: api.read_client("oneCL", gate),
    "create_client": lambda api, gate: api.create_client("A", "a@b.example", "U", gate),
    "submit_number": lambda api, gate: api.submit_number(SUBMISSION, gate),
    "list_channels": lambda api, gate: api.list_channels({}, 0, gate),
    "read_channel": lambda api, gate: api.read_channel("oneCH", gate),
    "make_key": lambda api, gate: api.make_key("oneCH", gate),
    "set_cancellation": lambda api, gate: api.set_cancellation("oneCL", "oneCH", gate, wanted=True),
    "reactivate": lambda api, gate: api.reactivate("oneCL", "oneCH", gate),
}


# --- the gate and the key


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_sent_when_the_gate_is_shut(name: str) -> None:
    shut = bench(open_for=0)
    with pytest.raises(PutOff):
        CALLS[name](shut.api, shut.gate)
    assert shut.wire.requests == []


@pytest.mark.parametrize("name", CALLS)
def test_each_request_passes_the_gate_right_before_it_is_sent(name: str) -> None:
    passed: list[int] = []
    one = bench()

    def answer(_: httpx.Request) -> httpx.Response:
        passed.append(one.gate.passed)
        return says({"clients": [], "partner_channels": [], "id": "x", "api_key": "k"})

    one.wire.answers.append(answer)
    CALLS[name](one.api, one.gate)
    assert passed == [1]
    assert one.gate.passed == len(one.wire.requests) == 1


@pytest.mark.parametrize("name", CALLS)
def test_the_key_goes_in_its_header_only(name: str) -> None:
    one = bench(says({"clients": [], "partner_channels": [], "id": "x", "api_key": "k"}))
    CALLS[name](one.api, one.gate)
    request = one.wire.requests[0]
    assert request.headers["x-api-key"] == PARTNER_KEY
    assert "authorization" not in request.headers
    assert PARTNER_KEY not in str(request.url) + request.content.decode()


def test_no_slot_is_used_up_when_our_own_key_cannot_be_read() -> None:
    one = bench()
    gate = Gate()

    def broken() -> str:
        raise RuntimeError

    api = replace(one.api, partner_key=Credential(broken))
    with pytest.raises(RuntimeError):
        api.read_channel("oneCH", gate)
    assert gate.passed == 0


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("no"), says({}, 500), says([], 200)])
def test_a_lost_answer_is_ambiguous_only_where_something_may_have_changed(
    answer: httpx.Response | Exception,
) -> None:
    with pytest.raises(Ambiguous):
        CALLS["create_client"](bench(answer).api, Gate())
    with pytest.raises(Transient):
        CALLS["list_clients"](bench(answer).api, Gate())


# --- clients


def test_a_page_of_clients_is_one_call_without_a_filter() -> None:
    one = bench(clients(client("meCL", "a@b.example", "2025-03-01T00:00:00+00:00")))
    page = one.api.list_clients(0, one.gate)
    assert page.items == (RemoteClient("meCL", frozenset({"a@b.example"}), datetime(2025, 3, 1, tzinfo=UTC)),)
    assert page.next_offset is None
    assert one.wire.paths() == [f"GET {ROOT}/clients"]
    assert one.wire.query(0) == {"limit": str(PAGE), "offset": "0"}


def test_the_email_is_sent_as_it_is_and_not_compared() -> None:
    one = bench(clients(client("otherCL", "c@d.example")))
    page = one.api.list_clients(400, one.gate, email="o'Neill+1@B.example")
    assert [found.id for found in page.items] == ["otherCL"]
    assert json.loads(one.wire.query(0)["filters"]) == {"contact_info.email": "o'Neill+1@B.example"}
    assert one.wire.query(0)["offset"] == "400"


def test_a_clients_emails_are_those_of_both_places_in_the_form_in_which_they_are_compared() -> None:
    listed = [
        {"id": "oneCL", "contact_info": {"email": " A@B.Example"}, "contact_user": {"email": "c@D.example"}},
        {"id": "twoCL", "contact_user": {"email": "a@b.EXAMPLE"}},
        {"id": "threeCL", "contact_info": {"email": ""}},
    ]
    one = bench(clients(*listed))
    assert [(found.id, found.emails) for found in one.api.list_clients(0, one.gate).items] == [
        ("oneCL", {"a@b.example", "c@d.example"}),
        ("twoCL", {"a@b.example"}),
        ("threeCL", frozenset()),
    ]


ODD: list[object] = [
    None,
    "a@b.example",
    7,
    [],
    {},
    {"id": None},
    {"id": {"a": 1}},
    {"id": True},
    {"id": "x" * 201},
    {"contact_info": {"email": "a@b.example"}},
]
HALF = {"id": "halfCL", "contact_info": "\ud800", "contact_user": ["x"], "created_at": "yesterday \udfff"}


def test_one_bad_client_harms_no_neighbour() -> None:
    content = json.dumps(
        {"clients": [*ODD, HALF, client("meCL", "a@b.example")], "total": len(ODD) + 2}
    ).encode()
    one = bench(httpx.Response(200, content=content))
    page = one.api.list_clients(0, one.gate)
    assert [(found.id, found.emails, found.created_at) for found in page.items] == [
        ("halfCL", frozenset(), None),
        ("meCL", {"a@b.example"}, None),
    ]
    assert page.next_offset is None


def test_one_bad_channel_harms_no_neighbour() -> None:
    odd = [*ODD, {"id": "oddCH", "setup_info": 3, "waba_account": "x", "status": [], "created_at": {}}]
    one = bench(says({"partner_channels": [*odd, {"id": "goodCH", "client_id": "aCL"}], "total": 300}))
    page = one.api.list_channels({}, 0, one.gate)
    assert [channel.id for channel in page.items] == ["oddCH", "goodCH"]
    assert page.next_offset == len(odd) + 1


@pytest.mark.parametrize(
    ("offset", "count", "answer", "following"),
    [
        (0, 3, {"total": 3}, None),
        (0, 3, {"total": 4}, 3),
        (200, 100, {"total": 300}, None),
        (200, 100, {"total": 301}, 300),
        # A server that gives less than was asked for goes on where it stopped.
        (0, 20, {"total": 50, "limit": 20}, 20),
        # Whatever the total says: an empty page is the last.
        (400, 0, {"total": 10**9}, None),
        (0, 0, {}, None),
        # Fewer than have been read.
        (400, 200, {"total": 0}, None),
        # Nobody says how many there are.
        (0, PAGE, {}, PAGE),
        (0, PAGE - 1, {}, None),
        (0, PAGE, {"total": None}, PAGE),
        (0, PAGE, {"total": "9000"}, PAGE),
        (0, PAGE, {"total": True}, PAGE),
        (0, PAGE, {"total": -1}, PAGE),
        (0, PAGE, {"total": 1.5}, PAGE),
        (0, PAGE, {"total": {"a": 1}}, PAGE),
        (0, 50, {"limit": 50}, 50),
        (0, 50, {"limit": 0}, None),
        (0, 50, {"limit": "50"}, None),
        # A list without an end is none.
        (FARTHEST - PAGE, PAGE, {"total": 10**9}, None),
        (FARTHEST - PAGE, PAGE, {}, None),
    ],
)
def test_the_next_page_begins_farther_on_or_there_is_none(
    offset: int, count: int, answer: dict[str, object], following: int | None
) -> None:
    one = bench(says({"clients": others(count)} | answer), says({"partner_channels": others(count)} | answer))
    assert one.api.list_clients(offset, one.gate).next_offset == following
    assert one.api.list_channels({}, offset, one.gate).next_offset == following
    assert one.wire.query(0)["offset"] == str(offset)


def test_a_list_that_is_null_is_empty() -> None:
    one = bench(says({"clients": None, "total": 0}), says({"partner_channels": None, "total": 900}))
    clients_page, channels_page = one.api.list_clients(0, one.gate), one.api.list_channels({}, 0, one.gate)
    assert (tuple(clients_page.items), clients_page.next_offset) == ((), None)
    assert (tuple(channels_page.items), channels_page.next_offset) == ((), None)


@pytest.mark.parametrize(
    "answer", [{}, [], "x", {"clients": {"id": "x"}}, {"clients": "x"}, {"clients": 0}, {"total": 0}]
)
def test_a_list_that_is_none_is_not_taken_for_an_empty_one(answer: object) -> None:
    one = bench(says(answer))
    with pytest.raises(Transient):
        one.api.list_clients(0, one.gate)


# --- one client


def test_a_client_is_asked_for_by_its_id() -> None:
    one = bench(clients(client("meCL", "A@b.example")))
    found = one.api.read_client("meCL", one.gate)
    assert found == RemoteClient("meCL", frozenset({"a@b.example"}), None)
    assert json.loads(one.wire.query(0)["filters"]) == {"id": "meCL"}
    assert one.wire.query(0)["offset"] == "0"


@pytest.mark.parametrize(
    "listed", [[], [client("otherCL")], [client("MECL"), {"id": None}, "meCL", client("meCL2")]]
)
def test_a_client_that_is_not_listed_is_none(listed: list[object]) -> None:
    assert bench(clients(*listed)).api.read_client("meCL", Gate()) is None


def test_a_filter_that_is_ignored_does_not_hide_a_client() -> None:
    found = bench(clients(*others(5), client("meCL"))).api.read_client("meCL", Gate())
    assert found is not None
    with pytest.raises(Transient):
        bench(clients(*others(PAGE), total=900)).api.read_client("meCL", Gate())


@pytest.mark.parametrize("member", ["id", "client_id"])
def test_a_new_client_has_its_id_under_either_name(member: str) -> None:
    one = bench(says({member: "newCL", "created_at": "2026-01-01"}))
    assert one.api.create_client("Acme", "a@b.example", "Ann", one.gate) == "newCL"
    assert one.wire.paths() == [f"POST {ROOT}/account_sharing/clients"]
    assert one.wire.body(0) == {"name": "Acme", "email": "a@b.example", "user_name": "Ann"}


@pytest.mark.parametrize("answer", [{}, [], {"id": ""}, {"id": None}, {"id": ["x"]}])
def test_a_created_client_without_an_id_is_ambiguous(answer: object) -> None:
    one = bench(says(answer))
    with pytest.raises(Ambiguous):
        one.api.create_client("Acme", "a@b.example", "Ann", one.gate)


# --- submission


def test_a_submission_has_exactly_these_fields() -> None:
    one = bench(says({"waba_external_id": "102290129340398"}))
    one.api.submit_number(SUBMISSION, one.gate)
    assert one.wire.paths() == [f"POST {ROOT}/account_sharing/numbers"]
    assert one.wire.body(0) == {
        "solution_id": "123456789012345",
        "waba_external_id": "102290129340398",
        "client_id": "abcCL",
        "waba_business_id": "55",
        "tier": "premium",
        "channel_external_id": "1066",
    }


def test_an_unknown_business_is_left_out() -> None:
    one = bench(says({}))
    one.api.submit_number(
        Submission(waba_id="1", business_id=None, client_id="aCL", plan_tier="basic", phone_number_id="2"),
        one.gate,
    )
    assert one.wire.body(0) == {
        "solution_id": "123456789012345",
        "waba_external_id": "1",
        "client_id": "aCL",
        "tier": "basic",
        "channel_external_id": "2",
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"solution_id": "1"},
        {
            "id": "CMD0",
            "name": "event",
            "status": "created",
            "topic": "domain-events",
            "value": {"payload": {}},
        },
        [],
    ],
)
def test_both_documented_answers_to_a_submission_mean_accepted(answer: object) -> None:
    one = bench(says(answer))
    one.api.submit_number(SUBMISSION, one.gate)


# --- channels


def channels(*ids: str, total: int | None = None) -> httpx.Response:
    listed = [{"id": channel, "setup_info": {"phone_number": "+1 55"}, "status": "live"} for channel in ids]
    return says({"partner_channels": listed, "total": len(ids) if total is None else total})


@pytest.mark.parametrize(
    "filters", [{"client_id": "abcCL"}, {"external_id": "1066"}, {"setup_info.phone_number": "+1 55"}]
)
def test_a_page_of_channels_by_a_filter(filters: dict[str, str]) -> None:
    one = bench(channels("aCH", "bCH", total=5))
    page = one.api.list_channels(filters, 2, one.gate)
    assert [(channel.id, channel.digits, channel.progress) for channel in page.items] == [
        ("aCH", "155", Progress.LIVE),
        ("bCH", "155", Progress.LIVE),
    ]
    assert page.next_offset == 4
    assert one.wire.paths() == [f"GET {ROOT}/channels"]
    assert json.loads(one.wire.query(0)["filters"]) == filters
    assert (one.wire.query(0)["offset"], one.wire.query(0)["limit"]) == ("2", str(PAGE))


def test_all_channels_are_asked_for_without_a_filter() -> None:
    one = bench(channels("aCH"))
    assert [channel.id for channel in one.api.list_channels({}, 0, one.gate).items] == ["aCH"]
    assert "filters" not in one.wire.query(0)


def test_one_channel() -> None:
    one = bench(says({"id": "aCH", "waba_account": {"id": "xWA", "external_id": "102"}}))
    channel = one.api.read_channel("aCH", one.gate)
    assert (channel.id, channel.waba_id) == ("aCH", "102")
    assert one.wire.paths() == [f"GET {ROOT}/channels/aCH"]


@pytest.mark.parametrize("answer", [[], "x", {}, {"setup_info": "x", "waba_account": 3}])
def test_a_channel_nobody_can_read_is_empty(answer: object) -> None:
    channel = bench(says(answer)).api.read_channel("aCH", Gate())
    assert (channel.id, channel.waba_id, channel.digits) == (None, None, "")


@pytest.mark.parametrize("name", ["a/b", "a?b=c", "a#b", "../clients", "a%2Fb", "ä b"])
def test_an_id_stays_one_part_of_the_path(name: str) -> None:
    one = bench(says({}), says({"api_key": "k"}))
    one.api.read_channel(name, one.gate)
    one.api.make_key(name, one.gate)
    for path, parts in zip(one.wire.paths(), (6, 7), strict=True):
        assert path.partition(" ")[2].startswith(f"{ROOT}/channels/")
        assert path.count("/") == parts
        assert "?" not in path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_an_id_that_leads_elsewhere_is_no_channel(name: str) -> None:
    one = bench()
    for call in (one.api.read_channel, one.api.make_key):
        with pytest.raises(Permanent) as raised:
            call(name, one.gate)
        assert raised.value.code == "channel_missing"
    assert one.gate.passed == 0


# --- a channel's end


@pytest.mark.parametrize("wanted", [True, False])
def test_an_end_is_asked_for_and_taken_back_under_client_and_channel(wanted: bool) -> None:
    one = bench(says({"id": "aCH"}))
    one.api.set_cancellation("aCL", "aCH", one.gate, wanted=wanted)
    assert one.wire.paths() == [f"POST {ROOT}/clients/aCL/channels/aCH/control/cancellation_request"]
    assert one.wire.body(0) == {"enabled": wanted}


def test_the_other_way_to_take_an_end_back_has_a_path_of_its_own() -> None:
    one = bench(says({"id": "aCH"}))
    one.api.reactivate("aCL", "aCH", one.gate)
    assert one.wire.paths() == [f"POST {ROOT}/clients/aCL/channels/aCH/control/reactivate"]
    assert one.wire.body(0) == {}


@pytest.mark.parametrize("name", ["set_cancellation", "reactivate"])
@pytest.mark.parametrize("answer", [says({}), says([]), says(None), says("ok"), httpx.Response(204)])
def test_any_success_means_that_the_end_was_taken_note_of(name: str, answer: httpx.Response) -> None:
    one = bench(answer)
    CALLS[name](one.api, one.gate)
    assert len(one.wire.requests) == 1


@pytest.mark.parametrize("name", ["set_cancellation", "reactivate"])
def test_an_answer_about_an_end_that_was_lost_is_ambiguous(name: str) -> None:
    for answer in (httpx.ReadTimeout("no"), says({}, 500), says({}, 408)):
        with pytest.raises(Ambiguous):
            CALLS[name](bench(answer).api, Gate())


@pytest.mark.parametrize(
    ("wanted", "code"), [(True, "cancellation_rejected"), (False, "reactivation_rejected")]
)
def test_a_refusal_says_which_of_the_two_was_refused(wanted: bool, code: str) -> None:
    with pytest.raises(Permanent) as raised:
        bench(says({}, 404)).api.set_cancellation("aCL", "aCH", Gate(), wanted=wanted)
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["a/b", "a?b=c", "a#b", "../x", "a%2Fb", "ä b"])
def test_client_and_channel_stay_parts_of_the_path(name: str) -> None:
    one = bench(says({}), says({}))
    one.api.set_cancellation(name, name, one.gate, wanted=True)
    one.api.reactivate(name, name, one.gate)
    for path in one.wire.paths():
        assert path.partition(" ")[2].startswith(f"{ROOT}/clients/")
        assert path.count("/") == ROOT.count("/") + 6
        assert "?" not in path


@pytest.mark.parametrize("names", [("", "aCH"), ("aCL", ""), ("..", "aCH"), ("aCL", ".")])
def test_an_end_without_a_client_or_a_channel_is_never_sent(names: tuple[str, str]) -> None:
    one = bench()
    client_id, channel_id = names
    with pytest.raises(Permanent):
        one.api.set_cancellation(client_id, channel_id, one.gate, wanted=True)
    with pytest.raises(Permanent):
        one.api.reactivate(client_id, channel_id, one.gate)
    assert one.gate.passed == 0


# --- keys


def test_a_key_is_made_with_an_empty_body() -> None:
    one = bench(says({"id": "k1", "address": MESSAGING, "api_key": CHANNEL_KEY, "app_id": "x"}, 201))
    assert one.api.make_key("aCH", one.gate) == NewKey(api_key=CHANNEL_KEY, address=MESSAGING)
    assert one.wire.paths() == [f"POST {ROOT}/channels/aCH/api_keys"]
    assert one.wire.body(0) == {}


def test_the_older_answer_lists_keys_and_the_last_counts() -> None:
    listed = [{"api_key": "dead"}, {"api_key": CHANNEL_KEY, "address": "https://eu.360dialog.io"}]
    one = bench(says({"api_keys": listed}, 201))
    assert one.api.make_key("aCH", one.gate) == NewKey(CHANNEL_KEY, "https://eu.360dialog.io")


@pytest.mark.parametrize(
    "answer", [{}, [], {"api_key": ""}, {"api_key": {}}, {"api_keys": []}, {"api_keys": [None]}]
)
def test_an_answer_without_a_key_is_ambiguous(answer: object) -> None:
    with pytest.raises(Ambiguous):
        bench(says(answer, 201)).api.make_key("aCH", Gate())


@pytest.mark.parametrize(
    ("answered", "address"),
    [
        ("https://waba-v2.360dialog.io/", "https://waba-v2.360dialog.io"),
        ("https://a.b-c.360dialog.io/v2", "https://a.b-c.360dialog.io/v2"),
        (None, MESSAGING),
        ("", MESSAGING),
        (7, MESSAGING),
        (["https://x.360dialog.io"], MESSAGING),
        ("http://waba-v2.360dialog.io", MESSAGING),
        ("https://waba-v2.360dialog.io:8443", "https://waba-v2.360dialog.io:8443"),
        ("https://eu.360dialog.io:8443", MESSAGING),
        ("https://evil.example", MESSAGING),
        ("https://360dialog.io.evil.example", MESSAGING),
        ("https://evil360dialog.io", MESSAGING),
        ("https://evil.example/.360dialog.io", MESSAGING),
        ("https://evil.example?.360dialog.io", MESSAGING),
        ("https://evil.example#.360dialog.io", MESSAGING),
        ("https://evil.example\\.360dialog.io", MESSAGING),
        ("https://evil.example\\@x.360dialog.io", MESSAGING),
        ("https://user:pass@x.360dialog.io", MESSAGING),
        ("https://x.360dialog.io/?a=b", MESSAGING),
        ("https://x.360dialog.io/../y", MESSAGING),
        ("https://x.360dialog.io:99999", MESSAGING),
        ("https://x.360dialog.io:port", MESSAGING),
        ("https://.360dialog.io", MESSAGING),
        ("https://[::1", MESSAGING),
        ("https://x.360dialog.io\r\nX: y", MESSAGING),
        ("https://e\u200bvil.360dialog.io", MESSAGING),
        ("http://127.0.0.1:8080", MESSAGING),
        ("http://169.254.169.254", MESSAGING),
        ("//x.360dialog.io", MESSAGING),
        ("ftp://x.360dialog.io", MESSAGING),
    ],
)
def test_a_key_goes_to_no_stranger(answered: object, address: str) -> None:
    one = bench(says({"api_key": CHANNEL_KEY, "address": answered}, 201))
    assert one.api.make_key("aCH", one.gate).address == address


@pytest.mark.parametrize(
    ("answered", "address"),
    [
        ("http://localhost:9002/messaging", "http://localhost:9002/messaging"),
        ("http://127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("http://127.0.0.1:9001.evil.example", "http://127.0.0.1:9001/messaging"),
        ("http://evil.example", "http://127.0.0.1:9001/messaging"),
    ],
)
def test_the_local_run_has_its_own_host(answered: str, address: str) -> None:
    one = bench(
        says({"api_key": CHANNEL_KEY, "address": answered}, 201),
        messaging_url="http://127.0.0.1:9001/messaging",
    )
    assert one.api.make_key("aCH", one.gate).address == address


# --- a key that was rotated


def rotating(one: Bench, *, changes: bool) -> PartnerApi:
    """The API with a key that a second reading changes, or does not."""
    keys = ["old"]

    def renew() -> bool:
        keys.append("new" if changes else "old")
        return changes and len(keys) == 2

    return replace(one.api, partner_key=Credential(lambda: keys[-1], renew))


def test_a_refused_key_is_read_anew_and_the_call_made_once_more_in_a_slot_of_its_own() -> None:
    one = bench(says({}, 401), clients())
    rotating(one, changes=True).list_clients(0, one.gate)
    assert [request.headers["x-api-key"] for request in one.wire.requests] == ["old", "new"]
    assert one.gate.passed == 2


def test_a_key_that_has_not_changed_is_refused_for_good() -> None:
    one = bench(says({}, 401))
    with pytest.raises(Permanent, match="partner_configuration"):
        rotating(one, changes=False).submit_number(SUBMISSION, one.gate)


def test_a_new_key_that_is_refused_too_is_not_read_again() -> None:
    one = bench(says({}, 401), says({}, 401))
    with pytest.raises(Permanent, match="partner_configuration"):
        rotating(one, changes=True).make_key("oneCH", one.gate)
    assert one.gate.passed == 2


def test_the_key_before_it_is_the_third_and_last_that_is_tried() -> None:
    keys, told = ["old"], list[str]()

    def renew() -> bool:
        keys.append(f"another-{len(keys)}")
        return True

    key = Credential(lambda: keys[-1], renew, lambda: told.append(keys[-1]))
    one = bench(says({}, 401), says({}, 401), clients())
    replace(one.api, partner_key=key).list_clients(0, one.gate)
    assert [request.headers["x-api-key"] for request in one.wire.requests] == keys
    assert (told, one.gate.passed) == (["another-2"], 3)
    one = bench(says({}, 401), says({}, 401), says({}, 401))
    with pytest.raises(Permanent, match="partner_configuration"):
        replace(one.api, partner_key=key).list_clients(0, one.gate)
    assert (told, one.gate.passed) == (["another-2"], 3)


def test_a_refusal_of_what_was_asked_accepts_the_key() -> None:
    told = list[str]()
    one = bench(says({}, 404))
    api = replace(one.api, partner_key=Credential(lambda: "k", lambda: True, lambda: told.append("k")))
    with pytest.raises(Permanent, match="channel_missing"):
        api.read_channel("oneCH", one.gate)
    assert told == ["k"]


def test_no_other_refusal_makes_the_key_be_read_anew() -> None:
    one = bench(says({}, 403))
    with pytest.raises(Permanent, match="partner_configuration"):
        rotating(one, changes=True).list_clients(0, one.gate)
