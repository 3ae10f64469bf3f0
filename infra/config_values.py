"""What a single value of the configuration may be: types that say in words of their own what is wrong.

A type that refuses a value raises `ValueError` with the whole sentence, or leaves it to pydantic: then the
field's description says what the value must be (`infra/mistakes.py`).
"""

import ipaddress
import math
import re
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from onramp.domain.facts import FACTS
from onramp.domain.notifications import wants as wants_event

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})
# Names that mean something in one network only.
PRIVATE_ENDINGS = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home.arpa", ".corp")
# 360dialog refuses underscores, and so does this.
_DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
_ACCOUNT = "[0-9]{12}"
_REGION = "[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}"
_QUEUE = rf"arn:aws[a-z-]*:sqs:{_REGION}:{_ACCOUNT}:[A-Za-z0-9_-]{{1,80}}"
_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$"
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"({_LABEL}\.)*{_LABEL}\.?")
_LONGEST_ADDRESS = 1000
_DISCOVERY = "/.well-known/"
# RFC 9110: a token.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# Whoever sends the request writes these himself.
_SENDERS_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_TAG = re.compile(r"[\w .:/=+@-]+")
_TAG_CHARACTERS = "letters, digits, blanks and _ . : / = + - @"
_LONGEST_TAG_NAME = 128
_LONGEST_TAG_VALUE = 256
_MOST_TAGS = 40
_OWN_TAGS = frozenset({"application", "stage"})
_MOST_DIGITS = 15
_FLOW = re.compile("[a-z][a-z0-9_-]{0,39}")
_MOST_FLOWS = 20
_MOST_TARGETS = 10
_MOST_PATTERNS = 50
BUS_TARGET = "bus"
"""Where a target of the relay is the stage's own bus."""
STANDARD_FLOW = "standard"
"""The flow of a signup that names none: [meta] config_id and extras."""
DEFAULT_HUB = "default"
"""The hub of [partner], which everything goes to that names none."""
_HUB = re.compile("[a-z][a-z0-9-]{0,30}")
_MOST_HUBS = 9
_MOST_WEBHOOKS = 20
LONGEST_PAGE_NAME = 60
MOST_REDIRECTS = 20
# What CloudWatch Logs knows, in days.
RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def wants(must_be: str) -> FieldInfo:
    """What a field's value must be, to be told behind "must be" when it is something else."""
    info: FieldInfo = Field(description=must_be)
    return info


def _whole(value: object) -> object:
    # True is 1 to Python, and pydantic would take 5.0 for 5.
    if isinstance(value, str) and re.fullmatch(rf"-?[0-9]{{1,{_MOST_DIGITS}}}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("not_whole", "not a whole number")
    return value


def _switch(value: object) -> object:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise PydanticCustomError("not_switch", "neither true nor false")
    return value


def _retention(days: int) -> int:
    if days not in RETENTIONS:
        raise PydanticCustomError("unknown_retention", "unknown to CloudWatch")
    return days


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"names {', '.join(map(repr, twice))} more than once")
    return values


# --- addresses -----------------------------------------------------------------------------------------


def _split(url: str) -> SplitResult:
    if len(url) > _LONGEST_ADDRESS:
        raise ValueError(f"an address has {_LONGEST_ADDRESS} characters at most, and this {len(url)}")
    if not url.isascii() or re.search(r"[\s\x00-\x20\x7f\\]", url):
        raise ValueError(f"{url!r} has blanks or characters that no address has")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} has an impossible host or port") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f"{url!r} is not an https address; write https://<host>")
    if ":" not in parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"{url!r} has an impossible host or port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must not carry a user name or password")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(f"{url!r} must use https")
    return parts


def _plain(url: str) -> SplitResult:
    parts = _split(url)
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError(f"{url!r} must have neither a query nor a fragment")
    return parts


def _address(url: str) -> str:
    _plain(url)
    return url.rstrip("/")


def _origin(origin: str) -> str:
    if "*" in origin:
        raise ValueError(f"{origin!r}: name each origin exactly, no wildcard")
    parts = _split(origin)
    if origin != f"{parts.scheme}://{parts.netloc}" or parts.netloc != parts.netloc.lower():
        raise ValueError(f"{origin!r} must be scheme and host in lower case, without path or trailing slash")
    if parts.port == {"https": 443, "http": 80}[parts.scheme]:
        raise ValueError(f"{origin!r}: browsers leave the usual port out, and so must this")
    return origin


