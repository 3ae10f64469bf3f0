"""`channels.*`, `keys.*` and `budget.*` at the operator's desk: what is asked, and what is answered."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from onramp.domain.errors import Problem, PutOff
from onramp.domain.partner_events import Channel
from onramp.domain.states import Progress
from onramp.inbound.desk.table import COMMANDS
from onramp.usecases.census import work_on_census
from tests.unit.usecases.bench import Bench

type Json = dict[str, Any]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ask(bench: Bench, name: str, **arguments: Any) -> Json:
    """As the function does it; what is answered is JSON."""
    command = COMMANDS[name]
    asked = command.arguments.model_validate_json(json.dumps(arguments))
    answer: Json = json.loads(json.dumps(command.run(bench.ports, asked)))
    return answer


def channels(bench: Bench, amount: int = 1) -> None:
    bench.partner.channels = [
        Channel(
            id=f"c{index}",
            external_id=f"1000{index}",
            waba_id="20011",
            digits=f"4915110{index}",
            client_id="7CL",
            progress=Progress.LIVE,
            billed=True,
            phone=f"+49 151 10{index}",
            name="Bakery",
        )
        for index in range(amount)
    ]


def adopt(bench: Bench, **arguments: Any) -> Json:
    given = {"dry_run": False, "rest": {"tenant": "acme", "reference": "r"}}
    return ask(bench, "channels.adopt", **{**given, **arguments})


def test_a_page_of_channels_says_what_each_is_to_us(bench: Bench) -> None:
    channels(bench)
    bench.partner.page_size = 1
    [unknown] = ask(bench, "channels.list")["items"]
    assert (unknown["channel_id"], unknown["ours"], unknown["orphan"], unknown["number"]) == (
        "c0",
        "unknown",
        True,
        None,
    )
    adopt(bench)
    [known] = ask(bench, "channels.list")["items"]
    assert (known["ours"], known["orphan"], known["phone_number"]) == ("known", False, "+49 151 100")
    assert known["number"] == {
        "phone_number_id": "10000",
        "tenant": "acme",
        "status": "live",
        "rests": True,
    }


def test_pages_lead_to_each_other(bench: Bench) -> None:
    channels(bench, 3)
    bench.partner.page_size = 2
    first = ask(bench, "channels.list")
    second = ask(bench, "channels.list", cursor=first["cursor"])
    assert [item["channel_id"] for page in (first, second) for item in page["items"]] == ["c0", "c1", "c2"]
    assert (first["cursor"], second["cursor"]) == ("2", None)


def test_an_adoption_answers_what_became_of_each_channel(bench: Bench) -> None:
    channels(bench, 2)
    bench.partner.channels.append(Channel(id="c9", dead=True))
    answer = adopt(bench, channels={"c1": {"tenant": "other"}})
    assert [(item["channel_id"], item["verdict"], item["why"]) for item in answer["items"]] == [
        ("c0", "adopted", None),
        ("c1", "contradicts", "client_of_other_tenant"),
        ("c9", "ended", None),
    ]
    assert answer["items"][0]["rests"] is True
    assert answer["cursor"] is None
    assert bench.number("10000").reference == "r"


def test_a_dry_run_writes_nothing(bench: Bench) -> None:
    channels(bench)
    assert adopt(bench, dry_run=True)["items"][0]["verdict"] == "adopted"
    assert adopt(bench, dry_run=True)["items"][0]["verdict"] == "adopted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"dry_run": "no"},
        {"rest": {"tenant": ""}},
        {"rest": {"tenant": "a\nb"}},
        {"rest": {"tenant": "a", "key": "x"}},
        {"channels": {"c1": {"tenant": "a", "phone_number_id": "abc"}}},
        {"channels": {"": {"tenant": "a"}}},
        {"cursor": "-1"},
        {"cursor": "x"},
        {"more": 1},
    ],
)
def test_what_makes_no_sense_is_refused(bench: Bench, wrong: Json) -> None:
    with pytest.raises(ValidationError):
        adopt(bench, **wrong)


def test_clients_are_found_by_email(bench: Bench) -> None:
    made = bench.partner.create_client("A", "ann@example.com", "A", lambda: None)
    found = ask(bench, "channels.clients", emails=["Ann@example.com"])
    assert found == {"items": [{"email": "Ann@example.com", "client_id": made}], "cursor": None}


def test_the_census_is_shown_and_woken(bench: Bench) -> None:
    channels(bench)
    assert ask(bench, "channels.census", wake=False)["whole_since"] is None
    assert bench.queue.censuses == []
    work_on_census(bench.ports)
    found = ask(bench, "channels.census")
    assert (found["channels"], found["unknown"], found["unknown_count"]) == (1, ["c0"], 1)
    assert (found["woken"], found["under_way"]) == (True, False)
    assert found["not_before"] > found["ended_at"]


def test_a_key_is_asked_for_by_number_or_channel(bench: Bench) -> None:
    channels(bench)
    adopt(bench)
    asked = ask(bench, "keys.rotate", channel_id="c0")
    assert (asked["phone_number_id"], asked["rests"], asked["under_way"]) == ("10000", False, True)
    bench.work("10000")
    shown = ask(bench, "keys.show", phone_number_id="10000")
    assert (shown["status"], shown["under_way"]) == ("connected", False)
    assert shown["made_at"]
    proof = ask(bench, "keys.check", channel_id="c0")
    assert (proof["key"], proof["webhook"]) == ("alive", "ours")
    assert bench.partner.keys[0] not in json.dumps([asked, shown, proof])


@pytest.mark.parametrize("arguments", [{}, {"channel_id": "c0", "phone_number_id": "10000"}])
def test_one_key_is_named(bench: Bench, arguments: Json) -> None:
    with pytest.raises(ValidationError):
        ask(bench, "keys.show", **arguments)


@pytest.mark.parametrize("arguments", [{"channel_id": "c0"}, {"phone_number_id": "10000"}])
def test_the_key_of_nobody_is_not_there(bench: Bench, arguments: Json) -> None:
    with pytest.raises(Problem, match="not_found"):
        ask(bench, "keys.rotate", **arguments)


def test_a_spare_key_waits_while_live_signups_need_the_budget() -> None:
    bench = Bench(calls=5)
    channels(bench)
    adopt(bench)
    ask(bench, "channels.list")
    with pytest.raises(PutOff):
        ask(bench, "keys.rotate", channel_id="c0", spare=True)
    assert bench.number("10000").rests
    bench.wait(31)
    ask(bench, "keys.rotate", channel_id="c0", spare=True)
    assert not bench.number("10000").rests


def test_the_budget_says_what_is_free_and_how_long_it_takes() -> None:
    bench = Bench(calls=5)
    shown = ask(bench, "budget.show", calls=3)
    assert shown == {
        "calls": 5,
        "window_seconds": 30.0,
        "free_calls": 5,
        "free_in_seconds": 0.0,
        "spare_calls": 2,
        "spare_in_seconds": 0.0,
        "lasts_seconds": 30.8,
        "pages": 1,
    }
    channels(bench, 3)
    work_on_census(bench.ports)
    assert ask(bench, "budget.show", times=2)["pages"] == 1
