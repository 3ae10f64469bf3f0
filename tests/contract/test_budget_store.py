from datetime import timedelta

from tests.contract.conftest import Stores

WINDOW = timedelta(seconds=31)


def test_five_calls_start_and_the_sixth_waits(stores: Stores) -> None:
    budget = stores.budget("partner")
    now = stores.clock.now()
    assert [budget.take(f"job{index}", now) for index in range(5)] == [None] * 5
    assert budget.take("job5", now) == now + WINDOW
    assert budget.take("job5", now) == now + WINDOW
    assert budget.take("job5", now + WINDOW) is None


def test_partners_have_budgets_of_their_own(stores: Stores) -> None:
    now = stores.clock.now()
    for name in ("partner", "part#ner", "part%23ner"):
        budget = stores.budget(name)
        assert [budget.take("job", now) for _ in range(5)] == [None] * 5


def test_two_of_one_partner_share_the_budget(stores: Stores) -> None:
    now = stores.clock.now()
    first, second = stores.budget("partner"), stores.budget("partner")
    for index in range(5):
        assert (first, second)[index % 2].take(f"job{index}", now) is None
    assert second.take("job5", now) is not None


def test_spare_calls_leave_one_free(stores: Stores) -> None:
    budget = stores.budget("partner")
    now = stores.clock.now()
    assert [budget.take_spare(now) for _ in range(4)] == [None] * 4
    later = budget.take_spare(now)
    assert later is not None
    assert later > now
    assert budget.take("live", now) is None


def test_a_pause_holds_for_everybody(stores: Stores) -> None:
    budget = stores.budget("partner")
    now = stores.clock.now()
    budget.push_back(now, 12.5)
    assert budget.take("job", now) == now + timedelta(seconds=12.5)
    assert budget.take_spare(now) is not None
    assert budget.take("job", now + timedelta(seconds=12.5)) is None


def test_job_names_may_be_anything(stores: Stores) -> None:
    budget = stores.budget("partner")
    now = stores.clock.now()
    names = ["event/" + "🙂" * 200, "event/" + "🙂" * 201, "a/b", "\ud800" * 100]
    for index in range(5):
        budget.take(f"first{index}", now)
    for name in names:
        assert budget.take(name, now) == now + WINDOW
    assert [budget.take(name, now + WINDOW) for name in names] == [None] * 4
