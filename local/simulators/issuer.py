"""An OpenID Connect issuer that gives anybody a token. For the local run only."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulators.clock import Now
from local.simulators.settings import Settings, Urls
from local.simulators.web import BadBodyError, open_app, parse, read_object

KEY_ID = "local-1"
OTHER_KEY_ID = "local-2"


@dataclass(slots=True, kw_only=True)
class TokenRequest:
    """Body of `POST /token`. `ttl` is in seconds; 0 or less makes a token that has already expired.

    `signed_by: other_key` keeps the key id but signs with a key nobody publishes.
    """

    sub: str | None = None
    tenant: str | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    ttl: int = 3600
    audience: str | None = None
    issuer: str | None = None
    key_id: str | None = None
    signed_by: Literal["own_key", "other_key"] = "own_key"


@dataclass(slots=True, kw_only=True)
class KeyChange:
    """Body of `POST /admin/keys`. `replaced`: another key signs and is published in place of the first."""

    replaced: bool


class Issuer:
    """Publishes its key and signs what it is asked to sign."""

    def __init__(self, *, settings: Settings, urls: Urls, now: Now) -> None:
        """Take the clock of `iat` and `exp`. Keys are made when they are first needed."""
        self._audience = settings.audience
        self._base = urls.issuer
        self.name = settings.issuer_name or urls.issuer
        self._now = now
        self._replaced = False

    @cached_property
    def _own_key(self) -> RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _new_key(self) -> RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _other_key(self) -> RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def app(self) -> ASGIApp:
        """Return the ASGI app."""
        return open_app(
            [
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/jwks.json", self.keys),
                Route("/token", self.token, methods=["POST"]),
                Route("/admin/keys", self.change_keys, methods=["POST"]),
            ]
        )

    async def discovery(self, _request: Request) -> Response:
        """Answer the discovery document."""
        return JSONResponse(
            {
                "issuer": self.name,
                "jwks_uri": f"{self._base}/jwks.json",
                "token_endpoint": f"{self._base}/token",
                "authorization_endpoint": f"{self._base}/authorize",
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid"],
            }
        )

    async def keys(self, _request: Request) -> Response:
        """Answer the public key set."""
        key_id, key = self._current
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**public, "kid": key_id, "use": "sig", "alg": "RS256"}]})

    async def change_keys(self, request: Request) -> Response:
        """Replace the key at once, as no issuer should, or take that back."""
        self._replaced = parse(KeyChange, await read_object(request)).replaced
        return JSONResponse({"key_id": self._current[0]})

    @property
    def _current(self) -> tuple[str, RSAPrivateKey]:
        return (OTHER_KEY_ID, self._new_key) if self._replaced else (KEY_ID, self._own_key)

    async def token(self, request: Request) -> Response:
        """Answer a token for `{tenant or sub, claims?, ttl?, audience?, issuer?, key_id?, signed_by?}`."""
        wanted = parse(TokenRequest, await read_object(request))
        if not (wanted.sub or wanted.tenant):
            raise BadBodyError("sub or tenant is needed")
        key_id, key = self._current
        key = key if wanted.signed_by == "own_key" else self._other_key
        headers = {"kid": wanted.key_id or key_id}
        access_token = jwt.encode(self._claims(wanted), key, algorithm="RS256", headers=headers)
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": wanted.ttl}
        return JSONResponse(answer)

    def _claims(self, wanted: TokenRequest) -> dict[str, Any]:
        now = int(self._now())
        claims: dict[str, Any] = {
            "iss": wanted.issuer or self.name,
            "aud": wanted.audience or self._audience,
            "sub": wanted.sub or wanted.tenant,
            "iat": now + min(0, wanted.ttl - 60),
            "exp": now + wanted.ttl,
        }
        if wanted.tenant:
            claims["tenant"] = wanted.tenant
        return claims | wanted.claims
