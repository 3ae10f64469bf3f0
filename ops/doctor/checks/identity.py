"""Who may call the front-end routes: the identity provider, and the pages."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urlsplit

from onramp.domain.text import mapping, text
from ops.doctor.findings import Finding, Stop, fail, ok, together, warn
from ops.doctor.http import read_object, send
from ops.doctor.stage import Stage
from ops.stage.aws import is_loopback

DISCOVERY: Final = "/.well-known/openid-configuration"
_ADVICE: Final = "Compare [api] jwt_issuer with the `iss` of a token, to the letter."
_USABLE: Final = {"RS256": "RSA", "ES256": "EC"}


def jwt_issuer(stage: Stage) -> Finding:
    """The issuer's discovery document and its keys, as API Gateway reads them."""
    issuer = issuer_of(stage)
    if not _is_safe(stage, issuer):
        return fail("[api] jwt_issuer does not use https", "API Gateway reads keys over https only.")
    document = _document(stage, issuer.rstrip("/") + DISCOVERY, "the discovery document")
    named = text(document.get("issuer"))
    if named != issuer:
        return fail(f"the issuer calls itself {named!r}, the configuration calls it {issuer!r}", _ADVICE)
    keys_url = text(document.get("jwks_uri")) or ""
    if not _is_safe(stage, keys_url):
        return fail("the issuer names no https address of its keys (jwks_uri)", _ADVICE)
    return _keys(_document(stage, keys_url, "the key set"), issuer)


def issuer_of(stage: Stage) -> str:
    """The configured issuer, else the stack's Cognito user pool. Raises `Stop` when the stack has none."""
    configured = stage.values.text("api.jwt_issuer")
    if configured:
        return configured
    region = stage.aws.region_name()
    return f"https://cognito-idp.{region}.amazonaws.com/{stage.output('UserPoolId')}"


def _is_safe(stage: Stage, url: str) -> bool:
    return url.startswith("https://") or (stage.values.is_local and is_loopback(url))


def _document(stage: Stage, url: str, what: str) -> Mapping[str, object]:
    answer = send(stage.http, "the identity provider", "GET", url)
    content = read_object(answer)
    if answer.status_code != HTTPStatus.OK or not content:
        raise Stop(fail(f"{what} of the identity provider cannot be read ({answer.status_code})", _ADVICE))
    return content


def _keys(document: Mapping[str, object], issuer: str) -> Finding:
    listed = document.get("keys")
    keys = [mapping(key) for key in listed] if isinstance(listed, list) else []
    named = [key for key in keys if text(key.get("kid"))]
    usable = [name for key in named if (name := _algorithm(key))]
    if not usable:
        return fail(
            f"of the issuer's {len(keys)} keys none has a name (kid) and is for RS256 or ES256",
            "Have the identity provider sign with RS256.",
        )
    if "RS256" not in usable:
        return warn(
            "the issuer signs with ES256 only, and HTTP APIs are documented to check RSA signatures only",
            "Have the identity provider sign with RS256.",
        )
    return ok(f"{issuer} answers, {len(usable)} key{'s' if len(usable) > 1 else ''} to check tokens with")


def _algorithm(key: Mapping[str, object]) -> str | None:
    """What a key signs with, of what we can use; a key need not say it."""
    if key.get("use") not in {None, "sig"}:
        return None
    for name, kind in _USABLE.items():
        if key.get("alg") == name or (key.get("alg") is None and key.get("kty") == kind):
            return name
    return None


def allowed_origins(stage: Stage) -> Finding:
    """The pages that may call the API: each named exactly, over https."""
    origins = stage.values.texts("api.allowed_origins")
    if not origins:
        return fail("[api] allowed_origins names none", "Name the origin of each page that calls the API.")
    problems = [problem for origin in origins for problem in _origin_problems(stage, origin)]
    if stage.values.is_example("api.allowed_origins"):
        problems.append(fail("[api] allowed_origins is still that of example.toml", "Name your own pages."))
    return together(problems, ", ".join(origins))


def _origin_problems(stage: Stage, origin: str) -> Iterator[Finding]:
    if "*" in origin:
        yield fail(f"{origin!r} has a wildcard", "Name each origin exactly.")
        return
    parts = _split(origin)
    if parts is None or not parts.hostname:
        yield fail(f"{origin!r} is no origin", "Write it as https://app.example.com.")
    elif origin != f"{parts.scheme}://{parts.netloc}" or origin != origin.lower() or "@" in origin:
        yield fail(
            f"{origin!r} is more than an origin", "Scheme and host in lower case, nothing behind them."
        )
    elif not _is_safe(stage, origin):
        yield fail(f"{origin!r} does not use https", "Tokens must not travel without https.")


def messaging_webhook(stage: Stage) -> Finding:
    """Whether 360dialog will take the address where channels are to send their messages."""
    url = stage.values.text("messaging.webhook_url")
    problems = [
        fail(f"[messaging] webhook_url {problem}", advice) for problem, advice in _webhook_problems(url)
    ]
    if stage.values.is_example("messaging.webhook_url"):
        problems.append(fail("[messaging] webhook_url is still that of example.toml", "Name your own."))
    return together(problems, url)


def _webhook_problems(url: str) -> Iterator[tuple[str, str]]:
    parts = _split(url)
    if parts is None or not parts.hostname:
        yield "is no address", "Write it as https://messages.example.com/whatsapp."
        return
    host = parts.hostname
    if parts.scheme != "https":
        yield "does not use https", "360dialog takes https only."
    if parts.port is not None:
        yield "names a port", "360dialog takes no port: serve it on 443."
    if "_" in host:
        yield "has an underscore in its host name", "360dialog takes no underscore there: use another name."
    if ":" in host or host.replace(".", "").isdigit():
        yield "names an IP address", "360dialog takes host names only."
    elif "." not in host:
        yield "has a host name that only your own network knows", "It has to be reachable from the internet."
    if parts.username or parts.password:
        yield "carries a password", "Use [messaging.webhook_headers] instead."


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
