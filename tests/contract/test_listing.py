import base64
from datetime import timedelta

import pytest

from onramp.domain.signup import Signup
from onramp.domain.states import SignupStatus
from tests.contract.conftest import Stores
from tests.contract.examples import HOSTILE, signup


def fill(stores: Stores, count: int, tenant: str = "acme", prefix: str = "s") -> list[str]:
    """Signups in the order of a list: newest first. Several begin in the same millisecond."""
    ids = []
    for index in range(count):
        name = f"{prefix}{index:04d}"
        stores.signups.create_signup(signup(name, tenant, now=stores.clock.now()), None)
        if index % 3 == 0:
            stores.clock.advance(timedelta(milliseconds=1))
        ids.append(name)
    return ids[::-1]


def walk(stores: Stores, tenant: str, status: str | None, limit: int) -> list[list[Signup]]:
    """Every page there is."""
    pages = []
    cursor = None
    while True:
        page = stores.signups.list_signups(tenant, status, cursor, limit)
        pages.append(list(page.signups))
        if page.cursor is None:
            return pages
        cursor = page.cursor


def ids_of(pages: list[list[Signup]]) -> list[str]:
    return [found.id for page in pages for found in page]


@pytest.mark.parametrize("limit", [1, 2, 5, 10, 11, 100])
def test_a_walk_sees_every_signup_once_newest_first(stores: Stores, limit: int) -> None:
    expected = fill(stores, 10)
    pages = walk(stores, "acme", None, limit)
    assert ids_of(pages) == expected
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


def test_an_unknown_tenant_has_an_empty_list(stores: Stores) -> None:
    fill(stores, 2)
    page = stores.signups.list_signups("bravo", None, None, 10)
    assert (list(page.signups), page.cursor) == ([], None)


def test_tenants_see_only_their_own(stores: Stores) -> None:
    for index, tenant in enumerate(HOSTILE):
        stores.signups.create_signup(signup(f"s{index}", tenant), None)
    for index, tenant in enumerate(HOSTILE):
        assert ids_of(walk(stores, tenant, None, 10)) == [f"s{index}"]


def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(stores: Stores) -> None:
    fill(stores, 4, "acme", "a")
    fill(stores, 4, "bravo", "b")
    foreign = stores.signups.list_signups("bravo", None, None, 2).cursor
    page = stores.signups.list_signups("acme", None, foreign, 10)
    assert {found.tenant for found in page.signups} == {"acme"}


def test_signups_made_during_a_walk_do_not_disturb_it(stores: Stores) -> None:
    expected = fill(stores, 4)
    first = stores.signups.list_signups("acme", None, None, 2)
    fill(stores, 3, prefix="new")
    second = stores.signups.list_signups("acme", None, first.cursor, 2)
    assert [found.id for found in (*first.signups, *second.signups)] == expected


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "ä",
        "YWJj",
        "a",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"2031-05-06T07:08:09.123Z").decode(),
        base64.urlsafe_b64encode(b"2031-05-06T07:08:09.123Z#").decode(),
        base64.urlsafe_b64encode(b"x2031-05-06T07:08:09.123Z#s1").decode(),
        "\ud800",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(stores: Stores, cursor: str) -> None:
    fill(stores, 1)
    with pytest.raises(ValueError):  # noqa: PT011 - the port promises no more
        stores.signups.list_signups("acme", None, cursor, 10)


def test_a_status_is_the_one_of_now(stores: Stores) -> None:
    stored = signup("open")
    stored.waba = None
    stored.numbers = []
    stores.signups.create_signup(stored, None)
    assert ids_of(walk(stores, "acme", SignupStatus.OPEN, 10)) == ["open"]
    stores.clock.advance(timedelta(hours=25))
    assert ids_of(walk(stores, "acme", SignupStatus.OPEN, 10)) == []
    assert ids_of(walk(stores, "acme", SignupStatus.EXPIRED, 10)) == ["open"]


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
def test_a_filtered_walk_sees_every_match(
    stores: Stores, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onramp.adapters.dynamo_signups._PAGE", 3)
    expected: list[str] = []
    for index in range(20):
        made = signup(f"s{index:04d}", now=stores.clock.advance(timedelta(seconds=1)))
        if index % 5 == 0:
            made.numbers[0].wanted = True
            expected.insert(0, made.id)
        stores.signups.create_signup(made, None)
    pages = walk(stores, "acme", "onboarding", limit)
    assert ids_of(pages) == expected
    assert all(page for page in pages)
    assert ids_of(walk(stores, "acme", "nonsense", limit)) == []


def test_a_rare_status_is_searched_in_bounded_steps(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onramp.adapters.dynamo_signups._PAGE", 4)
    for module in ("onramp.adapters.dynamo_signups", "tests.fakes"):
        monkeypatch.setattr(f"{module}.MOST_LOOKED_AT", 6)
    oldest = signup("oldest", now=stores.clock.now())
    oldest.numbers[0].wanted = True
    stores.signups.create_signup(oldest, None)
    stores.clock.advance(timedelta(seconds=1))
    fill(stores, 14)
    pages = walk(stores, "acme", "onboarding", 5)
    assert [len(page) for page in pages] == [0, 0, 1]
    assert ids_of(pages) == ["oldest"]
