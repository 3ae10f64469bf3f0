"""What values of the configuration must be beside each other, in this stage, and in the place it goes to.

Each rule names the values that it needs and is asked only when all of them can be used by themselves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.config_values import is_public

if TYPE_CHECKING:
    from infra.config import EndpointConfig, FlowConfig, HubConfig, RelayTarget, WebhookConfig

LOCAL_STAGE = "local"
EXAMPLE_STAGE = "example"
EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "partner.partner_id": "examplePA",
        "partner.solution_id": "123456789012345",
        "meta.app_id": "1234567890",
        "meta.config_id": "9876543210",
    }
)
"""Values of ``config/example.toml`` that belong to nobody."""
EXAMPLE_FLOWS = frozenset({"9876543210", "8765432109"})
"""Configurations of flows in ``config/example.toml``; they belong to nobody either."""
EXAMPLE_HOSTS = ("example.com", "example.net", "example.org")
# Where these stand in a Cognito domain, AWS refuses it.
RESERVED_WORDS = ("aws", "amazon", "cognito")
LONGEST_WAITS_SECONDS = 7 * 24 * 3600
SLOWEST_CALL_SECONDS = 60
ADDRESSES = (
    "partner.base_url",
    "meta.graph_base_url",
    "meta.sdk_base_url",
    "meta.dialog_base_url",
    "api.jwt_issuer",
    "messaging.base_url",
)
PAGES = ("links.refresh_url", "page.logo_url", "page.support_url")
"""Addresses that a customer's browser opens."""
ARNS = (
    "stage.alarm_topic_arn",
    "stage.permissions_boundary",
    "stage.table_key_arn",
    "stage.envelope_key_arn",
    "api.certificate_arn",
)
PRINCIPALS = ("api.key_readers", "bus.readers", "links.makers")
# What must be where the stack is, and why.
REGIONAL: Mapping[str, str] = MappingProxyType(
    {
        "stage.alarm_topic_arn": "alarms tell only topics of their own region",
        "stage.table_key_arn": "the table takes only keys of its own region",
        "stage.envelope_key_arn": "the functions use only keys of their own region",
        "api.certificate_arn": "the API takes only certificates of its own region",
    }
)
REFUSED_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "cn-": "Meta's Graph API cannot be reached from AWS in China",
        "us-iso": "AWS's isolated regions have no way to Meta and 360dialog",
        "eu-iso": "AWS's isolated regions have no way to Meta and 360dialog",
        "eusc-": "nobody has tried the European Sovereign Cloud, whose addresses end otherwise",
    }
)
GOVERNMENT = "us-gov-"

type Found = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known around the values: the stage asked for, account and region of the credentials."""

    stage: str | None = None
    account: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` is given what is around, and the values that are needed; it yields name and sentence."""

    needs: Sequence[str]
    check: Callable[..., Found]


def partition_of(region: str) -> str:
    """The partition of a region that is not refused."""
    return "aws-us-gov" if region.startswith(GOVERNMENT) else "aws"


# --- the stage and its place ---------------------------------------------------------------------------


def _name(around: Around, name: str) -> Found:
    if around.stage is not None and name != around.stage:
        yield "stage.name", f"is {name!r}, asked for was the stage {around.stage!r}; they must be the same"


def _reserved(_: Around, name: str, issuer: str | None, pool: str | None) -> Found:
    if issuer is not None or pool is not None or name == LOCAL_STAGE:
        return
    for word in RESERVED_WORDS:
        if word in name:
            told = f"{name!r} has {word!r} in it, which AWS refuses in the name of the sign-in pages"
            yield "stage.name", f"{told}; choose another"


def _guards(around: Around, account: str | None, region: str | None) -> Found:
    if account and around.account and account != around.account:
        told = f"is {account!r}, the credentials are those of {around.account!r}"
        yield "stage.account", f"{told}; use credentials of the stage's account (AWS_PROFILE)"
    if region and around.region and region != around.region:
        told = f"is {region!r}, this run goes to {around.region!r}"
        yield "stage.region", f"{told}; set AWS_REGION={region}"


