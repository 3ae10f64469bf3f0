import json

import httpx
import pytest

from tests.simulators.harness import Bench

pytestmark = pytest.mark.anyio

CLIENTS = "/account_sharing/clients$"


def made(bench: Bench) -> int:
    return len(bench.simulators.hub.clients)


@pytest.mark.parametrize(("kind", "clients"), [("error_before", 0), ("error_after", 1)])
async def test_an_error_comes_before_or_after_the_work(bench: Bench, kind: str, clients: int) -> None:
    await bench.fault(kind, CLIENTS, status=503)
    answer = await bench.new_client()
    assert answer.status_code == 503
    assert answer.json()["meta"]["http_code"] == 503
    assert made(bench) == clients


async def test_an_unanswered_call_has_done_its_work(bench: Bench) -> None:
    await bench.fault("timeout_after", CLIENTS)
    with pytest.raises(httpx.ReadTimeout):
        await bench.new_client()
    assert made(bench) == 1


async def test_a_body_can_be_cut(bench: Bench) -> None:
    await bench.fault("cut_body", CLIENTS)
    with pytest.raises(httpx.RemoteProtocolError):
        await bench.new_client()
    assert made(bench) == 1


async def test_a_body_can_be_no_json(bench: Bench) -> None:
    await bench.fault("invalid_json", CLIENTS)
    answer = await bench.new_client()
    assert answer.status_code == 201
    with pytest.raises(UnicodeDecodeError):
        answer.json()


async def test_a_gateway_can_answer_html(bench: Bench) -> None:
    await bench.fault("html", CLIENTS)
    answer = await bench.new_client()
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert made(bench) == 0
    await bench.fault("html", CLIENTS, after=True)
    assert (await bench.new_client()).status_code == 201
    assert made(bench) == 1


async def test_a_content_type_can_be_wrong(bench: Bench) -> None:
    await bench.fault("wrong_content_type", CLIENTS)
    answer = await bench.new_client()
    assert answer.headers["content-type"].startswith("text/plain")
    assert json.loads(answer.text)["id"]


async def test_a_redirect_leads_into_the_trap(bench: Bench) -> None:
    await bench.fault("redirect", CLIENTS, status=307)
    answer = await bench.new_client()
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{bench.simulators.urls.dialog}/trap/redirect"


async def test_throttling_says_when_to_come_back(bench: Bench) -> None:
    await bench.fault("throttle", CLIENTS, retry_after=17)
    answer = await bench.new_client()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "17"


async def test_a_delay_goes_with_another_fault(bench: Bench) -> None:
    await bench.fault("delay", CLIENTS, seconds=8)
    await bench.fault("error_after", CLIENTS)
    before = bench.clock()
    assert (await bench.new_client()).status_code == 500
    assert bench.clock() - before == 8


async def test_a_fault_waits_its_turn_and_ends(bench: Bench) -> None:
    await bench.fault("error_before", CLIENTS, skip=1, times=2)
    assert [(await bench.new_client()).status_code for _ in range(4)] == [201, 500, 500, 201]


async def test_a_fault_meets_only_what_it_names(bench: Bench) -> None:
    await bench.fault("error_before", CLIENTS, times=None)
    assert (await bench.partner("GET", "/clients")).status_code == 200
    assert (await bench.new_client()).status_code == 500
    await bench.dialog.delete("/admin/faults")
    assert (await bench.new_client()).status_code == 201


async def test_a_probability_is_repeatable() -> None:
    runs = []
    for _ in range(2):
        async with Bench(seed=3) as bench:
            await bench.fault("error_before", CLIENTS, times=None, probability=0.5)
            runs.append([(await bench.new_client()).status_code for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {201, 500}


async def test_a_misspelt_fault_is_refused(bench: Bench) -> None:
    for record in (
        {"kind": "eror_before"},
        {"kind": "html", "tims": 1},
        {"kind": "html", "match": {"path": "("}},
    ):
        assert (await bench.dialog.post("/admin/faults", json=record)).status_code == 422
    assert (await bench.new_client()).status_code == 201


async def test_reset_puts_everything_back(bench: Bench) -> None:
    await bench.live_channel()
    await bench.option(client_pays=True)
    await bench.fault("html", CLIENTS)
    await bench.dialog.post("/admin/reset")
    state = await bench.state()
    assert [state[name] for name in ("clients", "channels", "faults", "deliveries", "requests")] == [[]] * 5
    assert state["options"]["client_pays"] is False
    assert (await bench.meta.get("/admin/customers")).json() == {"customers": []}