def _issuer(url: str) -> str:
    # Compared with the token's `iss` as text: a trailing slash is part of the name.
    if _DISCOVERY in url:
        issuer = url.partition(_DISCOVERY)[0]
        raise ValueError(f"{url!r} is a document of the issuer's; write the issuer that it names: {issuer!r}")
    _plain(url)
    return url


def _messaging_webhook(url: str) -> str:
    parts = _split(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        raise ValueError(f"{url!r} must use https")
    if parts.port is not None:
        raise ValueError(f"{url!r} must not name a port: 360dialog refuses it")
    if "_" in host:
        raise ValueError(f"{url!r} has an underscore in its host name: 360dialog refuses it")
    if parts.fragment:
        raise ValueError(f"{url!r} must not have a fragment")
    if not is_public(host):
        raise ValueError(f"{url!r}: 360dialog calls from the internet and cannot reach {host!r}")
    return url


def _page_address(url: str) -> str:
    parts = _split(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(f"{url!r} must use https")
    if "#" in url:
        raise ValueError(f"{url!r} must not have a fragment")
    return url


def _support_address(url: str) -> str:
    if not url.lower().startswith("mailto:"):
        return _page_address(url)
    if not re.fullmatch(_EMAIL, url.partition(":")[2]):
        raise ValueError(f"{url!r} needs one email address behind mailto:, and nothing else")
    return url


def is_public(host: str) -> bool:
    """Whether a host name or address can mean something on the internet."""
    host = host.rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    labels = host.split(".")
    # 127.1 and 0x7f.1 are addresses too, to those who read them as C does.
    return len(labels) > 1 and not labels[-1][:1].isdigit() and not f".{host}".endswith(PRIVATE_ENDINGS)


# --- tables --------------------------------------------------------------------------------------------


def _json(value: object) -> object:
    try:
        path = _no_json("", value) if isinstance(value, dict) else None
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    if path is not None:
        raise ValueError(f"{path.lstrip('.')} is nothing that JSON knows: use texts, numbers, lists, tables")
    return value


def _no_json(path: str, value: object) -> str | None:
    """Where, in a value, something is that JSON does not know."""
    match value:
        case dict():
            found = (_no_json(f"{path}.{key}", item) for key, item in value.items())
        case list():
            found = (_no_json(f"{path}.{number}", item) for number, item in enumerate(value))
        case float() if not math.isfinite(value):
            return path
        case None | str() | int() | float():
            return None
        case _:
            return path
    return next((one for one in found if one is not None), None)


def _headers(headers: dict[str, str]) -> dict[str, str]:
    # A value may be a secret of the deployer's: none is shown.
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header: letters, digits and hyphens, no blanks")
        if name.lower() in _SENDERS_HEADERS:
            raise ValueError(f"{name!r} is written by whoever sends the message")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ValueError(
                f"the value of {name!r} must be one line of ASCII text without blanks at its ends"
            )
    _once(headers, "header")
    return headers


def _flows(flows: object) -> object:
    if not isinstance(flows, dict):
        return flows
    if len(flows) > _MOST_FLOWS:
        raise ValueError(f"holds {len(flows)} flows; there may be {_MOST_FLOWS}")
    for name in flows:
        if name == STANDARD_FLOW:
            raise ValueError(
                f"{name!r} is the flow of [meta] config_id and extras: put its values there, or rename it"
            )
        if not _FLOW.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a flow: 1 to 40 lower-case letters, digits, - and _, a letter first"
            )
    return flows


def _targets(targets: object) -> object:
    if not isinstance(targets, dict):
        return targets
    if len(targets) > _MOST_TARGETS:
        raise ValueError(f"holds {len(targets)} targets; there may be {_MOST_TARGETS}")
    for name in targets:
        if not _FLOW.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a target: 1 to 40 lower-case letters, digits, - and _, "
                "a letter first"
            )
    return targets


def _endpoints(endpoints: object) -> object:
    if not isinstance(endpoints, dict):
        return endpoints
    if len(endpoints) > _MOST_TARGETS:
        raise ValueError(f"holds {len(endpoints)} endpoints; there may be {_MOST_TARGETS}")
    for name in endpoints:
        if not _FLOW.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of an endpoint: 1 to 40 lower-case letters, digits, - and _, "
                "a letter first"
            )
    return endpoints


