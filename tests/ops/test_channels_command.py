"""`onramp channels`: lists, the census, and adoption with its file, its dry run and its question."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ops.commands import mapping
from ops.commands.mapping import Rows
from ops.desk import Refused
from ops.stage.configuration import UnusableError
from tests.ops.conftest import AtDesk

type Json = dict[str, Any]

BUDGET: Json = {
    "calls": 5,
    "window_seconds": 30.0,
    "free_calls": 5,
    "spare_calls": 2,
    "spare_in_seconds": 0.0,
    "lasts_seconds": 62.0,
    "pages": 5,
}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits in these tests."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@pytest.fixture
def operator(at_desk: AtDesk) -> AtDesk:
    at_desk.answers["budget.show"] = lambda _: BUDGET
    return at_desk


def channel(name: str, ours: str = "known", **more: Any) -> Json:
    number = {"phone_number_id": "10001", "tenant": "acme", "status": "live", "rests": True}
    return {
        "channel_id": name,
        "client_id": "7CL",
        "waba_id": "20011",
        "phone_number_id": "10001",
        "phone_number": "+49 151 1",
        "name": "Bakery",
        "progress": "live",
        "billed": True,
        "ours": ours,
        "orphan": ours == "unknown",
        "number": number if ours == "known" else None,
        **more,
    }


def judged(name: str, verdict: str = "adopted", **more: Any) -> Json:
    return {
        "channel_id": name,
        "client_id": "7CL",
        "phone_number": "+49 151 1",
        "name": "Bakery",
        "verdict": verdict,
        "why": None,
        "tenant": "acme",
        "phone_number_id": f"1000{name[-1]}",
        "rests": verdict in {"adopted", "known"},
        **more,
    }


# -- lists -------------------------------------------------------------------------------------------------


def test_channels_are_listed_page_by_page_and_what_it_costs_is_said_before(operator: AtDesk) -> None:
    operator.answers["channels.list"] = [
        {"items": [channel("c1")], "cursor": "200"},
        {"items": [channel("c2", "unknown")], "cursor": None},
    ]
    assert operator.run("channels", "list") == 0
    assert [line.split()[0] for line in operator.out.splitlines()] == ["channel", "c1", "c2"]
    assert operator.err.splitlines()[0] == (
        "partner calls: 5, about 1 min at the budget of 5 in 30 s; 2 spare calls now"
    )
    assert [name for name, _ in operator.asked] == ["budget.show", "channels.list", "channels.list"]
    assert operator.asked[-1] == ("channels.list", {"cursor": "200"})


@pytest.mark.parametrize(("only", "shown"), [("known", ["c1"]), ("unknown", ["c2"]), ("ended", ["c3"])])
def test_only_some_of_them(operator: AtDesk, only: str, shown: list[str]) -> None:
    items = [channel("c1"), channel("c2", "unknown"), channel("c3", "ended")]
    operator.answers["channels.list"] = {"items": items, "cursor": None}
    assert operator.run("channels", "list", "--only", only, "--json") == 0
    assert [item["channel_id"] for item in operator.result()["items"]] == shown


def test_orphans_are_those_that_are_billed_and_nobodys(operator: AtDesk) -> None:
    items = [channel("c1"), channel("c2", "unknown"), channel("c3", "unknown", orphan=False)]
    operator.answers["channels.list"] = {"items": items, "cursor": None}
    assert operator.run("channels", "orphans", "--json") == 0
    assert [item["channel_id"] for item in operator.result()["items"]] == ["c2"]


def test_no_orphan_is_no_failure(operator: AtDesk) -> None:
    operator.answers["channels.list"] = {"items": [], "cursor": None}
    assert operator.run("channels", "orphans") == 0
    assert "every channel that is billed is a number of this stage" in operator.out


def test_the_census_is_woken_and_the_last_one_shown(operator: AtDesk) -> None:
    found = {"woken": True, "not_before": "2100-11-27T04:10:00.000Z", "channels": 7, "unknown": []}
    operator.answers["channels.census"] = found
    assert operator.run("channels", "census", "--json") == 0
    assert operator.result()["channels"] == 7
    assert "begins at 2100-11-27T04:10:00.000Z at the earliest" in operator.err
    operator.answers["channels.census"] = {**found, "woken": False}
    assert operator.run("channels", "census", "--no-wake") == 0
    assert operator.asked[-1] == ("channels.census", {"wake": False})


def test_a_census_that_may_begin_at_once_is_not_put_off_by_a_word(operator: AtDesk) -> None:
    found = {"woken": True, "not_before": "2020-11-27T04:10:00.000Z", "channels": 7}
    operator.answers["channels.census"] = found
    assert operator.run("channels", "census") == 0
    assert "at the earliest" not in operator.err


def test_a_call_that_has_to_wait_comes_again_and_says_so(operator: AtDesk, slept: list[float]) -> None:
    busy = Refused({"code": "unavailable", "detail": "wait", "retryable": True, "retry_after": 31})
    operator.answers["channels.list"] = [busy, {"items": [channel("c1")], "cursor": None}]
    assert operator.run("channels", "list") == 0
    assert slept == [31.5]
    assert "live signups go first: waits 31 s" in operator.err


def test_waiting_has_an_end(operator: AtDesk) -> None:
    busy = Refused({"code": "unavailable", "detail": "wait", "retryable": True, "retry_after": 600})
    operator.answers["channels.list"] = lambda _: busy
    assert operator.run("channels", "list") == 1
    assert "half an hour" in operator.err


def test_what_is_refused_without_a_time_is_not_tried_again(operator: AtDesk) -> None:
    operator.answers["channels.list"] = Refused({"code": "unavailable", "detail": "360dialog did not do it"})
    assert operator.run("channels", "list") == 1


# -- adoption ----------------------------------------------------------------------------------------------


def adopting(operator: AtDesk, *items: Json) -> None:
    operator.answers["channels.adopt"] = lambda _: {"items": list(items), "cursor": None}


def dry_runs(operator: AtDesk) -> list[bool]:
    return [asked["dry_run"] for name, asked in operator.asked if name == "channels.adopt"]


def test_it_says_what_would_be_done_asks_and_does_it(operator: AtDesk) -> None:
    adopting(operator, judged("c1"), judged("c2", "known"))
    operator.person = True
    assert operator.run("channels", "adopt", "--tenant", "acme", "--reference", "r", given="dev\n") == 0
    assert dry_runs(operator) == [True, False]
    assert operator.asked[-1][1]["rest"] == {"tenant": "acme", "reference": "r"}
    assert "1 channels become numbers of this stage" in operator.err
    assert "1 are taken in" in operator.out


def test_a_no_is_a_no(operator: AtDesk) -> None:
    adopting(operator, judged("c1"))
    operator.person = True
    assert operator.run("channels", "adopt", "--tenant", "acme", given="no\n") == 2
    assert dry_runs(operator) == [True]


def test_a_dry_run_does_not_ask(operator: AtDesk) -> None:
    adopting(operator, judged("c1"))
    assert operator.run("channels", "adopt", "--tenant", "acme", "--dry-run", "--json") == 0
    result = operator.result()
    assert (result["dry_run"], result["counts"], len(result["items"])) == (True, {"adopted": 1}, 1)
    assert dry_runs(operator) == [True]


def test_when_there_is_nothing_to_do_nobody_is_asked(operator: AtDesk) -> None:
    adopting(operator, judged("c1", "known"))
    assert operator.run("channels", "adopt", "--tenant", "acme") == 0
    assert dry_runs(operator) == [True]


def test_what_cannot_be_taken_in_is_named_with_the_reason(operator: AtDesk) -> None:
    adopting(
        operator,
        judged("c1", "incomplete", why="no_phone_number_id"),
        judged("c2", "needs_tenant"),
        judged("c3", "contradicts", why="client_of_other_tenant"),
    )
    assert operator.run("channels", "adopt", "--tenant", "acme", "--yes") == 1
    assert "c1 of client 7CL: incomplete, no phone_number_id of Meta's" in operator.out
    assert "c2 of client 7CL: needs_tenant, are nobody's here" in operator.out
    assert "c3 of client 7CL: contradicts, the client belongs to another tenant here" in operator.out


@pytest.mark.parametrize("arguments", [(), ("--reference", "r"), ("none.csv",)])
def test_without_saying_whose_they_are_it_does_not_begin(
    operator: AtDesk, arguments: tuple[str, ...]
) -> None:
    assert operator.run("channels", "adopt", *arguments) == 2
    assert operator.asked == []


def test_emails_are_looked_up_at_360dialog_and_never_sent_on(operator: AtDesk, tmp_path: Path) -> None:
    file = tmp_path / "whose.csv"
    file.write_text("email,client_id,tenant\nann@example.com,,a\nbob@example.com,,b\n,7CL,c\n")
    adopting(operator)
    operator.answers["channels.clients"] = [
        {"items": [{"email": "ann@example.com", "client_id": "8CL"}], "cursor": "200"},
        {"items": [], "cursor": None},
    ]
    assert operator.run("channels", "adopt", str(file), "--dry-run") == 0
    assert operator.asked[-1][1]["clients"] == {"8CL": {"tenant": "a"}, "7CL": {"tenant": "c"}}
    assert "1 of the emails are no client's at 360dialog" in operator.err
    assert "example.com" not in json.dumps(operator.asked[-1])


# -- with keys ---------------------------------------------------------------------------------------------


def keyed(operator: AtDesk, **failures: str) -> None:
    """Keys that are there once they were asked for."""
    asked: set[str] = set()

    def rotate(given: Json) -> Json:
        asked.add(given["phone_number_id"])
        return {}

    def show(given: Json) -> Json:
        name = given["phone_number_id"]
        failure = failures.get(f"n{name}")
        made = "2026-11-27T04:00:00.000Z" if name in asked and failure is None else None
        return {
            "phone_number_id": name,
            "made_at": made,
            "failure": failure if name in asked else None,
            "under_way": False,
            "status": "connected",
        }

    operator.answers |= {"keys.rotate": rotate, "keys.show": show}


def test_keys_are_made_one_after_the_other_with_spare_calls_for_those_that_rest(operator: AtDesk) -> None:
    adopting(operator, judged("c1"), judged("c2", "known"), judged("c3", "known", rests=False))
    keyed(operator)
    operator.person = True
    assert operator.run("channels", "adopt", "--tenant", "acme", "--keys", given="dev\n") == 0
    assert "2 keys are made anew: the keys in use now die" in operator.err
    rotated = [asked for name, asked in operator.asked if name == "keys.rotate"]
    assert rotated == [{"phone_number_id": name, "spare": True} for name in ("10001", "10002")]
    assert "2 keys are made" in operator.out


def test_a_key_that_cannot_be_made_holds_up_none(operator: AtDesk) -> None:
    adopting(operator, judged("c1"), judged("c2"))
    keyed(operator, n10001="permission_missing")
    assert operator.run("channels", "adopt", "--tenant", "acme", "--keys", "--yes", "--json") == 1
    assert operator.result()["keys"] == {
        "made": ["10002"],
        "failed": [{"phone_number_id": "10001", "why": "permission_missing"}],
    }


def test_another_tenants_number_gets_no_key(operator: AtDesk) -> None:
    adopting(operator, judged("c1", "known", tenant="other"))
    keyed(operator)
    assert operator.run("channels", "adopt", "--tenant", "acme", "--keys") == 0
    assert [name for name, _ in operator.asked] == ["budget.show", "channels.adopt", "budget.show"]


# -- onramp keys -------------------------------------------------------------------------------------------


def test_a_rotation_asks_first_and_waits_until_the_new_key_is_proved(operator: AtDesk) -> None:
    there = {"phone_number_id": "10001", "channel_id": "c1", "failure": None, "status": "connected"}
    operator.answers["keys.show"] = [
        {**there, "made_at": "1", "under_way": False},
        {**there, "made_at": "1", "under_way": True},
        {**there, "made_at": "2", "under_way": True},
        {**there, "made_at": "2", "under_way": False},
    ]
    operator.answers["keys.rotate"] = {}
    operator.person = True
    assert operator.run("keys", "rotate", "10001", given="dev\n") == 0
    assert "the key of channel c1 is made anew" in operator.err
    assert "partner calls: 1" in operator.err
    assert ("keys.rotate", {"phone_number_id": "10001"}) in operator.asked


def test_a_rotation_that_brings_no_key_says_so(operator: AtDesk) -> None:
    there = {"phone_number_id": "10001", "channel_id": "c1", "failure": None, "made_at": "1"}
    operator.answers["keys.show"] = lambda _: {**there, "under_way": False}
    operator.answers["keys.rotate"] = {}
    assert operator.run("keys", "rotate", "c1CH", "--yes") == 1
    assert "the one before stays" in operator.err
    assert operator.asked[0] == ("keys.show", {"channel_id": "c1CH"})


def test_a_rotation_need_not_be_waited_for(operator: AtDesk) -> None:
    operator.answers["keys.show"] = {"phone_number_id": "10001", "channel_id": "c1", "made_at": None}
    operator.answers["keys.rotate"] = {"phone_number_id": "10001", "under_way": True}
    assert operator.run("keys", "rotate", "10001", "--yes", "--no-wait", "--json") == 0
    assert operator.result()["under_way"] is True


@pytest.mark.parametrize(
    ("key", "webhook", "status"),
    [("alive", "ours", 0), ("alive", "elsewhere", 1), ("dead", "unknown", 1), ("none", "unknown", 1)],
)
def test_a_check_ends_well_only_when_key_and_webhook_are_right(
    operator: AtDesk, key: str, webhook: str, status: int
) -> None:
    operator.answers["keys.check"] = {"key": key, "webhook": webhook}
    assert operator.run("keys", "check", "10001") == status
    assert "partner calls" not in operator.err


# -- the file ----------------------------------------------------------------------------------------------


def rows(tmp_path: Path, text: str, name: str = "whose.csv") -> Rows:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return mapping.read(file)


def test_a_csv_file_says_whose_they_are(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        "\ufeffchannel_id;client_id;email;tenant;reference;phone_number_id\n"
        "c1;;;a;order 1;10001\n;7CL;;b;;\n;;ann@example.com; c ;;\n",
    )
    assert read.channels == {"c1": {"tenant": "a", "reference": "order 1", "phone_number_id": "10001"}}
    assert read.clients == {"7CL": {"tenant": "b"}}
    assert read.emails == {"ann@example.com": {"tenant": "c"}}


def test_a_json_file_says_the_same(tmp_path: Path) -> None:
    content = [
        {"channel_id": "c1", "tenant": "a", "phone_number_id": 10001},
        {"client_id": "7CL", "tenant": "b"},
    ]
    read = rows(tmp_path, json.dumps(content), "whose.json")
    assert read.channels == {"c1": {"tenant": "a", "phone_number_id": "10001"}}
    assert read.clients == {"7CL": {"tenant": "b"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("channel,tenant\nc1,a\n", "line 2: channel is none of"),
        ("channel_id,tenant\nc1,\n", "line 2: names no tenant"),
        ("channel_id,client_id,tenant\nc1,7CL,a\n", "line 2: name one of"),
        ("channel_id,tenant\n,a\n", "line 2: name one of"),
        ("channel_id,tenant\nc1,a\nc1,b\n", "line 3: the same channel_id"),
        ("client_id,tenant,phone_number_id\n7CL,a,10001\n", "line 2: phone_number_id"),
        ("channel_id,tenant,phone_number_id\nc1,a,x\n", "line 2: phone_number_id"),
        ("channel_id,tenant\nc1,a,b\n", "line 2: more fields"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UnusableError, match=says):
        rows(tmp_path, text)


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"channel_id": [], "tenant": "a"}]'])
def test_a_json_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnusableError):
        rows(tmp_path, text, "whose.json")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("deep.json", "[" * 100_000, "is not JSON"),
        ("long.csv", "email,tenant\n" + "a" * 200_000 + ",acme\n", "field larger than"),
    ],
)
def test_a_file_that_nobody_can_read_is_told_of(tmp_path: Path, name: str, text: str, says: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UnusableError, match=says):
        mapping.read(file)