def _possible_region(around: Around, given: str | None) -> Found:
    region = given or around.region or ""
    for start, reason in REFUSED_REGIONS.items():
        if region.startswith(start):
            yield "stage.region", f"{region!r} is not possible: {reason}; choose another region"


def _government(around: Around, region: str | None, issuer: str | None, pool: str | None) -> Found:
    if (region or around.region or "").startswith(GOVERNMENT) and issuer is None and pool is None:
        told = "is missing: the sign-in pages of a user pool of the stack's have another address in GovCloud"
        yield "api.jwt_issuer", f"{told}; name an identity provider of your own"


def _regional(around: Around, region: str | None, *arns: str | None) -> Found:
    known = region or around.region
    for (name, reason), arn in zip(REGIONAL.items(), arns, strict=True):
        if known and arn and (there := arn.split(":")[3]) != known:
            yield name, f"is in {there!r}, the stack goes to {known!r}: {reason}"


def _pool(around: Around, region: str | None, pool: str | None) -> Found:
    known = region or around.region
    if known and pool and (there := pool.partition("_")[0]) != known:
        told = f"is in {there!r}, the stack goes to {known!r}"
        yield "api.user_pool_id", f"{told}: an app client is made in the pool, so it must be in that region"


def _certificate_account(around: Around, account: str | None, arn: str | None) -> Found:
    known = account or around.account
    if known and arn and (there := arn.split(":")[4]) != known:
        yield (
            "api.certificate_arn",
            f"is of account {there!r}, the stack goes to {known!r}: use one of there",
        )


def _partitions(around: Around, region: str | None, *given: str | tuple[str, ...] | None) -> Found:
    known = region or around.region
    for name, value in zip((*ARNS, *PRINCIPALS), given, strict=True):
        for arn in (value,) if isinstance(value, str) else value or ():
            if known and arn.startswith("arn:") and (there := arn.split(":")[1]) != partition_of(known):
                yield name, f"{arn!r} is of the partition {there!r}, {known} of {partition_of(known)!r}"


# --- examples and addresses ----------------------------------------------------------------------------


def _is_real(around: Around, stage: str) -> bool:
    return (around.stage or stage) not in {LOCAL_STAGE, EXAMPLE_STAGE}


def _examples(around: Around, stage: str, *given: str) -> Found:
    for (name, example), value in zip(EXAMPLES.items(), given, strict=True):
        if _is_real(around, stage) and value == example:
            yield name, f"is still {value!r}, the one of example.toml; put your own"


def _example_host(name: str) -> Callable[..., Found]:
    def check(around: Around, stage: str, given: str | tuple[str, ...] | None) -> Found:
        listed = isinstance(given, tuple)
        for number, value in enumerate(given if isinstance(given, tuple) else (given or "",)):
            host = _host(value)
            if _is_real(around, stage) and any(f".{host}".endswith(f".{end}") for end in EXAMPLE_HOSTS):
                yield (
                    f"{name}.{number}" if listed else name,
                    f"{value!r} is an example's; put your own",
                )

    return check


def _host(value: str) -> str:
    """The host of an address, of an email address, or of a name."""
    return (urlsplit(value).hostname or "") if "://" in value else value.rpartition("@")[2].lower()


def _https(around: Around, stage: str, *given: str | None) -> Found:
    for name, value in zip(ADDRESSES, given, strict=True):
        yield from _https_at(name, value, around, stage)


def _https_at(name: str, value: str | None, around: Around, stage: str) -> Found:
    if not value or (around.stage or stage) == LOCAL_STAGE:
        return
    host = _host(value)
    if value.startswith("http://"):
        yield name, f"{value!r} must use https outside the stage {LOCAL_STAGE}"
    elif not is_public(host):
        yield name, f"{value!r}: {host!r} cannot be reached from AWS; name a host that the internet knows"


