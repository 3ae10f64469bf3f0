"""The deployment's configuration: ``config/<stage>.toml``, checked before anything is synthesized.

``config/example.toml`` explains every value. Each value may be overridden for one run, named ``section.key``.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

LOCAL_STAGE = "local"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})
# 360dialog refuses underscores, and so does this.
DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
CERTIFICATE = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$"
DEFAULT_RETRY_SCHEDULE = (5, 30, 300, 1800, 7200, 18000, 36000, 36000)


class ConfigError(Exception):
    """The configuration cannot be used. Each line of the message names file, section and key."""


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} has an impossible port") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f"{url!r} is not an https address")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(f"{url!r} must use https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must not carry a user name or password")
    return parts


def _address(url: str) -> str:
    parts = _split(url)
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r} must have neither a query nor a fragment")
    return url.rstrip("/")


def _origin(origin: str) -> str:
    if "*" in origin:
        raise ValueError(f"{origin!r}: name each origin exactly, no wildcard")
    parts = _split(origin)
    if origin != f"{parts.scheme}://{parts.netloc}" or parts.netloc != parts.netloc.lower():
        raise ValueError(f"{origin!r} must be scheme and host in lower case, without path or trailing slash")
    return origin


def _issuer(url: str) -> str:
    # Compared with the token's `iss` as text: a trailing slash is part of the name.
    parts = _split(url)
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r} must have neither a query nor a fragment")
    return url


def _some(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not origins:
        raise ValueError("name at least one origin")
    return origins


def _messaging_webhook(url: str) -> str:
    parts = _split(url)
    if parts.scheme != "https":
        raise ValueError(f"{url!r} must use https")
    if parts.port is not None:
        raise ValueError(f"{url!r} must not name a port: 360dialog refuses it")
    if "_" in (parts.hostname or ""):
        raise ValueError(f"{url!r} has an underscore in its host name: 360dialog refuses it")
    return url


Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,20}$")]
Address = Annotated[str, AfterValidator(_address)]
Origin = Annotated[str, AfterValidator(_origin)]
PositiveInt = Annotated[int, Field(gt=0)]
PlanTier = Literal["basic", "regular", "premium"]
Mending = Literal["report", "mend"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageConfig(_Section):
    """``[stage]``: what this deployment is called and how much its data matters."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
    removal: Literal["destroy", "retain"]
    alarm_email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    tracing: bool = True
    facts_kept_days: PositiveInt = 400


class PartnerConfig(_Section):
    """``[partner]``: 360dialog's Partner API. Times are in seconds."""

    partner_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{3,40}$")]
    solution_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{14,18}$")]
    base_url: Address = "https://hub.360dialog.io/api/v2"
    default_plan_tier: PlanTier = "regular"
    budget_calls: PositiveInt = 5
    budget_window_seconds: PositiveInt = 30
    retry_schedule_seconds: tuple[PositiveInt, ...] = Field(default=DEFAULT_RETRY_SCHEDULE, min_length=1)
    reconcile_after_seconds: PositiveInt = 600


class MetaConfig(_Section):
    """``[meta]``: the Meta app and the Graph API."""

    app_id: Digits
    config_id: Digits
    graph_version: Annotated[str, StringConstraints(pattern=r"^v\d+\.\d+$")]
    graph_base_url: Address = "https://graph.facebook.com"
    extras: dict[str, JsonValue] = Field(default_factory=dict)


class ApiConfig(_Section):
    """``[api]``: who may call the front-end routes, from which pages, how often, and under which name.

    `throttle_rate` is in requests per second, for each route and all its callers together.
    """

    allowed_origins: Annotated[tuple[Origin, ...], AfterValidator(_some)]
    jwt_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    jwt_audience: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    tenant_claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:./-]{1,100}$")] = "sub"
    throttle_rate: PositiveInt = 50
    throttle_burst: PositiveInt = 100
    domain_name: Annotated[str, StringConstraints(pattern=DOMAIN)] | None = None
    certificate_arn: Annotated[str, StringConstraints(pattern=CERTIFICATE)] | None = None
    hosted_zone_id: Annotated[str, StringConstraints(pattern=r"^Z[A-Z0-9]{5,31}$")] | None = None

    @model_validator(mode="after")
    def _issuer_and_audience_together(self) -> Self:
        if (self.jwt_issuer is None) != (not self.jwt_audience):
            raise ValueError("jwt_issuer and jwt_audience: give both, or neither for a Cognito user pool")
        return self

    @model_validator(mode="after")
    def _domain_and_certificate_together(self) -> Self:
        if (self.domain_name is None) != (self.certificate_arn is None):
            raise ValueError("domain_name and certificate_arn: give both, or neither for AWS's own address")
        if self.hosted_zone_id is not None and self.domain_name is None:
            raise ValueError("hosted_zone_id: needs a domain_name to put into that zone")
        return self


