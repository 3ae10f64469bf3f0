"""A link's life, and what is one of its tokens."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import LONGEST_LINK_DAYS
from onramp.adapters.memory import START, ManualClock
from onramp.adapters.system import SystemClock
from onramp.domain.facts import FactType
from onramp.domain.link import LINGER, LONGEST, MOST_SECRETS, Link, LinkStatus, digest_of, read_token

SECRET = "s" * 43
OTHER = "o" * 43
VISIT = "visit-0123456789"
STRANGER = "visit-9876543210"
END = START + timedelta(days=7)
WORDS = st.text("abcXYZ019-_", min_size=16, max_size=128)


def link() -> Link:
    made = Link(id="l1", tenant="acme", signup_id="s1", reference="r", created_at=START, expires_at=END)
    made.add_secret(SECRET)
    return made


# --- tokens


@given(st.text("abc019", min_size=1, max_size=64), st.text("aZ0-_", min_size=43, max_size=43), WORDS)
def test_what_is_put_together_is_read_again(link_id: str, secret: str, visit: str) -> None:
    assert read_token(f"{link_id}.{secret}.{visit}") == (link_id, secret, visit)


@given(st.text() | st.text(".aA0-_%\n\x00 é", max_size=300))
def test_any_text_is_a_token_in_three_parts_or_none(sent: str) -> None:
    token = read_token(sent)
    assert token is None or ".".join(token) == sent


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "..",
        f"l1.{SECRET}",
        f"l1.{SECRET}.",
        f"l1.{SECRET}.short",
        f"l1.{SECRET[:-1]}.{VISIT}",
        f"l1.{SECRET}s.{VISIT}",
        f"l1.{SECRET}.{VISIT}\n",
        f" l1.{SECRET}.{VISIT}",
        f"l#1.{SECRET}.{VISIT}",
        f"l1.{SECRET}.{VISIT}.more-and-more-and-more",
        f"l1.{SECRET}.{'v' * 129}",
        "l" * 100_000,
    ],
)
def test_what_is_no_token_is_none(sent: str | None) -> None:
    assert read_token(sent) is None


def test_secrets_of_both_clocks_fit_a_token_and_differ() -> None:
    for clock in (SystemClock(), ManualClock()):
        made = {clock.new_secret() for _ in range(50)}
        assert len(made) == 50
        assert all(read_token(f"{clock.new_id()}.{secret}.{VISIT}") for secret in made)


# --- the life


def test_only_its_own_secrets_are_known_and_none_is_kept() -> None:
    made = link()
    assert made.knows(SECRET)
    assert not made.knows(OTHER)
    assert not made.knows(digest_of(SECRET))
    made.spend(VISIT, START)
    text = made.model_dump_json()
    assert not [value for value in (SECRET, VISIT) if value in text]


def test_the_first_secrets_stay_when_there_are_many() -> None:
    made = link()
    secrets = [f"{index:043d}" for index in range(9)]
    for secret in secrets:
        made.add_secret(secret)
    assert len(made.secrets) == MOST_SECRETS
    assert made.knows(SECRET)
    assert [made.knows(secret) for secret in secrets] == [True] * 3 + [False] * 5 + [True]


def test_an_open_link_lets_every_visit_in_until_its_end() -> None:
    made = link()
    for visit in (VISIT, STRANGER):
        assert made.refusal(visit, END - timedelta(seconds=1)) is None
        assert made.refusal(visit, END) == "link_expired"
    assert made.status(END) is LinkStatus.EXPIRED


def test_a_used_link_is_one_visits_also_beyond_its_end() -> None:
    made = link()
    made.spend(VISIT, START)
    for now in (START, END + timedelta(days=1)):
        assert made.refusal(VISIT, now) is None
        assert made.refusal(STRANGER, now) == "link_used"
        assert made.status(now) is LinkStatus.USED
    made.spend(STRANGER, END)
    assert made.refusal(STRANGER, END) == "link_used"
    assert made.used_at == START


def test_a_link_that_was_used_without_a_visit_lets_nobody_in() -> None:
    made = link()
    made.spend(None, START)
    assert made.refusal(VISIT, START) == "link_used"
    assert made.refusal("", START) == "link_used"


@pytest.mark.parametrize("used", [False, True])
def test_a_revoked_link_lets_nobody_in(used: bool) -> None:
    made = link()
    if used:
        made.spend(VISIT, START)
    made.revoke(START)
    made.revoke(END)
    assert made.refusal(VISIT, START) == "link_revoked"
    assert made.revoked_at == START
    assert [fact.type for fact in made.told].count(FactType.SIGNUP_LINK_REVOKED) == 1


def test_an_expired_link_is_not_revoked() -> None:
    made = link()
    made.revoke(END)
    assert (made.revoked_at, made.told) == (None, [])


def test_a_link_is_forgotten_some_time_after_its_end() -> None:
    assert link().forgotten_at == END + LINGER
    assert LONGEST.days == LONGEST_LINK_DAYS


def test_its_facts_belong_to_its_signup_and_name_it() -> None:
    made = link()
    made.made()
    made.spend(VISIT, START)
    made.revoke(START)
    assert {(fact.subject, fact.tenant, fact.reference, fact.detail["link_id"]) for fact in made.told} == {
        ("s1", "acme", "r", "l1")
    }
    assert all(before.at <= after.at for before, after in pairwise(made.told))