def _origins(around: Around, stage: str, origins: tuple[str, ...], localhost: object) -> Found:
    yield from _unsafe("api.allowed_origins", around, stage, origins, localhost)


def _unsafe(place: str, around: Around, stage: str, origins: tuple[str, ...], localhost: object) -> Found:
    if (around.stage or stage) == LOCAL_STAGE:
        return
    for number, origin in enumerate(origins):
        name = f"{place}.{number}"
        host = _host(origin)
        if not origin.startswith("http://") or (localhost and host == "localhost"):
            continue
        told = f"{origin!r} must use https outside the stage {LOCAL_STAGE}"
        if localhost:
            yield name, f"{told}; [api] localhost_origins allows http://localhost, not {host}"
        else:
            yield name, f"{told}; pages on http://localhost need [api] localhost_origins = true"


# --- values that belong together -----------------------------------------------------------------------


def _identity(_: Around, issuer: str | None, audience: tuple[str, ...], pool: str | None) -> Found:
    if pool is not None and (issuer is not None or audience):
        yield "api.user_pool_id", "stands beside jwt_issuer and jwt_audience: give the pool, or these two"
    elif issuer is None and audience:
        told = "is missing beside jwt_audience: give both, or neither for a Cognito user pool"
        yield "api.jwt_issuer", told
    elif issuer is not None and not audience:
        told = "is missing beside jwt_issuer: give both, or neither for a Cognito user pool"
        yield "api.jwt_audience", told


def _domain(_: Around, domain: str | None, certificate: str | None, zone: str | None) -> Found:
    if domain is None and certificate is not None:
        yield "api.domain_name", "is missing beside certificate_arn: give both, or neither"
    if domain is not None and certificate is None:
        yield "api.certificate_arn", "is missing beside domain_name: give both, or neither"
    if domain is None and zone is not None:
        yield "api.hosted_zone_id", "needs a domain_name to put into that zone"


def _zone(_: Around, domain: str | None, default: object) -> Found:
    if domain is None and default is False:
        yield (
            "api.default_endpoint",
            "is false, which leaves the API without an address: give a domain_name",
        )


def _throttle(_: Around, rate: int, burst: int) -> Found:
    if burst < rate:
        told = f"is {burst}, below throttle_rate ({rate})"
        yield "api.throttle_burst", f"{told}: calls would be refused before the rate is reached; raise it"


def _budget(_: Around, calls: int, window: int) -> Found:
    if window > calls * SLOWEST_CALL_SECONDS:
        told = f"is {window}, with budget_calls = {calls} less than one call a minute"
        yield "partner.budget_window_seconds", f"{told}: a number needs about six; the usual is 5 in 30"


def _hubs(around: Around, stage: str, partner_id: str, hubs: Mapping[str, "HubConfig"]) -> Found:
    taken = {partner_id: "[partner]"}
    for name, hub in hubs.items():
        place = f"hubs.{name}"
        if hub.partner_id in taken:
            told = f"is {hub.partner_id!r}, which {taken[hub.partner_id]} has: a hub is a partner"
            yield f"{place}.partner_id", f"{told}, with its own budget and its own webhook at 360dialog"
        taken.setdefault(hub.partner_id, f"[{place}]")
        if _is_real(around, stage) and hub.partner_id == EXAMPLES["partner.partner_id"]:
            yield f"{place}.partner_id", f"is still {hub.partner_id!r}, the one of example.toml; put your own"
        if hub.base_url is not None:
            yield from _https_at(f"{place}.base_url", hub.base_url, around, stage)


def _budgets(_: Around, calls: int, window: int, hubs: Mapping[str, "HubConfig"]) -> Found:
    for name, hub in hubs.items():
        own = (hub.budget_calls or calls, hub.budget_window_seconds or window)
        if own[1] > own[0] * SLOWEST_CALL_SECONDS:
            told = f"is {own[1]}, with budget_calls = {own[0]} less than one call a minute"
            yield (
                f"hubs.{name}.budget_window_seconds",
                f"{told}: a number needs about six; the usual is 5 in 30",
            )


