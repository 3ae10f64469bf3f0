"""Why a token is refused: each reason has its sentence."""

import base64
import io
import json
from typing import Any

import pytest

from ops.cli import main
from ops.doctor.catalogue import CHECKS
from ops.doctor.findings import Finding, Level
from tests.ops.conftest import API, ISSUER, NOW, Case

HEAD = {"alg": "RS256", "kid": "key-1"}
SOON = NOW.timestamp() + 600
CLAIMS = {"iss": ISSUER, "aud": "onramp", "sub": "tenant-1", "exp": SOON}


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def token(head: dict[str, Any] | None = None, **claims: Any) -> str:
    kept = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return f"{encoded(HEAD | (head or {}))}.{encoded(kept)}.c2ln"


def find(case: Case, given: str, status: int = 401) -> Finding:
    case.web.on("GET", f"{ISSUER}/.well-known/openid-configuration", body={"jwks_uri": f"{ISSUER}/keys"})
    case.web.on("GET", f"{ISSUER}/keys", body={"keys": [{"kid": "key-1"}]})
    case.web.on("GET", f"{API}/v1/signups", status)
    case.stage.token = given
    found = case.find("token")
    assert given not in found.detail + found.advice
    return found


def test_a_token_that_is_taken(case: Case) -> None:
    assert find(case, f"Bearer {token()}", 200).level is Level.OK
    request = case.web.asked(f"{API}/v1/signups")[0]
    assert request.headers["authorization"] == f"Bearer {token()}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("opaque", "it is no JWT: 1 part, not 3"),
        ("a.b.c", "head and claims are not JSON"),
        (token(exp=NOW.timestamp() - 90), "it expired 90 s ago"),
        (token(exp=NOW.timestamp() - 7200), "it expired 120 min ago"),
        (token(exp=None), "it has no `exp`"),
        (token(nbf=NOW.timestamp() + 60), "it is valid only in 60 s"),
        (token(iss=f"{ISSUER}/"), f"its issuer is '{ISSUER}/', the API's '{ISSUER}'"),
        (token(iss=None), "its issuer is missing"),
        (token(aud="other"), "its audience is 'other', the API wants onramp"),
        (token(aud=["other"], client_id="onramp"), "its audience is ['other']"),
        (token(aud=None), "its audience is missing"),
        (token(sub=None), "it has no claim 'sub', which says whose it is; it has aud, exp, iss"),
        (token(sub=["a"]), "its claim 'sub' is a list, not one text"),
        (token(sub=" "), "its claim 'sub' is blank"),
        (token({"alg": "HS256"}), "it is signed with 'HS256', not RS256"),
        (token({"kid": None}), "its head names no key"),
        (token({"kid": "key-9"}), "the issuer does not publish its key 'key-9'"),
        (token(), "nothing of the token looks wrong"),
    ],
)
def test_why_it_is_refused(case: Case, given: str, told: str) -> None:
    found = find(case, given)
    assert (found.level, told in found.detail) == (Level.FAIL, True), found


@pytest.mark.parametrize("claims", [{"aud": ["x", "onramp"]}, {"aud": None, "client_id": "onramp"}])
def test_audiences_as_the_api_reads_them(case: Case, claims: dict[str, Any]) -> None:
    assert "audience" not in find(case, token(**claims), 200).detail


def test_all_that_is_wrong_is_told_at_once(case: Case) -> None:
    found = find(case, token({"kid": "key-9"}, exp=1, iss="x", aud="y", sub=None))
    assert found.detail.count(";") >= 5
    assert found.detail.endswith("the API answers 401")


def test_keys_that_cannot_be_read_hide_nothing_else(case: Case) -> None:
    case.stage.token = token(exp=1)
    case.web.on("GET", f"{API}/v1/signups", 401)
    assert "expired" in case.find("token").detail


def test_it_runs_only_for_whoever_brings_a_token(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], str]] = []

    def examine(_run: Any, stage: Any, checks: Any, **_: Any) -> int:
        seen.append(([check.name for check in checks], stage.token))
        return 0

    def prepare(_where: Any, _http: Any, *, token: str | None, **_: Any) -> Any:
        case.stage.token = command._token(token)
        return case.stage

    from ops.doctor import command  # noqa: PLC0415 - patched below

    monkeypatch.setattr(command, "examine_and_tell", examine)
    monkeypatch.setattr(command, "prepare", prepare)
    monkeypatch.setattr(type(case.stage.aws), "close", lambda _: None)
    monkeypatch.setattr("sys.stdin", io.StringIO("a.b.c\n"))
    everything = [check.name for check in CHECKS]
    main(["doctor", "--stage", "dev"])
    main(["doctor", "--stage", "dev", "--only", "clock", "--token", "-"])
    assert seen == [([name for name in everything if name != "token"], ""), (["clock", "token"], "a.b.c")]