def _endpoint_url(url: str) -> str:
    if _split(url).fragment or url.endswith("#"):
        raise ValueError(f"{url!r} must not have a fragment")
    return url


def _event_filters(filters: tuple[str, ...]) -> tuple[str, ...]:
    for one in filters:
        if not any(wants_event((one,), event) for event, kind in FACTS.items() if kind.bus):
            raise ValueError(f"{one!r} is no event of the bus, nor a group of them such as 'number.*'")
    return filters


def _target(to: str) -> str:
    if to == BUS_TARGET or re.fullmatch(_QUEUE, to):
        return to
    if to.startswith("arn:"):
        raise ValueError(f"{to!r} is no ARN of a queue of SQS's that is none of the kind FIFO")
    parts = _split(to)
    if parts.fragment or to.endswith("#"):
        raise ValueError(f"{to!r} must not have a fragment")
    return to


def _hubs(hubs: object) -> object:
    if not isinstance(hubs, dict):
        return hubs
    if len(hubs) > _MOST_HUBS:
        raise ValueError(f"holds {len(hubs)} hubs; there may be {_MOST_HUBS} beside the one of [partner]")
    for name in hubs:
        if name == DEFAULT_HUB:
            raise ValueError(f"{name!r} is the hub of [partner]: put its values there, or rename it")
        if not _HUB.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a hub: 1 to 31 lower-case letters, digits and -, a letter first"
            )
    return hubs


def _webhooks(webhooks: object) -> object:
    if not isinstance(webhooks, dict):
        return webhooks
    if len(webhooks) > _MOST_WEBHOOKS:
        raise ValueError(f"holds {len(webhooks)} webhooks; there may be {_MOST_WEBHOOKS}")
    for name in webhooks:
        if not _FLOW.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a webhook: at most 40 small letters, digits, - and _; a letter first"
            )
    return webhooks


def _header_names(names: tuple[str, ...]) -> tuple[str, ...]:
    _headers(dict.fromkeys(names, ""))
    return names


def _once(names: dict[str, str], what: str) -> None:
    lower = [name.lower() for name in names]
    if twice := sorted(name for name in names if lower.count(name.lower()) > 1):
        raise ValueError(f"{' and '.join(map(repr, twice))} are the same {what}")