class MessagingConfig(_Section):
    """``[messaging]``: where connected channels send their messages."""

    webhook_url: Annotated[str, AfterValidator(_messaging_webhook)]
    webhook_headers: dict[str, str] = Field(default_factory=dict)
    base_url: Address = "https://waba-v2.360dialog.io"


class NumbersConfig(_Section):
    """``[numbers]``: what the daily check of a connected number mends without being asked."""

    mend_keys: Mending = "report"
    mend_webhooks: Mending = "mend"


class DeploymentConfig(_Section):
    """Everything a deployment is told, frozen. Only the stage ``local`` may use plain http, on loopback."""

    stage: StageConfig
    partner: PartnerConfig
    meta: MetaConfig
    api: ApiConfig
    messaging: MessagingConfig
    numbers: NumbersConfig = NumbersConfig()

    @property
    def is_local(self) -> bool:
        """Whether this is the run on one machine, beside simulated upstreams."""
        return self.stage.name == LOCAL_STAGE

    def plain_http_addresses(self) -> dict[str, str]:
        """The values that use plain http, by ``[section] key``."""
        values = {
            "[partner] base_url": self.partner.base_url,
            "[meta] graph_base_url": self.meta.graph_base_url,
            "[api] jwt_issuer": self.api.jwt_issuer or "",
            "[messaging] base_url": self.messaging.base_url,
        }
        values |= {f"[api] allowed_origins.{n}": origin for n, origin in enumerate(self.api.allowed_origins)}
        return {place: value for place, value in values.items() if value.startswith("http://")}


def overridable_values() -> tuple[str, ...]:
    """The names ``section.key`` of all values, in the order of the file."""
    return tuple(f"{section}.{key}" for section, model in _sections().items() for key in model.model_fields)


def load_config(
    *, directory: Path, stage: str, overrides: Mapping[str, object] | None = None
) -> DeploymentConfig:
    """Read and check the configuration of a stage.

    Args:
        directory: the folder of the configuration files.
        stage: which of them; also the value that ``[stage] name`` must have.
        overrides: values for this run, by ``section.key``. Lists and tables may be given as JSON text, lists
            also as text separated by commas, numbers as digits.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value in it cannot be used.
    """
    if not re.fullmatch(r"[a-z0-9-]+", stage):
        raise ConfigError(f"stage {stage!r}: use lower-case letters, digits and hyphens")
    path = directory / f"{stage}.toml"
    place = f"{directory.name}/{path.name}"
    raw = _read_toml(path, place)
    for name, value in (overrides or {}).items():
        section, _, key = name.partition(".")
        raw.setdefault(section, {})[key] = _parsed(name, value)
    try:
        config = DeploymentConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_problems(place, error))) from error
    _check_stage(place, config, stage)
    return config


def _read_toml(path: Path, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{place}: there is no such file; copy example.toml beside it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: not TOML: {error}") from error


def _parsed(name: str, value: object) -> object:
    """Turn an override that came as text into what its field wants; pydantic does the rest."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{name}, given for this run: not JSON: {error}") from error
    if name in _lists():
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _lists() -> frozenset[str]:
    return frozenset(
        f"{section}.{key}"
        for section, model in _sections().items()
        for key, field in model.model_fields.items()
        if get_origin(field.annotation) is tuple
    )


def _sections() -> dict[str, type[BaseModel]]:
    return {
        section: field.annotation
        for section, field in DeploymentConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _problems(place: str, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        section, *rest = (str(part) for part in problem["loc"])
        key = f" {'.'.join(rest)}" if rest else ""
        lines.append(f"{place}: [{section}]{key}: {problem['msg'].removeprefix('Value error, ')}")
    return lines


def _check_stage(place: str, config: DeploymentConfig, stage: str) -> None:
    if config.stage.name != stage:
        raise ConfigError(f"{place}: [stage] name: is {config.stage.name!r}, the file says {stage!r}")
    if not config.is_local and (plain := config.plain_http_addresses()):
        lines = (
            f"{place}: {where}: {value!r} must use https outside the stage {LOCAL_STAGE}"
            for where, value in plain.items()
        )
        raise ConfigError("\n".join(lines))
