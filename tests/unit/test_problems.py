"""Problems as they go out."""

import pytest

from onramp.domain.errors import PROBLEMS, Problem
from onramp.inbound.problems import content_of

ALWAYS = {"type", "title", "status", "detail", "code", "retryable", "customer_detail", "request_id"}


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_says_what_it_is_and_what_a_customer_may_be_told(code: str) -> None:
    content = content_of(Problem(code, "What happened."), "r1")
    assert set(content) == ALWAYS
    assert (content["code"], content["status"]) == (code, PROBLEMS[code].status)
    assert content["customer_detail"] == PROBLEMS[code].customer


def test_a_thing_of_the_callers_own_that_is_in_the_way_is_a_field() -> None:
    problem = Problem("number_taken", "It is yours.", signup_id="s1", phone_number_id="106")
    content = content_of(problem, "r1")
    assert (content["signup_id"], content["phone_number_id"]) == ("s1", "106")


def test_an_empty_list_of_candidates_is_one() -> None:
    assert content_of(Problem("number_ambiguous", "None.", candidates=[]), "r1")["candidates"] == []


def test_whether_a_repeat_helps_may_depend_on_what_happened() -> None:
    assert content_of(Problem("meta_unavailable", "No.", retryable=False), "r1")["retryable"] is False
