from typing import Any

import httpx
import pytest

from ops.doctor.findings import Level
from tests.ops.conftest import API, ISSUER, Case, values

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
JWKS = f"{ISSUER}/keys"
RSA = {"kid": "1", "kty": "RSA", "use": "sig", "alg": "RS256"}


def publish(case: Case, keys: object, **document: object) -> None:
    case.web.on("GET", DISCOVERY, body={"issuer": ISSUER, "jwks_uri": JWKS, **document})
    case.web.on("GET", JWKS, body={"keys": keys})


@pytest.mark.parametrize(
    ("keys", "level", "told"),
    [
        ([RSA], Level.OK, "1 key "),
        ([RSA, {"kid": "2", "kty": "RSA"}], Level.OK, "2 keys "),
        ([{"kid": "1", "kty": "EC", "alg": "ES256"}], Level.WARN, "ES256 only"),
        ([{**RSA, "kid": None}], Level.FAIL, "of the issuer's 1 keys none"),
        ([{**RSA, "alg": "HS256"}], Level.FAIL, "none"),
        ([{**RSA, "use": "enc"}], Level.FAIL, "none"),
        ([], Level.FAIL, "of the issuer's 0 keys none"),
        ("text", Level.FAIL, "none"),
    ],
)
def test_keys(case: Case, keys: Any, level: Level, told: str) -> None:
    publish(case, keys)
    found = case.find("jwt-issuer")
    assert (found.level, told in found.detail) == (level, True), found


def test_an_issuer_of_another_name(case: Case) -> None:
    publish(case, [RSA], issuer=f"{ISSUER}/")
    found = case.find("jwt-issuer")
    assert found.level is Level.FAIL
    assert f"calls itself '{ISSUER}/'" in found.detail


@pytest.mark.parametrize("jwks", ["http://login.deployer.test/keys", None, "http://127.0.0.1:1/keys"])
def test_keys_without_https(case: Case, jwks: str | None) -> None:
    publish(case, [RSA], jwks_uri=jwks)
    assert "no https address of its keys" in case.find("jwt-issuer").detail


def test_an_issuer_without_https(case: Case) -> None:
    case.configure(api__jwt_issuer="http://login.deployer.test")
    assert "does not use https" in case.find("jwt-issuer").detail
    assert not case.web.requests


def test_no_discovery(case: Case) -> None:
    case.web.on("GET", DISCOVERY, 404)
    assert "cannot be read (404)" in case.find("jwt-issuer").detail
    case.web.answers.clear()
    assert "identity provider cannot be reached" in case.find("jwt-issuer").detail


def test_a_user_pool_of_the_stack(case: Case) -> None:
    case.configure(api__jwt_issuer=None)
    assert "no output UserPoolId" in case.find("jwt-issuer").detail
    case.stage.outputs = {**case.stage.outputs, "UserPoolId": "pool_1"}
    pool = "https://cognito-idp.eu-central-1.amazonaws.com/pool_1"
    case.web.on("GET", f"{pool}/.well-known/openid-configuration", body={"issuer": pool, "jwks_uri": JWKS})
    case.web.on("GET", JWKS, body={"keys": [RSA]})
    assert case.find("jwt-issuer").level is Level.OK


@pytest.mark.parametrize(
    ("origins", "told"),
    [
        ([], "names none"),
        (["*"], "wildcard"),
        (["https://*.deployer.test"], "wildcard"),
        (["http://app.deployer.test"], "does not use https"),
        (["http://127.0.0.1:8080"], "does not use https"),
        (["https://app.deployer.test/"], "more than an origin"),
        (["https://App.deployer.test"], "more than an origin"),
        (["https://u@app.deployer.test"], "more than an origin"),
        (["app.deployer.test"], "is no origin"),
        (["https://app.deployer.test:port"], "is no origin"),
        (["https://app.example.com"], "example.toml"),
        (
            ["https://app.deployer.test", "http://b.deployer.test"],
            "'http://b.deployer.test' does not use https",
        ),
    ],
)
def test_origins(case: Case, origins: list[str], told: str) -> None:
    case.configure(api__allowed_origins=origins)
    found = case.find("allowed-origins")
    assert (found.level, told in found.detail) == (Level.FAIL, True), found


def test_right_origins(case: Case) -> None:
    case.configure(api__allowed_origins=["https://app.deployer.test", "https://b.deployer.test:8443"])
    assert case.find("allowed-origins").level is Level.OK


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is no address"),
        ("messages.deployer.test", "is no address"),
        ("https://messages.deployer.test:x/", "is no address"),
        ("http://messages.deployer.test/", "https"),
        ("https://messages.deployer.test:8443/", "port"),
        ("https://my_messages.deployer.test/", "underscore"),
        ("https://192.0.2.7/", "IP address"),
        ("https://[2001:db8::1]/", "IP address"),
        ("https://messages/", "your own network"),
        ("https://u:p@messages.deployer.test/", "password"),
        ("https://messages.example.com/whatsapp", "example.toml"),
    ],
)
def test_messaging_webhook(case: Case, url: str, told: str) -> None:
    case.configure(messaging__webhook_url=url)
    found = case.find("messaging-webhook")
    assert (found.level, told in found.detail) == (Level.FAIL, True), found


def test_a_right_messaging_webhook(case: Case) -> None:
    case.configure(messaging__webhook_url="https://messages.deployer.test/with_underscore?a=b")
    assert case.find("messaging-webhook").level is Level.OK


# --- the API ------------------------------------------------------------------------------------


def test_what_browsers_are_told(case: Case) -> None:
    meta = dict(values().raw["meta"])
    case.web.on("GET", f"{API}/v1/config", body=meta)
    assert case.find("public-config").level is Level.OK
    case.web.on("GET", f"{API}/v1/config", body=meta | {"extras": {"setup": {"solutionID": "1" * 15}}})
    assert "another solution" in case.find("public-config").detail
    case.web.on("GET", f"{API}/v1/config", body=meta | {"extras": {}})
    assert "no solution" in case.find("public-config").detail
    case.web.on("GET", f"{API}/v1/config", body=meta | {"app_id": "1", "config_id": "2"})
    found = case.find("public-config")
    assert found.level is Level.FAIL
    assert ("another app_id" in found.detail, "another config_id" in found.detail) == (True, True)
    assert "graph_version" not in found.detail
    case.web.on("GET", f"{API}/v1/config", 500)
    assert "answers 500" in case.find("public-config").detail


def test_a_route_that_lets_everybody_in(case: Case) -> None:
    case.web.on("GET", f"{API}/v1/signups", 401)
    assert case.find("token-required").level is Level.OK

    def careless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if "authorization" in request.headers else 401)

    case.web.answers["GET", f"{API}/v1/signups"] = careless
    found = case.find("token-required")
    assert (found.level, "with a made-up token answers 200" in found.detail) == (Level.FAIL, True)