def _line(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError(f"must be one line of at most {LONGEST_PAGE_NAME} characters, no blanks at its ends")
    return text


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MOST_TAGS:
        raise ValueError(f"holds {len(tags)} tags; AWS takes 50 in all, and {_MOST_TAGS} of them from here")
    for name, value in tags.items():
        if name.lower() in _OWN_TAGS and name not in _OWN_TAGS:
            raise ValueError(
                f"{name!r} is {name.lower()!r} to IAM, which the stack sets: write that, or another"
            )
        if name.lower().startswith("aws:"):
            raise ValueError(f"{name!r}: names that begin with aws: belong to AWS")
        if not _TAG.fullmatch(name) or len(name) > _LONGEST_TAG_NAME:
            raise ValueError(f"{name!r} is no name of a tag: {_TAG_CHARACTERS}, {_LONGEST_TAG_NAME} at most")
        if (value and not _TAG.fullmatch(value)) or len(value) > _LONGEST_TAG_VALUE:
            raise ValueError(
                f"the value of {name!r} is none of a tag: {_TAG_CHARACTERS}, {_LONGEST_TAG_VALUE} at most"
            )
    _once(tags, "tag to people")
    return tags


# --- types ---------------------------------------------------------------------------------------------


def _text(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=pattern)


def _named_by(service: str, rest: str) -> StringConstraints:
    return _text(f"^arn:aws[a-z-]*:{service}:{_REGION}:{_ACCOUNT}:{rest}$")


Whole = Annotated[int, BeforeValidator(_whole)]
Retention = Annotated[Whole, AfterValidator(_retention)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Digits = Annotated[str, _text("^[0-9]{5,20}$")]
Account = Annotated[str, _text(f"^{_ACCOUNT}$")]
Region = Annotated[str, _text(f"^{_REGION}$")]
StageName = Annotated[str, _text("^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
Email = Annotated[str, _text(_EMAIL)]
Emails = Annotated[tuple[Email, ...], AfterValidator(_distinct)]
Topic = Annotated[str, _named_by("sns", "[A-Za-z0-9_-]{1,256}")]
Key = Annotated[str, _named_by("kms", "key/[A-Za-z0-9-]{1,64}")]
Certificate = Annotated[str, _named_by("acm", "certificate/[A-Za-z0-9-]{1,64}")]
Boundary = Annotated[
    str,
    _text(rf"^(arn:aws[a-z-]*:iam::({_ACCOUNT}|aws):policy/([!-~]{{1,512}}/)?)?[A-Za-z0-9_+=,.@-]{{1,128}}$"),
]
Principal = Annotated[
    str, _text(rf"^arn:aws[a-z-]*:iam::{_ACCOUNT}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]{{1,512}})$")
]
Principals = Annotated[tuple[Principal, ...], AfterValidator(_distinct)]
Qualifier = Annotated[str, _text("^[a-z0-9]{1,10}$")]
UserPoolId = Annotated[str, _text(f"^{_REGION}_[A-Za-z0-9]{{1,55}}$")]
PartnerId = Annotated[str, _text("^[A-Za-z0-9]{1,38}PA$")]
SolutionId = Annotated[str, _text("^[0-9]{14,18}$")]
GraphVersion = Annotated[str, _text(r"^v[0-9]{1,3}\.[0-9]{1,2}$")]
Address = Annotated[str, AfterValidator(_address)]
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[tuple[Origin, ...], Field(min_length=1), AfterValidator(_distinct)]
SomeOrigins = Annotated[tuple[Origin, ...], AfterValidator(_distinct)]
PageAddress = Annotated[str, AfterValidator(_page_address)]
PageAddresses = Annotated[
    tuple[PageAddress, ...], Field(max_length=MOST_REDIRECTS), AfterValidator(_distinct)
]
SupportAddress = Annotated[str, AfterValidator(_support_address)]
PageName = Annotated[str, StringConstraints(max_length=LONGEST_PAGE_NAME), AfterValidator(_line)]
Colour = Annotated[str, _text("^#[0-9a-fA-F]{6}$")]
Issuer = Annotated[str, AfterValidator(_issuer)]
Audience = Annotated[tuple[Annotated[str, _text(r"^[!-~]{1,256}$")], ...], AfterValidator(_distinct)]
Claim = Annotated[str, _text("^[A-Za-z0-9_:./-]{1,100}$")]
Domain = Annotated[str, _text(_DOMAIN)]
Zone = Annotated[str, _text("^Z[A-Z0-9]{5,31}$")]
MessagingWebhook = Annotated[str, AfterValidator(_messaging_webhook)]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Tags = Annotated[dict[str, str], AfterValidator(_tags)]
Extras = Annotated[dict[str, JsonValue], BeforeValidator(_json)]
_Flow = TypeVar("_Flow")
Flows = Annotated[dict[str, _Flow], BeforeValidator(_flows)]
_Target = TypeVar("_Target")
Targets = Annotated[dict[str, _Target], BeforeValidator(_targets)]
_Endpoint = TypeVar("_Endpoint")
Endpoints = Annotated[dict[str, _Endpoint], BeforeValidator(_endpoints)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint_url)]
EventFilters = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=_MOST_PATTERNS),
    AfterValidator(_distinct),
    AfterValidator(_event_filters),
]
Target = Annotated[str, AfterValidator(_target)]
Pattern = Annotated[str, _text(r"^[A-Za-z0-9_.*-]{1,100}$")]
Patterns = Annotated[
    tuple[Pattern, ...], Field(min_length=1, max_length=_MOST_PATTERNS), AfterValidator(_distinct)
]
_Hub = TypeVar("_Hub")
Hubs = Annotated[dict[str, _Hub], BeforeValidator(_hubs)]
_Webhook = TypeVar("_Webhook")
Webhooks = Annotated[dict[str, _Webhook], BeforeValidator(_webhooks)]
HeaderNames = Annotated[tuple[str, ...], AfterValidator(_distinct), AfterValidator(_header_names)]
Tenant = Annotated[str, _text(r"^\S(.{0,498}\S)?$")]
Tenants = Annotated[tuple[Tenant, ...], AfterValidator(_distinct)]
TenantNames = dict[Tenant, Annotated[str, _text("^[a-z][a-z0-9_-]{0,39}$")]]
WebhookName = Annotated[str, _text("^[a-z][a-z0-9_-]{0,39}$")]
