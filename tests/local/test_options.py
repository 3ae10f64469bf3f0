import argparse

import pytest

from local.options import RunOptions, add_arguments, from_arguments
from local.run import Upstreams, function_environment


def parsed(*words: str) -> RunOptions:
    parser = argparse.ArgumentParser()
    parser.add_argument("--numbers", default=1)
    add_arguments(parser)
    return from_arguments(parser.parse_args(words))


def upstreams() -> Upstreams:
    return Upstreams(
        graph="http://g",
        meta_admin="http://g",
        partner="http://p",
        messaging="http://m",
        issuer="http://i",
        simulated={},
    )


def test_what_is_not_given_keeps_its_default() -> None:
    options = parsed()
    assert options.graph_base_url is None
    assert options.partner_id == "localPA"
    assert options.budget_calls is None


def test_each_run_has_secrets_of_its_own_and_does_not_show_them() -> None:
    one, two = parsed(), parsed()
    assert one.partner_key != two.partner_key
    assert one.partner_key not in repr(one)


def test_what_is_given_is_taken_and_a_slash_at_the_end_goes() -> None:
    options = parsed("--graph-base-url", "http://127.0.0.1:1/", "--api-port", "4566", "--partner-id", "abPA")
    assert (options.graph_base_url, options.api_port, options.partner_id) == (
        "http://127.0.0.1:1",
        4566,
        "abPA",
    )


def test_an_issuer_is_taken_to_the_letter() -> None:
    assert parsed("--jwt-issuer", "https://id.example/").jwt_issuer == "https://id.example/"


def test_functions_get_the_addresses_and_only_the_limits_that_were_given() -> None:
    environment = function_environment(parsed("--budget-calls", "7"), upstreams())
    assert environment["GRAPH_BASE_URL"] == "http://g"
    assert environment["PARTNER_BUDGET_CALLS"] == "7"
    assert "RETRY_SCHEDULE_SECONDS" not in environment


def test_pages_of_ones_own_may_call_by_their_origins() -> None:
    options = parsed("--origin", "http://localhost:3000/", "--origin", "HTTPS://Shop.example:443")
    assert options.allowed_origins == ("http://localhost:3000", "https://shop.example")
    assert parsed().allowed_origins == ()


@pytest.mark.parametrize(
    "text",
    ["shop.example", "https://shop.example/signup", "ftp://shop.example", "https://", "*", "https://a b"],
)
def test_what_is_no_origin_is_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--origin", text)
    assert "https://shop.example or http://localhost:3000" in capsys.readouterr().err
