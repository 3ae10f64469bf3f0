from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ops.doctor.findings import Level
from tests.ops.conftest import APP_SECRET, GRAPH, Case

APP = f"{GRAPH}/2234567890"
EXCHANGE = f"{GRAPH}/oauth/access_token"
SOLUTION = f"{GRAPH}/223456789012345"


def error(code: int, message: str = "", **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "fbtrace_id": "Atrace", **more}}


def test_app_and_secret_fit(case: Case) -> None:
    case.web.on("GET", APP, body={"id": "2234567890"})
    assert case.find("meta-app").level is Level.OK
    [request] = case.web.requests
    assert request.headers["authorization"] == f"Bearer 2234567890|{APP_SECRET}"
    assert APP_SECRET not in str(request.url)


BAD_SIGNATURE = error(190, "Invalid OAuth access token signature.")


@pytest.mark.parametrize(
    ("node", "exchange", "level", "told"),
    [
        ((190, BAD_SIGNATURE), error(1, "Error validating client secret."), Level.FAIL, "secret is not that"),
        ((190, BAD_SIGNATURE), error(101, "Error validating application."), Level.FAIL, "knows no app"),
        ((101, error(101)), None, Level.FAIL, "knows no app"),
        ((190, BAD_SIGNATURE), error(100, "redirect_uri", error_subcode=36008), Level.FAIL, "refuses app"),
        ((10, error(10)), error(100, "Invalid verification code format."), Level.WARN, "read itself"),
        ((2635, error(2635)), None, Level.FAIL, "serves v26.0 no more"),
        ((4, error(4)), None, Level.WARN, "trouble of its own"),
        ((2, error(2)), None, Level.WARN, "trouble of its own"),
    ],
)
def test_what_is_wrong_is_told_apart(
    case: Case, node: tuple[int, Any], exchange: Any, level: Level, told: str
) -> None:
    case.web.on("GET", APP, 400, node[1])
    if exchange:
        case.web.on("POST", EXCHANGE, 400, exchange)
    found = case.find("meta-app")
    assert (found.level, told in found.detail) == (level, True), found


def test_an_outage_is_not_our_fault(case: Case) -> None:
    case.web.answers["GET", APP] = httpx.Response(503, text="<html>")
    found = case.find("meta-app")
    assert (found.level, "HTTP 503" in found.detail) == (Level.WARN, True)


def test_nobody_there(case: Case) -> None:
    case.web.answers["GET", APP] = httpx.ConnectTimeout("slow")
    found = case.find("meta-app")
    assert found.level is Level.FAIL
    assert "Meta's Graph API cannot be reached (ConnectTimeout)" in found.detail


@pytest.mark.parametrize(
    ("version", "now", "level"),
    [
        ("v26.0", (2026, 11, 23), Level.OK),
        ("v25.0", (2026, 11, 23), Level.OK),
        ("v25.0", (2028, 4, 29), Level.OK),
        ("v25.0", (2028, 4, 30), Level.WARN),
        ("v25.0", (2028, 7, 29), Level.WARN),
        ("v25.0", (2028, 7, 30), Level.FAIL),
        ("v24.0", (2026, 11, 23), Level.FAIL),
        ("v27.0", (2026, 11, 23), Level.WARN),
        ("v25.1", (2026, 11, 23), Level.WARN),
        ("26", (2026, 11, 23), Level.FAIL),
        ("", (2026, 11, 23), Level.FAIL),
    ],
)
def test_graph_version(case: Case, version: str, now: tuple[int, int, int], level: Level) -> None:
    case.configure(meta__graph_version=version)
    case.time.at = datetime(*now, 12, tzinfo=UTC)
    assert case.find("graph-version").level is level


@pytest.mark.parametrize(
    ("status", "body", "level", "told"),
    [
        (200, {"status": "ACTIVE"}, Level.OK, "is ACTIVE"),
        (200, {"status": "DRAFT"}, Level.FAIL, "is DRAFT, not ACTIVE"),
        (200, {"id": "223456789012345"}, Level.SKIPPED, "does not show"),
        (400, error(100, error_subcode=33), Level.SKIPPED, "does not show"),
        (401, BAD_SIGNATURE, Level.SKIPPED, "see the check `meta-app`"),
    ],
)
def test_solution_status(case: Case, status: int, body: Any, level: Level, told: str) -> None:
    case.web.on("GET", SOLUTION, status, body)
    found = case.find("solution")
    assert (found.level, told in found.detail) == (level, True), found


def test_solution_when_meta_is_away(case: Case) -> None:
    assert case.find("solution").level is Level.SKIPPED


@pytest.mark.parametrize(
    ("solution_id", "told"),
    [
        ("1234567890123", "14 to 18 digits"),
        ("1234567890123456789", "14 to 18 digits"),
        ("22345678901234x", "14 to 18 digits"),
        (None, "14 to 18 digits"),
        ("123456789012345", "example.toml"),
    ],
)
def test_solution_id(case: Case, solution_id: str | None, told: str) -> None:
    case.configure(partner__solution_id=solution_id)
    found = case.find("solution")
    assert (found.level, told in found.detail) == (Level.FAIL, True), found
    assert not case.web.requests


@pytest.mark.parametrize(
    ("config_id", "level", "told"),
    [
        ("8876543210", Level.OK, "8876543210"),
        ("", Level.FAIL, "is missing"),
        ("my-config", Level.FAIL, "is not digits"),
        ("9876543210", Level.FAIL, "example.toml"),
        ("2234567890", Level.FAIL, "is the app's id"),
    ],
)
def test_config_id(case: Case, config_id: str, level: Level, told: str) -> None:
    case.configure(meta__config_id=config_id)
    found = case.find("config-id")
    assert (found.level, told in found.detail) == (level, True)


@pytest.mark.parametrize(
    ("status", "body", "version", "told"),
    [
        (400, error(2635), "", "Meta serves v26.0 no more"),
        (400, error(2500), "", "Meta knows no version v26.0"),
        (200, {"id": "2234567890"}, "v24.0", "Meta answers v26.0 with v24.0"),
    ],
)
def test_meta_itself_is_asked_about_the_version(
    case: Case, status: int, body: Any, version: str, told: str
) -> None:
    case.web.on("GET", APP, status, body, **{"facebook-api-version": version})
    found = case.find("graph-version")
    assert (found.level, found.detail) == (Level.FAIL, told)


def test_a_version_that_meta_serves(case: Case) -> None:
    case.web.on("GET", APP, 200, {"id": "2234567890"}, **{"facebook-api-version": "v26.0"})
    assert case.find("graph-version").level is Level.OK