def _messaging_of_hubs(
    _: Around, webhooks: Mapping[str, "WebhookConfig"], hubs: Mapping[str, "HubConfig"]
) -> Found:
    for name, hub in hubs.items():
        if hub.messaging is not None and hub.messaging not in webhooks:
            told = f"is {hub.messaging!r}, and there is no [messaging.webhooks.{hub.messaging}]"
            yield f"hubs.{name}.messaging", told


def _messaging_of_tenants(
    _: Around, webhooks: Mapping[str, "WebhookConfig"], tenants: Mapping[str, str]
) -> Found:
    for tenant, name in tenants.items():
        if name not in webhooks:
            yield f"messaging.tenants.{tenant}", f"is {name!r}, and there is no [messaging.webhooks.{name}]"


def _example_webhooks(around: Around, stage: str, webhooks: Mapping[str, "WebhookConfig"]) -> Found:
    for name, webhook in webhooks.items():
        yield from _example_host(f"messaging.webhooks.{name}.url")(around, stage, webhook.url)


def _waits(_: Around, waits: tuple[int, ...]) -> Found:
    if sum(waits) > LONGEST_WAITS_SECONDS:
        days = sum(waits) / 86400
        told = f"adds up to {days:.1f} days; a number is given up after 7"
        yield "partner.retry_schedule_seconds", f"{told}: shorten it"


def _solution(_: Around, solution: str, extras: Mapping[str, Any]) -> Found:
    yield from _other_solution("meta.extras", solution, extras)


def _flows(_: Around, solution: str, flows: Mapping[str, "FlowConfig"]) -> Found:
    for name, flow in flows.items():
        place = f"meta.flows.{name}.extras"
        if flow.solution:
            yield from _other_solution(place, solution, flow.extras)
        elif solution_in(flow.extras) is not None:
            yield place, "names a solution, and solution = false says that the popup is told none"


def _other_solution(place: str, solution: str, extras: Mapping[str, Any]) -> Found:
    given = solution_in(extras)
    if given is not None and given != solution:
        told = f"names the solution {given!r}, [partner] solution_id is {solution!r}"
        yield place, f"{told}: leave it out, the server puts the right one in"


def solution_in(extras: Mapping[str, Any]) -> object:
    """The solution that extras name; None where they name none."""
    setup = extras.get("setup")
    return setup.get("solutionID") if isinstance(setup, Mapping) else None


def _setup(_: Around, extras: Mapping[str, Any], flows: Mapping[str, "FlowConfig"]) -> Found:
    for place, one in (
        ("meta.extras", extras),
        *((f"meta.flows.{n}.extras", f.extras) for n, f in flows.items()),
    ):
        if "setup" in one and not isinstance(one["setup"], Mapping):
            yield place, "has a setup that is no table: what the popup is prepared with stands in it"


def _example_flows(around: Around, stage: str, flows: Mapping[str, "FlowConfig"]) -> Found:
    for name, flow in flows.items():
        if _is_real(around, stage) and flow.config_id in EXAMPLE_FLOWS:
            yield (
                f"meta.flows.{name}.config_id",
                f"is still {flow.config_id!r}, the one of example.toml; put your own",
            )


def _pages(around: Around, stage: str, *given: str | None) -> Found:
    for name, value in zip(PAGES, given, strict=True):
        if value and value.startswith("http://") and (around.stage or stage) != LOCAL_STAGE:
            yield name, f"{value!r} must use https outside the stage {LOCAL_STAGE}"


def _targets(around: Around, stage: str, targets: Mapping[str, "RelayTarget"]) -> Found:
    for name, target in targets.items():
        if "://" in target.to:
            yield from _sent_to(around, stage, f"relay.targets.{name}.to", target.to)


def _endpoints(around: Around, stage: str, endpoints: Mapping[str, "EndpointConfig"]) -> Found:
    for name, endpoint in endpoints.items():
        yield from _sent_to(around, stage, f"notifications.endpoints.{name}.url", endpoint.url)


