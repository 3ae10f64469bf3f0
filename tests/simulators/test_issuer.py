from typing import Any

import jwt
import pytest

from tests.simulators.harness import Bench

pytestmark = pytest.mark.anyio


async def verified(bench: Bench, **fields: object) -> dict[str, Any]:
    """Verify a token as an authorizer would: through discovery."""
    found = (await bench.issuer.get("/.well-known/openid-configuration")).json()
    keys = jwt.PyJWKSet.from_dict((await bench.issuer.get(found["jwks_uri"])).json())
    token = (await bench.issuer.post("/token", json=fields)).json()["access_token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    # The bench's clock stands in 2027; the library only knows the real time.
    options: Any = {"verify_iat": False}
    return jwt.decode(
        token, key.key, ["RS256"], audience="onramp-local", issuer=found["issuer"], options=options
    )


async def test_a_token_passes_discovery(bench: Bench) -> None:
    claims = await verified(bench, tenant="acme", claims={"scope": "all"})
    assert (claims["sub"], claims["tenant"], claims["scope"]) == ("acme", "acme", "all")
    assert claims["iss"] == bench.simulators.urls.issuer
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"audience": "somebody"}, jwt.InvalidAudienceError),
        ({"issuer": "https://evil.example"}, jwt.InvalidIssuerError),
        ({"signed_by": "other_key"}, jwt.InvalidSignatureError),
        ({"ttl": -1_000_000_000}, jwt.ExpiredSignatureError),
        ({"key_id": "unknown"}, KeyError),
    ],
)
async def test_wrong_tokens_can_be_asked_for(
    bench: Bench, fields: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await verified(bench, sub="acme", **fields)


async def test_a_token_needs_a_subject(bench: Bench) -> None:
    assert (await bench.issuer.post("/token", json={})).status_code == 422


@pytest.mark.parametrize("server", ["issuer", "meta", "dialog"])
async def test_pages_of_any_origin_may_ask(bench: Bench, server: str) -> None:
    path = "/token" if server == "issuer" else "/admin/reset"
    headers = {"origin": "http://page.example", "access-control-request-method": "POST"}
    answer = await getattr(bench, server).options(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_key_can_be_replaced_and_come_back(bench: Bench) -> None:
    first = (await bench.issuer.get("/jwks.json")).json()
    assert (await bench.issuer.post("/admin/keys", json={"replaced": True})).json() == {"key_id": "local-2"}
    [second] = (await bench.issuer.get("/jwks.json")).json()["keys"]
    assert second["n"] != first["keys"][0]["n"]
    assert (await verified(bench, tenant="acme"))["sub"] == "acme"
    await bench.issuer.post("/admin/keys", json={"replaced": False})
    assert (await bench.issuer.get("/jwks.json")).json() == first
    assert (await verified(bench, tenant="acme"))["sub"] == "acme"
