"""Why a token is refused: it is read and compared, not verified; then the API is asked."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from onramp.domain.text import mapping, text
from ops.doctor.checks.identity import DISCOVERY, issuer_of
from ops.doctor.findings import Finding, Stop, fail, ok, skipped, together, warn
from ops.doctor.http import read_object, send
from ops.doctor.stage import Stage

_PARTS: Final = 3
_ALGORITHM: Final = "RS256"
_LONGEST: Final = 80


def token(stage: Stage) -> Finding:
    """A front-end's token: what of it does not fit this stage, and what the API answers to it."""
    if not stage.token:
        return skipped("no token was given: --token - reads one from standard input")
    head, claims = _decoded(stage.token)
    problems = [*_time_problems(stage, claims), *_name_problems(stage, claims)]
    problems += [*_tenant_problems(stage, claims), *_key_problems(stage, head)]
    status = _answer(stage)
    if problems:
        return together([*problems, warn(f"the API answers {status}")], "")
    if status == HTTPStatus.OK:
        return ok("the API takes it")
    return fail(
        f"the API answers {status}, and nothing of the token looks wrong (its signature is not checked here)",
        "Is it signed with a key that the issuer publishes now? API Gateway may remember keys for two hours.",
    )


def _decoded(given: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Head and claims, unverified. Raises `Stop` when it is no JWT."""
    parts = given.removeprefix("Bearer ").strip().split(".")
    if len(parts) != _PARTS:
        raise Stop(
            fail(
                f"it is no JWT: {len(parts)} part{'s' if len(parts) != 1 else ''}, not {_PARTS}",
                "Some providers give opaque access tokens until an audience (an API) is named: name it.",
            )
        )
    head, claims = (_part(part) for part in parts[:2])
    if not head or not claims:
        raise Stop(fail("it is no JWT: head and claims are not JSON", "Was it cut while it was copied?"))
    return head, claims


def _part(encoded: str) -> Mapping[str, object]:
    try:
        return mapping(json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))))
    except (ValueError, binascii.Error, RecursionError):
        return {}


def _time_problems(stage: Stage, claims: Mapping[str, object]) -> Iterator[Finding]:
    now = stage.clock.now().timestamp()
    ends, begins = claims.get("exp"), claims.get("nbf")
    if not isinstance(ends, int | float):
        yield fail("it has no `exp`", "API Gateway wants a time at which a token ends.")
    elif ends < now:
        yield fail(f"it expired {_span(now - ends)} ago", "Let the page renew it before each call.")
    if isinstance(begins, int | float) and begins > now:
        yield fail(f"it is valid only in {_span(begins - now)}", "Is the provider's clock ahead?")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - ten minutes


def _name_problems(stage: Stage, claims: Mapping[str, object]) -> Iterator[Finding]:
    issuer, named = issuer_of(stage), claims.get("iss")
    if named != issuer:
        yield fail(
            f"its issuer is {_shown(named)}, the API's {issuer!r}",
            "To the letter, a slash at the end included: [api] jwt_issuer.",
        )
    wanted = _audiences(stage)
    # API Gateway looks at `client_id` when there is no `aud`, as in Cognito's access tokens.
    given = claims.get("aud", claims.get("client_id"))
    given_all = given if isinstance(given, list) else [given]
    if wanted and not wanted & {item for item in given_all if isinstance(item, str)}:
        yield fail(
            f"its audience is {_shown(given)}, the API wants {' or '.join(sorted(wanted))}",
            "Request the token for that audience, or add it to [api] jwt_audience.",
        )


def _audiences(stage: Stage) -> set[str]:
    configured = set(stage.values.texts("api.jwt_audience"))
    client = stage.outputs.get("UserPoolClientId")
    return configured or ({client} if client else set())


def _tenant_problems(stage: Stage, claims: Mapping[str, object]) -> Iterator[Finding]:
    name = stage.values.text("api.tenant_claim") or "sub"
    value = claims.get(name)
    if name not in claims:
        yield fail(
            f"it has no claim {name!r}, which says whose it is; it has {', '.join(sorted(map(str, claims)))}",
            "Have the provider put it in, or choose another [api] tenant_claim.",
        )
    elif not isinstance(value, str) or not value.strip():
        kind = "blank" if isinstance(value, str) else f"a {type(value).__name__}"
        yield fail(f"its claim {name!r} is {kind}, not one text", "The tenant is one text that is not blank.")


def _key_problems(stage: Stage, head: Mapping[str, object]) -> Iterator[Finding]:
    algorithm, key_id = head.get("alg"), text(head.get("kid"))
    if algorithm != _ALGORITHM:
        yield fail(f"it is signed with {_shown(algorithm)}, not {_ALGORITHM}", "Have the provider use RS256.")
    if key_id is None:
        yield fail("its head names no key (kid)", "Have the provider name the key.")
        return
    published = _published(stage)
    if published is not None and key_id not in published:
        yield fail(
            f"the issuer does not publish its key {key_id[:_LONGEST]!r}",
            "It is of another issuer, or its key was withdrawn: get a new token.",
        )


def _published(stage: Stage) -> set[str] | None:
    """Names of the issuer's keys; None when they cannot be read, which `jwt-issuer` tells of."""
    try:
        found = _read(stage, issuer_of(stage).rstrip("/") + DISCOVERY)
        keys = _read(stage, text(found.get("jwks_uri")) or "").get("keys")
    except Stop:
        return None
    return {str(mapping(key).get("kid")) for key in keys} if isinstance(keys, list) else None


def _read(stage: Stage, url: str) -> Mapping[str, object]:
    return read_object(send(stage.http, "the identity provider", "GET", url))


def _answer(stage: Stage) -> int:
    bearer = {"Authorization": f"Bearer {stage.token.removeprefix('Bearer ').strip()}"}
    url = f"{stage.api_url}/v1/signups"
    return send(stage.http, "the API", "GET", url, headers=bearer, params={"limit": "1"}).status_code


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:_LONGEST]