def _sent_to(around: Around, stage: str, place: str, url: str) -> Found:
    """What is posted to must be in the internet; the local run may stay on this machine."""
    host = _host(url)
    if (around.stage or stage) == LOCAL_STAGE:
        return
    if url.startswith("http://"):
        yield place, f"{url!r} must use https outside the stage {LOCAL_STAGE}"
    elif not is_public(host):
        yield place, f"{url!r}: {host!r} is no host of the internet's; nothing is sent to others"
    elif _is_real(around, stage) and any(f".{host}".endswith(f".{end}") for end in EXAMPLE_HOSTS):
        yield place, f"{url!r} is an example's; put your own"


def _loopback(around: Around, stage: str, allowed: bool) -> Found:  # noqa: FBT001 - a value of the configuration
    if allowed and (around.stage or stage) != LOCAL_STAGE:
        yield "notifications.allow_loopback", f"may be true in the stage {LOCAL_STAGE} alone"


RULES: tuple[Rule, ...] = (
    Rule(("stage.name",), _name),
    Rule(("stage.name", "api.jwt_issuer", "api.user_pool_id"), _reserved),
    Rule(("stage.account", "stage.region"), _guards),
    Rule(("stage.region",), _possible_region),
    Rule(("stage.region", *REGIONAL), _regional),
    Rule(("stage.region", "api.user_pool_id"), _pool),
    Rule(("stage.region", *ARNS, *PRINCIPALS), _partitions),
    Rule(("stage.name", *EXAMPLES), _examples),
    Rule(("partner.budget_calls", "partner.budget_window_seconds"), _budget),
    Rule(("stage.name", "partner.partner_id", "hubs"), _hubs),
    Rule(("partner.budget_calls", "partner.budget_window_seconds", "hubs"), _budgets),
    Rule(("messaging.webhooks", "hubs"), _messaging_of_hubs),
    Rule(("messaging.webhooks", "messaging.tenants"), _messaging_of_tenants),
    Rule(("stage.name", "messaging.webhooks"), _example_webhooks),
    Rule(("partner.retry_schedule_seconds",), _waits),
    Rule(("partner.solution_id", "meta.extras"), _solution),
    Rule(("partner.solution_id", "meta.flows"), _flows),
    Rule(("meta.extras", "meta.flows"), _setup),
    Rule(("stage.name", "meta.flows"), _example_flows),
    Rule(("stage.name", *PAGES), _pages),
    Rule(("stage.name", "notifications.endpoints"), _endpoints),
    Rule(("stage.name", "notifications.allow_loopback"), _loopback),
    Rule(("stage.name", "relay.targets"), _targets),
    Rule(
        ("stage.name", "meta.redirect_uris", "api.localhost_origins"), partial(_unsafe, "meta.redirect_uris")
    ),
    Rule(
        ("stage.name", "links.return_origins", "api.localhost_origins"),
        partial(_unsafe, "links.return_origins"),
    ),
    Rule(("stage.name", *ADDRESSES), _https),
    Rule(("stage.name", "api.allowed_origins", "api.localhost_origins"), _origins),
    Rule(("api.jwt_issuer", "api.jwt_audience", "api.user_pool_id"), _identity),
    Rule(("stage.region", "api.jwt_issuer", "api.user_pool_id"), _government),
    Rule(("api.throttle_rate", "api.throttle_burst"), _throttle),
    Rule(("api.domain_name", "api.certificate_arn", "api.hosted_zone_id"), _domain),
    Rule(("stage.account", "api.certificate_arn"), _certificate_account),
    Rule(("api.domain_name", "api.default_endpoint"), _zone),
    *(
        Rule(("stage.name", name), _example_host(name))
        for name in (
            "stage.alarm_emails",
            *ADDRESSES,
            "api.allowed_origins",
            "api.domain_name",
            "messaging.webhook_url",
            "meta.redirect_uris",
            "links.return_origins",
            *PAGES,
        )
    ),
)
