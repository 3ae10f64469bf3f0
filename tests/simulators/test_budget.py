import pytest

from local.simulators.traffic import Budget
from tests.simulators.harness import Bench

pytestmark = pytest.mark.anyio


async def status(bench: Bench) -> int:
    return (await bench.partner("GET", "/clients")).status_code


async def test_the_budget_holds_in_every_sliding_window() -> None:
    async with Bench(budget_calls=5) as bench:
        bench.clock.advance(28)
        assert [await status(bench) for _ in range(5)] == [200] * 5
        # A fixed window would have begun anew by now.
        bench.clock.advance(4)
        refused = await bench.partner("GET", "/clients")
        assert refused.status_code == 429
        assert refused.json()["meta"]["http_code"] == 429
        assert "retry-after" not in refused.headers
        bench.clock.advance(25.9)
        assert await status(bench) == 429
        bench.clock.advance(0.1)
        assert [await status(bench) for _ in range(6)] == [200] * 5 + [429]
        budget = (await bench.state())["budget"]
        assert budget["refused"] == 3
        assert budget["max_in_any_window"] == 8


async def test_retry_after_can_be_sent_and_is_right() -> None:
    async with Bench(budget_calls=1) as bench:
        await bench.option(retry_after_header=True)
        assert await status(bench) == 200
        bench.clock.advance(10.5)
        refused = await bench.partner("GET", "/clients")
        assert refused.headers["retry-after"] == "20"
        bench.clock.advance(20)
        assert await status(bench) == 200


async def test_a_refused_call_does_no_work_and_faulty_calls_count() -> None:
    async with Bench(budget_calls=2) as bench:
        await bench.fault("error_before", "clients", times=2)
        assert [(await bench.new_client()).status_code for _ in range(3)] == [500, 500, 429]
        assert bench.simulators.hub.clients == {}


async def test_messaging_and_admin_cost_nothing() -> None:
    async with Bench(budget_calls=1) as bench:
        await bench.messaging("GET", "/v1/configs/webhook", "none")
        await bench.state()
        assert await status(bench) == 200


async def test_a_full_window_apart_is_apart() -> None:
    budget = Budget()
    starts = (0.0, 10.0, 20.0, 30.0, 40.0)
    admitted = [budget.admit(at, calls=3, window=30.0, count_refused=False) for at in starts]
    assert admitted == [None] * 5
    assert budget.most_in_any_window(30.0) == 3
    assert budget.most_in_any_window(30.1) == 4


async def test_refused_calls_can_prolong_the_block() -> None:
    async with Bench(budget_calls=1) as bench:
        await bench.option(budget_counts_refused=True)
        answers = []
        for _ in range(3):
            answers.append(await status(bench))
            bench.clock.advance(20)
        assert answers == [200, 429, 429]
