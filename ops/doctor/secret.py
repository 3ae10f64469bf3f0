"""The deployer's secret, read once for all checks, and kept out of everything they say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

from onramp.domain.relaying import RELAY_HEADERS, RELAY_KEY
from onramp.domain.signing import key_of
from onramp.inbound.signature import usable_secrets
from ops.doctor.findings import Finding, Stop, fail, skipped
from ops.stage.aws import Aws
from ops.stage.configuration import Values

TEXTS = ("meta_app_secret", "partner_api_key")
PLATFORM = "platform_secrets"
OPTIONAL = ("meta_verify_token", "meta_system_user_token")
"""What only a stage with Meta's own webhook needs, and the recovery of lost signups."""
AT = "@"
"""Stands between what a value is and whose: `partner_api_key@emea`, `messaging_header@crm:Authorization`."""
_CONCEALED = "•••"
_SHORTEST_CONCEALED = 6
_PLACEHOLDERS = frozenset(
    {"changeme", "replaceme", "todo", "tbd", "fixme", "secret", "password", "none", "null", "empty", "test"}
)
_PLACEHOLDER_STARTS = ("your", "my-", "my_", "<", "${", "{{", "example", "placeholder", "insert", "dummy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What the secret holds. `problem` says why that is nothing; `offset` is AWS's clock less ours."""

    content: Mapping[str, object]
    problem: Finding | None = None
    offset: timedelta = timedelta(0)

    def text(self, name: str) -> str:
        """One of the texts. Raises `Stop` when it cannot be used."""
        value = self.content.get(name)
        if not isinstance(value, str) or not value.strip() or is_placeholder(value):
            raise Stop(_needs(name))
        return value

    def platform_secrets(self) -> tuple[str, ...]:
        """The secrets webhooks are signed with. Raises `Stop` when they cannot be used."""
        try:
            found = usable_secrets(self.content.get(PLATFORM))
        except ValueError:
            raise Stop(_needs(PLATFORM)) from None
        if any(map(is_placeholder, found)):
            raise Stop(_needs(PLATFORM))
        return found

    def conceal(self, text: str) -> str:
        """A text without any secret in it."""
        for value in sorted(_texts(self.content), key=len, reverse=True):
            text = text.replace(value, _CONCEALED)
        return text


@dataclass(frozen=True, slots=True)
class Names:
    """What a stage needs in its secret, texts and platform secrets, and what else it may have there."""

    texts: tuple[str, ...] = TEXTS
    platforms: tuple[str, ...] = (PLATFORM,)
    optional: tuple[str, ...] = OPTIONAL

    @property
    def needed(self) -> tuple[str, ...]:
        """What must be there."""
        return (*self.texts, *self.platforms)

    @property
    def known(self) -> tuple[str, ...]:
        """All that anybody reads."""
        return (*self.needed, *self.optional)


def names_of(values: Values) -> Names:
    """What the stage needs there, with what its hubs, its messaging webhooks and its relay's targets add."""
    hubs = hub_names(values)
    targets = _https_targets(values)
    named = _table(_table(values.raw.get("messaging")).get("webhooks"))
    headers = [
        f"messaging_header{AT}{name}:{header}"
        for name, webhook in named.items()
        for header in _list(_table(webhook).get("headers"))
    ]
    return Names(
        texts=(
            *TEXTS,
            *(name for hub in hubs for name in names_of_hub(hub).texts),
            *headers,
            *(RELAY_KEY + target for target in targets),
        ),
        platforms=(PLATFORM, *(name for hub in hubs for name in names_of_hub(hub).platforms)),
        optional=(*OPTIONAL, *(RELAY_HEADERS + target for target in targets)),
    )


def names_of_hub(hub: str) -> Names:
    """What a hub beside the one of [partner] needs there."""
    return Names(texts=(f"partner_api_key{AT}{hub}",), platforms=(f"{PLATFORM}{AT}{hub}",))


def _https_targets(values: Values) -> list[str]:
    """The relay's targets whose posts are signed."""
    targets = _table(_table(values.raw.get("relay")).get("targets"))
    return [name for name, target in targets.items() if "://" in str(_table(target).get("to"))]


def key_problem(name: str, value: str) -> str | None:
    """What is wrong with a value that is to sign posts of the relay: one key, or several with blanks."""
    if not name.startswith(RELAY_KEY):
        return None
    try:
        for key in value.split():
            key_of(key)
    except ValueError:
        return f"{name} is no key: whsec_ and base64 of 24 to 64 bytes"
    return None


def hub_names(values: Values) -> tuple[str, ...]:
    """The hubs beside the one of [partner]."""
    return tuple(_table(values.raw.get("hubs")))


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def is_placeholder(value: str) -> bool:
    """Whether a value was never meant to be used: `changeme`, `…`, `xxxx`, `<key>`."""
    plain = value.strip().lower()
    return (
        plain.replace("-", "").replace("_", "") in _PLACEHOLDERS
        or len(set(plain)) <= 1
        or plain.startswith(_PLACEHOLDER_STARTS)
    )


def read_secret(aws: Aws, secret_id: str, now: datetime) -> Secret:
    """Read the secret. What is wrong with it is in its `problem`.

    Raises:
        ClientError: AWS refused for another reason than that the secret has no value or does not exist.
    """
    try:
        answer = aws.secrets.get_secret_value(SecretId=secret_id)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise
        return Secret(content={}, problem=fail("the secret has no value yet", fill_advice(secret_id)))
    offset = _offset(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"), now)
    try:
        content = json.loads(answer.get("SecretString") or "")
    except ValueError:
        content = None
    if isinstance(content, dict):
        return Secret(content=content, offset=offset)
    problem = fail("the secret is no JSON object", fill_advice(secret_id))
    return Secret(content={}, problem=problem, offset=offset)


def fill_advice(secret_id: str) -> str:
    """How to fill the secret."""
    return f"`onramp secret set --stage <stage>` asks for what is missing and writes it into {secret_id}."


def _needs(name: str) -> Finding:
    return skipped(f"needs {name} of the secret: see the check `secret`")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (form for form in (value, value.strip()) if len(form) >= _SHORTEST_CONCEALED)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _offset(date: str | None, now: datetime) -> timedelta:
    try:
        return parsedate_to_datetime(date) - now if date else timedelta(0)
    except (ValueError, TypeError):
        return timedelta(0)
