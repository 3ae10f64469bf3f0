from collections.abc import Iterator

import httpx
import pytest

from local.simulators import ManualClock, Settings, SyncRunner, build
from local.simulators.app import Seams, Simulators


@pytest.fixture
def simulators() -> Simulators:
    clock = ManualClock()
    settings = Settings(app_secret="a", partner_key="b", platform_secret="c", seed=1)
    return build(settings, seams=Seams(now=clock, sleep=clock.sleep))


@pytest.fixture
def runner() -> Iterator[SyncRunner]:
    with SyncRunner() as made:
        yield made


def test_a_synchronous_client_can_use_them(simulators: Simulators, runner: SyncRunner) -> None:
    with httpx.Client(transport=runner.transport(simulators.dialog), base_url="http://dialog.test") as client:
        body = {"name": "n", "email": "e@example.com", "user_name": "u"}
        path = "/api/v2/partners/localPA/account_sharing/clients"
        assert client.post(path, json=body, headers={"x-api-key": "b"}).json()["id"].endswith("CL")
        client.post("/admin/faults", json={"kind": "timeout_after", "match": {"path": "clients"}})
        with pytest.raises(httpx.ReadTimeout):
            client.post(path, json=body, headers={"x-api-key": "b"})
    assert len(simulators.hub.clients) == 2


def test_time_moves_only_by_hand(simulators: Simulators, runner: SyncRunner) -> None:
    before = simulators.now()
    runner.run(simulators.advance(5))
    assert simulators.now() == before + 5


def test_a_real_clock_cannot_be_moved(runner: SyncRunner) -> None:
    made = build(Settings(app_secret="a", partner_key="b", platform_secret="c"))
    with pytest.raises(TypeError):
        runner.run(made.advance(1))
