"""Options of the simulators, and how everything is put back."""

import pytest

from tests.simulators.harness import Bench

pytestmark = pytest.mark.anyio


async def test_options_are_put_back_to_those_that_a_run_starts_with(bench: Bench) -> None:
    await bench.option(stop_at="ready", words="upper", budget_calls=3)
    await bench.meta.patch("/admin/options", json={"sdk": "blocked", "sdk_delay_seconds": 4})
    for server in (bench.dialog, bench.meta):
        state = (await server.get("/admin/state")).json()
        assert state["options"] != state["usual_options"]
        assert (await server.delete("/admin/options")).json() == state["usual_options"]
        state = (await server.get("/admin/state")).json()
        assert state["options"] == state["usual_options"]


async def test_the_budget_shows_what_its_window_holds_now(bench: Bench) -> None:
    await bench.option(budget_calls=5, budget_window_seconds=30)
    for _ in range(2):
        await bench.partner("GET", "/channels")
    assert (await bench.state())["budget"]["in_window"] == 2
    bench.clock.move_to(bench.clock() + 29)
    await bench.partner("GET", "/channels")
    assert (await bench.state())["budget"]["in_window"] == 3
    bench.clock.move_to(bench.clock() + 2)
    assert (await bench.state())["budget"]["in_window"] == 1
