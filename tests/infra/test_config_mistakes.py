"""Each mistake in the configuration, and the sentence that it is answered with."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.config import ConfigError, DeploymentConfig, load_config, mistakes_in, overridable_values
from infra.config_rules import Around
from infra.environment import check_sizes
from infra.paths import CONFIG, ROOT
from tests.infra.reading import UNPACKED

RAW: Mapping[str, Mapping[str, Any]] = {
    "stage": {"name": "dev", "removal": "retain"},
    "partner": {"partner_id": "acmePA", "solution_id": "223456789012345"},
    "meta": {
        "app_id": "2234567890",
        "config_id": "8876543210",
        "graph_version": "v26.0",
        "extras": {"setup": {"solutionID": "223456789012345"}},
    },
    "api": {"allowed_origins": ["https://app.deployer.test"]},
    "messaging": {"webhook_url": "https://messages.deployer.test/whatsapp"},
}
FLOW = {"config_id": "7876543210"}
CRM = {"url": "https://crm.deployer.test/in"}
EMEA = {"partner_id": "emeaPA", "solution_id": "323456789012345"}
CERTIFICATE = "arn:aws:acm:eu-central-1:223456789012:certificate/ab-cd"
KEY = "arn:aws:kms:eu-central-1:223456789012:key/ab-cd"
TOPIC = "arn:aws:sns:eu-central-1:223456789012:alarms"
ROLE = "arn:aws:iam::223456789012:role/reader"
DAY = 86_400
# What must never be shown: these are pydantic's words, or Python's.
FOREIGN = re.compile(
    r"Input should|Extra inputs|Field required|Value error|valid (string|integer|tuple|dict)|pattern '|"
    r"<class|object at|NoneType|datetime\.|pydantic|\bdict\b|\btuple\b|\bNone\b|\bTrue\b|\bFalse\b"
)


def told(
    values: Mapping[str, object] | None = None, *, around: Around | None = None, raw: Any = RAW
) -> list[str]:
    """The lines of the mistakes, with values put into the file."""
    content = json.loads(json.dumps(raw))
    for name, value in (values or {}).items():
        section, _, key = name.partition(".")
        content.setdefault(section, {})[key] = value
    return [one.line("dev.toml") for one in mistakes_in(content, around=around)]


def test_the_file_that_the_mistakes_are_put_into_has_none() -> None:
    assert told() == []


def of_hubs(**hubs: object) -> list[str]:
    """The lines of the mistakes of a file with these hubs."""
    return [one.line("dev.toml") for one in mistakes_in({**json.loads(json.dumps(RAW)), "hubs": hubs})]


def test_several_hubs_are_no_mistake() -> None:
    latam = {"partner_id": "latamPA", "solution_id": "423456789012345", "budget_calls": 10}
    assert of_hubs(emea=EMEA, latam=latam) == []


@pytest.mark.parametrize(
    ("hubs", "expected"),
    [
        ({"default": EMEA}, "'default' is the hub of [partner]: put its values there, or rename it"),
        ({"EMEA": EMEA}, "'EMEA' is no name of a hub: 1 to 31 lower-case letters, digits and -"),
        ({f"h{n}": EMEA for n in range(10)}, "holds 10 hubs; there may be 9 beside the one of [partner]"),
        ({"emea": EMEA | {"partner_id": "acmePA"}}, "is 'acmePA', which [partner] has: a hub is a partner"),
        ({"emea": EMEA, "latam": EMEA}, "is 'emeaPA', which [hubs.emea] has: a hub is a partner"),
        ({"emea": {"partner_id": "emeaPA"}}, "emea.solution_id: is missing"),
        ({"emea": EMEA | {"partner": "x"}}, "there is no such value; did you mean partner_id?"),
        ({"emea": EMEA | {"base_url": "http://hub.test"}}, "must use https"),
        ({"emea": EMEA | {"budget_calls": 0}}, "must be a whole number of calls from 1"),
        ({"emea": EMEA | {"budget_calls": 1, "budget_window_seconds": 3600}}, "less than one call a minute"),
        ({"emea": EMEA | {"messaging": "crm"}}, "is 'crm', and there is no [messaging.webhooks.crm]"),
        ({"emea": EMEA | {"watch_balance": -1}}, "must be a whole amount from 1"),
    ],
)
def test_a_mistake_in_a_hub_is_told_with_its_name(hubs: Mapping[str, object], expected: str) -> None:
    lines = of_hubs(**hubs)
    assert any(expected in line for line in lines), lines
    assert not any(FOREIGN.search(line) for line in lines)


ONE_VALUE: tuple[tuple[str, object, str], ...] = (
    # The section stage.
    ("stage.name", "Dev", "[stage] name: is 'Dev', must be 2 to 20 lower-case letters"),
    ("stage.name", "a" * 21, "must be 2 to 20 lower-case letters"),
    ("stage.name", "dev-", "no hyphen last"),
    (
        "stage.name",
        "aws-dev",
        "'aws-dev' has 'aws' in it, which AWS refuses in the name of the sign-in pages",
    ),
    ("stage.name", "my-cognito", "has 'cognito' in it"),
    ("stage.removal", "Retain", "is 'Retain', must be \"retain\" or \"destroy\"; did you mean 'retain'?"),
    ("stage.removal", None, 'is null, must be "retain"'),
    ("stage.account", 111122223333, "is the number 111122223333, must be the 12 digits of an AWS account"),
    ("stage.account", 111122223333, "write it in quotes"),
    ("stage.account", "1234", "is '1234', must be the 12 digits"),
    ("stage.region", "EU-Central-1", 'must be a region of AWS in lower case, such as "eu-central-1"'),
    ("stage.region", "cn-north-1", "Meta's Graph API cannot be reached from AWS in China"),
    ("stage.region", "us-iso-east-1", "have no way to Meta and 360dialog"),
    ("stage.region", "eusc-de-east-1", "European Sovereign Cloud"),
    ("stage.region", "us-gov-west-1", "[api] jwt_issuer: is missing: the sign-in pages"),
    ("stage.alarm_emails", "me@deployer.test", "is 'me@deployer.test', must be a list of email addresses"),
    ("stage.alarm_emails", ["nobody"], "[stage] alarm_emails.0: is 'nobody'; alarm_emails must be a list of"),
    ("stage.alarm_emails", ["a@b.test", "a@b.test"], "names 'a@b.test' more than once"),
    ("stage.alarm_topic_arn", "alarms", "must be the ARN of an SNS topic"),
    ("stage.tracing", "maybe", "is 'maybe', must be true or false, without quotes"),
    ("stage.tracing", 1, "is the number 1, must be true or false"),
    ("retention.facts_days", 0, "must be a whole number of days from 1 to 3650"),
    ("retention.facts_days", 36_500, "(ten years)"),
    ("retention.facts_days", True, "is true, must be a whole number"),
    ("retention.facts_days", 1.5, "is the number 1.5, must be a whole number"),
    ("stage.log_retention_days", 31, "is the number 31, must be a number of days that CloudWatch Logs knows"),
    ("stage.release", "Canary", "did you mean 'canary'?"),
    ("stage.receiver_concurrency", 0, "must be a whole number from 1 to 1000, or left out"),
    ("stage.permissions_boundary", "a boundary", "must be the name or the ARN of an IAM policy"),
    ("stage.qualifier", "My-Own", "must be 1 to 10 lower-case letters and digits"),
    ("stage.tags", {"Stage": "x"}, "'Stage' is 'stage' to IAM, which the stack sets"),
    ("stage.tags", {"aws:team": "x"}, "names that begin with aws: belong to AWS"),
    ("stage.tags", {"te%am": "x"}, "'te%am' is no name of a tag"),
    ("stage.tags", {"team": "a\nb"}, "the value of 'team' is none of a tag"),
    ("stage.tags", {"team": 5}, "[stage] tags.team: is a number; tags must be a table of texts"),
    ("stage.tags", {f"t{n}": "x" for n in range(41)}, "holds 41 tags"),
    ("stage.tags", {"team": "x", "Team": "x"}, "'Team' and 'team' are the same tag to people"),
    ("stage.table_key_arn", "alias/mine", "must be the ARN of a KMS key"),
    ("stage.envelope_key_arn", KEY.replace("key/", "alias/"), "not of an alias"),
    # The section partner.
    ("partner.partner_id", "acme", 'letters and digits with "PA" in capitals at its end'),
    ("partner.partner_id", "acmepa", "is 'acmepa', must be your partner id at 360dialog"),
    ("partner.partner_id", "ac mePA", "[partner] partner_id: is 'ac mePA'"),
    ("partner.partner_id", "examplePA", "is still 'examplePA', the one of example.toml; put your own"),
    ("partner.solution_id", "123", "is '123', must be 14 to 18 digits in quotes"),
    ("partner.solution_id", 223456789012345, "is the number 223456789012345"),
    ("partner.solution_id", "123456789012345", "is still '123456789012345', the one of example.toml"),
    ("partner.solution_id", "\u0661" * 15, "must be 14 to 18 digits"),
    (
        "partner.solution_id",
        "323456789012345",
        "[meta] extras: names the solution '223456789012345', [partner]",
    ),
    ("partner.base_url", "hub.360dialog.io", "'hub.360dialog.io' is not an https address; write https://"),
    ("partner.base_url", "http://hub.360dialog.io", "must use https"),
    ("partner.base_url", "https://hub.internal/api", "'hub.internal' cannot be reached from AWS"),
    ("partner.default_plan_tier", "gold", 'is \'gold\', must be "basic", "regular" or "premium"'),
    ("partner.budget_calls", 0, "must be a whole number of calls from 1 to 1000"),
    ("partner.budget_calls", 10**30, "is a number, must be a whole number of calls"),
    ("partner.budget_window_seconds", 3601, "must be a whole number of seconds from 1 to 3600 (an hour)"),
    ("partner.budget_window_seconds", 600, "with budget_calls = 5 less than one call a minute"),
    ("partner.retry_schedule_seconds", [], "is an empty list, must be a list of 1 to 50 waits"),
    ("partner.retry_schedule_seconds", [5, 10**9], "retry_schedule_seconds.1: is the number 1000000000;"),
    ("partner.retry_schedule_seconds", [5, 10**9], "the longest that a queue holds a message back"),
    ("partner.retry_schedule_seconds", [DAY // 2] * 20, "adds up to 10.0 days; a number is given up after 7"),
    ("partner.retry_schedule_seconds", [5, "soon"], "retry_schedule_seconds.1: is 'soon'"),
    ("partner.retry_schedule_seconds", 5, "is the number 5, must be a list"),
    ("partner.reconcile_after_seconds", 365 * DAY, "must be a whole number of seconds from 1 to 21600"),
    # The section meta.
    ("meta.app_id", "12a4567", "[meta] app_id: is '12a4567', must be the digits of your Meta app's id"),
    ("meta.app_id", "", "is empty, must be the digits"),
    ("meta.app_id", "1234567890", "is still '1234567890'"),
    ("meta.config_id", "9876543210", "is still '9876543210'"),
    ("meta.config_id", "5" * 5000, "… (5000 characters), must be"),
    ("meta.graph_version", "26.0", "is '26.0', must be a version of the Graph API, such as \"v26.0\""),
    ("meta.graph_version", "v\u0662\u0666.0", "must be a version of the Graph API"),
    ("meta.extras", {"setup": "x"}, "has a setup that is no table"),
    ("meta.extras", {"setup": {"solutionID": "523456789012345"}}, "names the solution '523456789012345'"),
    (
        "meta.extras",
        {"setup": {"solutionID": 223456789012345}},
        "leave it out, the server puts the right one in",
    ),
    ("meta.sdk_base_url", "http://connect.deployer.test", "must use https"),
    ("meta.dialog_base_url", "http://dialog.deployer.test", "must use https"),
    ("meta.redirect_uris", "x", "is 'x', must be a list of at most 20 addresses of pages"),
    ("meta.redirect_uris", ["https://a.test/#x"], "0: 'https://a.test/#x' must not have a fragment"),
    ("meta.redirect_uris", ["https://u:p@a.test/x"], "must not carry a user name or password"),
    ("meta.redirect_uris", ["http://a.test/x"], "must use https"),
    ("meta.redirect_uris", ["http://localhost:3000/x"], "need [api] localhost_origins = true"),
    ("meta.redirect_uris", ["https://a.test/x"] * 2, "names 'https://a.test/x' more than once"),
    ("meta.redirect_uris", [f"https://a.test/{n}" for n in range(21)], "must be a list of at most 20"),
    ("meta.redirect_uris", ["https://app.example.com/x"], "is an example's; put your own"),
    ("partner.watch_balance", 0, "must be a whole amount from 1 to 1000000000, without a currency"),
    ("messaging.webhooks", {"CRM": CRM}, "'CRM' is no name of a webhook"),
    ("messaging.webhooks", {f"w{n}": CRM for n in range(21)}, "holds 21 webhooks; there may be 20"),
    ("messaging.webhooks", {"crm": {}}, "webhooks.crm.url: is missing"),
    ("messaging.webhooks", {"crm": CRM | {"headers": ["a", "A"]}}, "webhooks.crm.headers"),
    ("messaging.webhooks", {"crm": CRM | {"header": 1}}, "there is no such value; did you mean headers?"),
    (
        "messaging.tenants",
        {"acme": "crm"},
        "acme: is 'crm', and there is no [messaging.webhooks.crm]",
    ),
    ("meta.flows", "x", "is 'x', must be a table of flows, each [meta.flows.<name>] with its config_id"),
    ("meta.flows", {"agency": "x"}, "is text; flows must be a table of flows"),
    ("meta.flows", {"standard": FLOW}, "'standard' is the flow of [meta] config_id and extras"),
    ("meta.flows", {"My Flow": FLOW}, "'My Flow' is no name of a flow"),
    ("meta.flows", {f"f{n}": FLOW for n in range(21)}, "holds 21 flows; there may be 20"),
    ("meta.flows", {"a": {}}, "flows.a.config_id: is missing, must be the digits"),
    ("meta.flows", {"a": {"config_id": 12345}}, "is the number 12345, must be the digits"),
    ("meta.flows", {"a": FLOW | {"config": 1}}, "there is no such value; did you mean config_id?"),
    ("meta.flows", {"a": FLOW | {"zzz": 1}}, "there is no such value; there are config_id, extras, solution"),
    ("meta.flows", {"a": FLOW | {"solution": "no"}}, "is 'no', must be true or false, without quotes"),
    ("meta.flows", {"a": FLOW | {"extras": "x"}}, "is 'x', must be a table, [meta.flows.<name>.extras]"),
    ("meta.flows", {"a": FLOW | {"extras": {"setup": 1}}}, "has a setup that is no table"),
    (
        "meta.flows",
        {"a": FLOW | {"extras": {"setup": {"solutionID": "523456789012345"}}}},
        "flows.a.extras: names the solution '523456789012345'",
    ),
    (
        "meta.flows",
        {"a": FLOW | {"solution": False, "extras": {"setup": {"solutionID": "223456789012345"}}}},
        "names a solution, and solution = false says that the popup is told none",
    ),
    ("meta.flows", {"a": {"config_id": "8765432109"}}, "is still '8765432109', the one of example.toml"),
    ("meta.extras", "x", "is 'x', must be a table, [meta.extras]"),
    # The section api.
    # The sections links and page.
    ("links.days", 0, "is the number 0, must be a whole number of days from 1 to 30"),
    ("links.days", 31, "must be a whole number of days from 1 to 30"),
    ("links.return_origins", ["https://app.deployer.test/x"], "without path or trailing slash"),
    ("links.return_origins", ["http://localhost:3000"], "need [api] localhost_origins = true"),
    ("links.return_origins", ["https://app.example.com"], "is an example's; put your own"),
    ("links.refresh_url", "https://app.deployer.test/#x", "must not have a fragment"),
    ("links.refresh_url", "http://127.0.0.1/x", "must use https outside the stage local"),
    ("links.refresh_url", "javascript:alert(1)", "is not an https address"),
    ("links.makers", ["*"], "is '*'; makers must be a list of ARNs"),
    ("page.enabled", "yes", "is 'yes', must be true or false, without quotes"),
    ("page.name", "two\nlines", "must be one line of at most 60 characters, no blanks at its ends"),
    ("page.name", "n" * 61, "must be one line of at most 60 characters"),
    ("page.logo_url", "logo.svg", "is not an https address"),
    ("page.logo_url", "https://www.example.com/logo.svg", "is an example's; put your own"),
    ("page.accent", "green", "is 'green', must be a colour as six hexadecimal digits"),
    ("page.accent_dark", "#fff", "must be a colour as six hexadecimal digits"),
    ("page.support_url", "mailto:help", "needs one email address behind mailto:, and nothing else"),
    ("page.support_url", "mailto:help@deployer.test?bcc=x@y.test", "needs one email address behind mailto:"),
    ("page.support_url", "tel:123", "is not an https address"),
    ("api.allowed_origins", "https://a.test", "is 'https://a.test', must be a list with at least one origin"),
    ("api.allowed_origins", [], "is an empty list, must be a list with at least one origin"),
    ("api.allowed_origins", ["*"], "[api] allowed_origins.0: '*': name each origin exactly, no wildcard"),
    ("api.allowed_origins", ["https://*.a.test"], "no wildcard"),
    ("api.allowed_origins", ["https://a.test/"], "without path or trailing slash"),
    ("api.allowed_origins", ["https://A.test"], "in lower case"),
    ("api.allowed_origins", ["https://a.test:443"], "browsers leave the usual port out"),
    ("api.allowed_origins", ["https://a.test:port"], "has an impossible host or port"),
    ("api.allowed_origins", ["https://[::1"], "has an impossible host or port"),
    ("api.allowed_origins", ["https://a .test"], "has blanks or characters that no address has"),
    ("api.allowed_origins", ["https://ä.test"], "has blanks or characters that no address has"),
    ("api.allowed_origins", ["https://u:p@a.test"], "must not carry a user name or password"),
    ("api.allowed_origins", ["http://a.test"], "must use https"),
    ("api.allowed_origins", ["https://a.test", "https://a.test"], "names 'https://a.test' more than once"),
    ("api.allowed_origins", ["http://localhost:3000"], "need [api] localhost_origins = true"),
    ("api.allowed_origins", ["https://app.example.com"], "'https://app.example.com' is an example's"),
    ("api.allowed_origins", [7] * 10, "and 7 more of this kind"),
    (
        "api.jwt_issuer",
        "https://login.deployer.test",
        "jwt_audience: is missing beside jwt_issuer: give both",
    ),
    ("api.jwt_audience", ["onramp"], "jwt_issuer: is missing beside jwt_audience: give both"),
    ("api.jwt_audience", ["on ramp"], "jwt_audience must be a list of texts without blanks"),
    ("api.jwt_issuer", "https://login.deployer.test ", "has blanks"),
    (
        "api.jwt_issuer",
        "https://login.deployer.test/a/.well-known/openid-configuration",
        "is a document of the issuer's; write the issuer that it names: 'https://login.deployer.test/a'",
    ),
    ("api.jwt_issuer", "https://login.deployer.test/.well-known/jwks.json", "is a document of the issuer's"),
    ("api.jwt_issuer", "https://10.0.0.7", "'10.0.0.7' cannot be reached from AWS"),
    ("api.tenant_claim", "", "is empty, must be the name of a claim"),
    ("api.throttle_rate", 0, "must be a whole number of requests from 1 to 10000"),
    ("api.throttle_rate", 200, "[api] throttle_burst: is 100, below throttle_rate (200)"),
    ("api.domain_name", "onramp.deployer.test", "certificate_arn: is missing beside domain_name"),
    ("api.domain_name", "https://onramp.deployer.test", "without https:// and path"),
    ("api.domain_name", "my_host.deployer.test", "must be a host name in lower case"),
    ("api.domain_name", "onramp.example.com", "is an example's; put your own"),
    ("api.certificate_arn", CERTIFICATE, "domain_name: is missing beside certificate_arn"),
    ("api.certificate_arn", "certificate/ab-cd", "must be the ARN of a certificate"),
    ("api.hosted_zone_id", "Z0123456789ABC", "needs a domain_name to put into that zone"),
    ("api.localhost_origins", "yes", "must be true or false"),
    ("api.default_endpoint", False, "leaves the API without an address: give a domain_name"),
    (
        "api.key_readers",
        [ROLE.replace("role", "group")],
        "key_readers.0: is 'arn:aws:iam::223456789012:group",
    ),
    ("api.key_readers", ["*"], "key_readers must be a list of ARNs"),
    ("api.user_pool_id", "pool", "must be the id of a Cognito user pool"),
    # The section messaging.
    ("messaging.webhook_url", "http://messages.deployer.test/x", "must use https"),
    ("messaging.webhook_url", "https://messages.deployer.test:8443/x", "must not name a port"),
    ("messaging.webhook_url", "https://my_host.deployer.test/x", "underscore in its host name"),
    ("messaging.webhook_url", "https://messages.example.com/x", "is an example's; put your own"),
    ("messaging.webhook_url", "https://messages.deployer.test/x y", "has blanks"),
    ("messaging.webhook_url", "https://messages..deployer.test/x", "has an impossible host or port"),
    (
        "messaging.webhook_url",
        "https://" + "a" * 2000,
        "an address has 1000 characters at most, and this 2008",
    ),
    ("messaging.webhook_headers", {"X Token": "a"}, "'X Token' is no name of a header"),
    ("messaging.webhook_headers", {"X-Töken": "a"}, "is no name of a header"),
    ("messaging.webhook_headers", {"": "a"}, "'' is no name of a header"),
    (
        "messaging.webhook_headers",
        {"X-A": "s3cret\r\nX-B: c"},
        "the value of 'X-A' must be one line of ASCII",
    ),
    ("messaging.webhook_headers", {"X-A": " s3cret"}, "without blanks at its ends"),
    ("messaging.webhook_headers", {"X-A": "s3crét"}, "must be one line of ASCII text"),
    ("messaging.webhook_headers", {"X-A": 5}, "webhook_headers.X-A: is a number; webhook_headers must be"),
    ("messaging.webhook_headers", {"Host": "a"}, "'Host' is written by whoever sends the message"),
    ("messaging.webhook_headers", {"X-A": "b", "x-a": "c"}, "'X-A' and 'x-a' are the same header"),
    ("messaging.webhook_headers", ["X-A"], "is a list, must be a table of texts"),
    ("messaging.base_url", "ftp://waba.deployer.test", "is not an https address"),
    ("messaging.base_url", "https://waba.deployer.test?x=1", "must have neither a query nor a fragment"),
    # The others.
    ("numbers.mend_keys", True, 'is true, must be "report" or "mend"'),
    ("numbers.mend_webhooks", "ment", "did you mean 'mend'?"),
    ("bus.archive_days", -1, "must be a whole number of days from 0 (no archive)"),
    ("bus.readers", ROLE, "must be a list of ARNs"),
    # Names.
    (
        "partner.partnerid",
        "x",
        "[partner] partnerid: there is no such value; did you mean [partner] partner_id?",
    ),
    ("stage.alarm_email", "a@b.test", "did you mean [stage] alarm_emails?"),
    ("partner.app_id", "1", "did you mean [meta] app_id?"),
    ("bus.zzz", "1", "there is no such value; [bus] has readers, archive_days"),
    ("partners.x", "1", "[partners]: there is no such section; did you mean [partner]?"),
    ("zzz.x", "1", "there is no such section; there are [stage], [partner]"),
)


@pytest.mark.parametrize(("name", "value", "sentence"), ONE_VALUE)
def test_a_wrong_value_is_answered_with_a_sentence(name: str, value: object, sentence: str) -> None:
    lines = told({name: value})
    assert any(sentence in line for line in lines), lines
    assert not [line for line in lines if FOREIGN.search(line) or "s3cr" in line]
    assert all(re.match(r"dev\.toml: \[\w+\]( [^ ]+)?: ", line) for line in lines)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "[::1]", "10.1.2.3", "192.168.0.9"),
        *("172.16.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "100.64.0.1", "240.0.0.1", "192.0.2.1"),
        *(
            "messages",
            "messages.local",
            "messages.internal",
            "messages.localhost",
            "a.home.arpa",
            "messages.lan.",
        ),
    ],
)
def test_messages_are_not_sent_where_360dialog_cannot_reach(host: str) -> None:
    [line] = told({"messaging.webhook_url": f"https://{host}/whatsapp"})
    assert "360dialog calls from the internet and cannot reach" in line


PLACE = Around(account="223456789012", region="eu-central-1")
WITH_DOMAIN = {"api.domain_name": "onramp.deployer.test", "api.certificate_arn": CERTIFICATE}
ELSEWHERE = "us-east-1"


@pytest.mark.parametrize(
    ("values", "around", "sentence"),
    [
        ({"stage.account": "111122223333"}, PLACE, "is '111122223333', the credentials are those of '2234"),
        (
            {"stage.region": ELSEWHERE},
            PLACE,
            "is 'us-east-1', this run goes to 'eu-central-1'; set AWS_REGION=",
        ),
        ({}, Around(region="cn-northwest-1"), "'cn-northwest-1' is not possible"),
        ({}, Around(stage="prod"), "is 'dev', asked for was the stage 'prod'; they must be the same"),
        (
            WITH_DOMAIN,
            Around(region=ELSEWHERE),
            "is in 'eu-central-1', the stack goes to 'us-east-1': the API takes only certificates of its own",
        ),
        (WITH_DOMAIN | {"stage.region": ELSEWHERE}, Around(), "the API takes only certificates"),
        (
            WITH_DOMAIN,
            Around(account="111122223333"),
            "certificate_arn: is of account '223456789012', the stack",
        ),
        ({"stage.alarm_topic_arn": TOPIC}, Around(region=ELSEWHERE), "alarms tell only topics of their own"),
        (
            {"stage.table_key_arn": KEY},
            Around(region=ELSEWHERE),
            "the table takes only keys of its own region",
        ),
        ({"stage.envelope_key_arn": KEY}, Around(region=ELSEWHERE), "the functions use only keys"),
        (
            {"api.user_pool_id": "eu-central-1_Ab"},
            Around(region=ELSEWHERE),
            "an app client is made in the pool",
        ),
        (
            {"bus.readers": [ROLE.replace("aws", "aws-us-gov")]},
            PLACE,
            "is of the partition 'aws-us-gov', eu-central-1 of 'aws'",
        ),
        (
            {"api.user_pool_id": "eu-central-1_Ab", "api.jwt_audience": ["onramp"]},
            PLACE,
            "stands beside jwt_issuer and jwt_audience: give the pool, or these two",
        ),
        (
            {"api.allowed_origins": ["http://127.0.0.1:3000"], "api.localhost_origins": True},
            PLACE,
            "localhost_origins allows http://localhost, not 127.0.0.1",
        ),
    ],
)
def test_values_that_do_not_go_together_are_told(
    values: Mapping[str, object], around: Around, sentence: str
) -> None:
    lines = told(values, around=around)
    assert any(sentence in line for line in lines), lines


@pytest.mark.parametrize(
    "values",
    [
        {"api.allowed_origins": ["http://localhost:3000", "https://a.test"], "api.localhost_origins": True},
        WITH_DOMAIN | {"api.default_endpoint": False, "api.hosted_zone_id": "Z0123456789ABC"},
        {"stage.account": "223456789012", "stage.region": "eu-central-1"},
        {"stage.alarm_topic_arn": TOPIC, "stage.table_key_arn": KEY, "stage.envelope_key_arn": KEY},
        {"api.user_pool_id": "eu-central-1_AbCdEf", "stage.name": "aws-dev"},
        {"api.jwt_issuer": "https://login.deployer.test/", "api.jwt_audience": ["onramp"]},
        {"api.key_readers": [ROLE, "arn:aws:iam::223456789012:root"], "bus.readers": [ROLE]},
        {"stage.permissions_boundary": "arn:aws:iam::223456789012:policy/team/bound"},
        {"stage.permissions_boundary": "bound"},
        {"stage.tags": {"cost centre": "4711", "stage": "development"}},
        {"stage.log_retention_days": 3653, "bus.archive_days": 30, "stage.receiver_concurrency": 5},
        {"messaging.webhook_headers": {"Authorization": "Basic YTpi", "X_Odd.Name": ""}},
        {"messaging.webhook_url": "https://messages.deployer.test/whatsapp?tenant=a%20b"},
        {"retention.facts_days": "30", "stage.tracing": "true"},
    ],
)
def test_what_is_right_is_not_refused(values: Mapping[str, object]) -> None:
    assert told(values, around=PLACE) == []


def test_another_partition_is_possible_with_users_of_ones_own() -> None:
    values = {
        "api.jwt_issuer": "https://login.deployer.test",
        "api.jwt_audience": ["onramp"],
        "bus.readers": [ROLE.replace("arn:aws", "arn:aws-us-gov")],
        "stage.region": "us-gov-west-1",
    }
    assert told(values) == []


# --- every field, with everything that is wrong anywhere ----------------------------------------------

ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, float("nan"), 10**400, "", " ", "x" * 5000, "\x00", "ß∂\u202e", "'; --"),
    *([], [None], [[]], ["", ""], {}, {"": ""}, {"a": {"b": [None]}}, datetime(2026, 1, 1, tzinfo=UTC)),
)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", overridable_values())
def test_nothing_that_stands_in_a_field_is_answered_in_foreign_words(name: str, odd: object) -> None:
    content = {section: dict(table) for section, table in RAW.items()}
    section, _, key = name.partition(".")
    content.setdefault(section, {})[key] = odd
    for mistake in mistakes_in(content):
        line = mistake.line("dev.toml")
        assert not FOREIGN.search(line)
        assert len(line) < 400
        assert line.isprintable()


@pytest.mark.parametrize("name", overridable_values())
def test_every_field_says_what_it_must_be(name: str) -> None:
    class Strange:
        """Fits nowhere."""

    content: dict[str, Any] = {section: dict(table) for section, table in RAW.items()}
    section, _, key = name.partition(".")
    if key:
        content.setdefault(section, {})[key] = Strange()
    else:
        content[section] = Strange()
    place = f"dev.toml: [{section}]{f' {key}' if key else ''}: is "
    lines = [one.line("dev.toml") for one in mistakes_in(content)]
    assert any(line.startswith(place) and ", must be " in line for line in lines)


@pytest.mark.parametrize("odd", [None, True, 5, "text", [], [{"name": "dev"}]])
@pytest.mark.parametrize("section", ["stage", "api", "bus"])
def test_a_section_that_is_none_is_told(section: str, odd: object) -> None:
    lines = [one.line("dev.toml") for one in mistakes_in({**RAW, section: odd})]
    assert not [line for line in lines if FOREIGN.search(line)]
    if odd is not None:
        assert any("must be a section with values below" in line for line in lines)


def test_a_value_above_all_sections_is_told() -> None:
    [line] = told(raw={**RAW, "partner_id": "acmePA"})
    assert "[partner_id]: stands above all sections; did you mean [partner] partner_id?" in line


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = told(
        {
            "messaging.webhook_url": "https://messages.local/x",
            "api.throttle_burst": 1,
            "stage.removal": "no",
            "partner.partner_id": "examplePA",
            "stage.colour": "red",
        }
    )
    assert [line.split(": ")[1] for line in lines] == [
        "[stage] removal",
        "[stage] colour",
        "[partner] partner_id",
        "[api] throttle_burst",
        "[messaging] webhook_url",
    ]


# --- where a mistake is looked for -------------------------------------------------------------------


def refused(overrides: Mapping[str, object], stage: str = "example", **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(directory=CONFIG, stage=stage, overrides=overrides, **more)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("meta.app_id", "1a", "given for this run (-c meta.app_id): [meta] app_id: is '1a', must be"),
        (
            "api.allowed_origins",
            "*",
            "given for this run (-c api.allowed_origins): [api] allowed_origins.0: '*'",
        ),
        ("meta.extras", "{no", "given for this run (-c meta.extras): [meta] extras: not JSON: "),
        ("meta.app_idd", "1", "there is no such value; did you mean meta.app_id?"),
        ("Meta.App_Id", "1", "did you mean meta.app_id?"),
        ("meta.extras.setup", "1", "names a part of meta.extras; give meta.extras whole, as JSON"),
        ("mesaging.webhook_url", "x", "did you mean messaging.webhook_url?"),
        ("colour.red", "x", "there is no such value; config/example.toml has them all"),
        ("api.jwt_issuer", "https://l.deployer.test", "config/example.toml: [api] jwt_audience: is missing"),
    ],
)
def test_a_value_for_one_run_is_told_as_such(name: str, value: str, line: str) -> None:
    assert any(line in told for told in refused({name: value}))


def test_a_value_for_one_run_mends_one_of_the_file() -> None:
    config = load_config(directory=CONFIG, stage="example", overrides={"retention.facts_days": "7"})
    assert config.retention.facts_days == 7


def test_a_configuration_that_is_made_by_hand_keeps_the_rules_too() -> None:
    broken = {**RAW, "api": {**RAW["api"], "hosted_zone_id": "Z0123456789ABC"}}
    with pytest.raises(ValueError, match="needs a domain_name"):
        DeploymentConfig.model_validate(broken)


# --- the file ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[stage", "not TOML: "),
        (b'[stage]\nname = "d\xe9v"', "not TOML: byte 17 is not UTF-8; save it as UTF-8"),
        (b"[retention]\nfacts_days = " + b"9" * 5000, "not TOML: "),
        (b"a = " + b"[" * 100_000, "not TOML: "),
        (b"", "[stage]: is missing, with name, removal; config/example.toml has it"),
        (b'\xef\xbb\xbf[stage]\nname = "dev"', "[stage] removal: is missing, must be "),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "dev.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(directory=tmp_path, stage="dev")
    assert f"{tmp_path.name}/dev.toml: {sentence}" in str(caught.value)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").mkdir()
    with pytest.raises(ConfigError, match=r"dev\.toml: cannot be read: Is a directory"):
        load_config(directory=tmp_path, stage="dev")


def test_a_file_may_come_from_elsewhere_and_names_its_stage_all_the_same(tmp_path: Path) -> None:
    brought = tmp_path / "brought.toml"
    brought.write_text((CONFIG / "example.toml").read_text(encoding="utf-8"), encoding="utf-8")
    assert load_config(directory=CONFIG, stage="example", path=brought).stage.name == "example"
    lines = refused({}, stage="prod", path=brought)
    assert f"{brought}: [stage] name: is 'example', asked for was the stage 'prod'" in lines[0]
    assert any("is still 'examplePA'" in line for line in lines)


# --- the environment of the functions ------------------------------------------------------------------


def test_an_environment_over_four_kilobytes_is_refused_with_what_is_largest() -> None:
    setup = {"solutionID": "123456789012345", "business": {"name": "n" * 4000}}
    config = load_config(
        directory=CONFIG, stage="example", overrides={"meta.extras": json.dumps({"setup": setup})}
    )
    with pytest.raises(ConfigError) as caught:
        check_sizes(config)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["code_exchange", "signup_queries"]
    line = lines[1]
    assert line.startswith("signup_queries: its environment would have about 5")
    assert "Lambda takes 4096; shorten" in line
    assert "bytes: meta.extras and meta.flows 41" in line


def test_the_environments_of_the_example_are_small_enough() -> None:
    check_sizes(load_config(directory=CONFIG, stage="example"))


# --- the app -------------------------------------------------------------------------------------------


def run_app(context: Mapping[str, object], folder: Path, **environment: str) -> tuple[int, str]:
    """Run ``infra/app.py`` as the CDK's command line does; status and what it says of mistakes."""
    done = subprocess.run(
        [sys.executable, "infra/app.py"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **UNPACKED,
            "CDK_OUTDIR": str(folder / "out"),
            "CDK_CONTEXT_JSON": json.dumps({"skip_bundling": "true", **context}),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def refusal(
    monkeypatch: pytest.MonkeyPatch, context: Mapping[str, object], folder: Path, **environment: str
) -> str:
    """What ``infra/app.py`` ends with, run here: a process of its own costs more than all it is asked."""
    # Here, so that tests which need no app do not wait for the CDK to load.
    from infra import app  # noqa: PLC0415

    for name in ("CDK_DEFAULT_ACCOUNT", "CDK_DEFAULT_REGION", "ONRAMP_STAGE", "ONRAMP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # The CDK's own process began with another environment: what would stand there is given as it is.
    given: dict[str, object] = {"skip_bundling": "true", **context}
    build = partial(app.build_app, context=given, outdir=str(folder / "out"))
    monkeypatch.setattr(app, "build_app", build)
    with pytest.raises(SystemExit) as ended:
        app.main()
    # Python writes a text to standard error, and ends with status 1.
    assert isinstance(ended.value.code, str)
    return ended.value.code


def test_a_mistake_ends_the_process_with_status_1_and_no_traceback(tmp_path: Path) -> None:
    status, said = run_app({"stage": "example", "meta.app_idd": "1"}, tmp_path)
    assert status == 1
    assert said.startswith("onramp: ")
    assert "did you mean meta.app_id?" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"stage": "example", "partnr.partner_id": "x"}, "did you mean partner.partner_id?"),
        (
            {"stage": "example", "app_id": "1"},
            "-c app_id: there is no such name; did you mean -c meta.app_id?",
        ),
        ({"stagee": "example"}, "-c stagee: there is no such name; did you mean -c stage?"),
        ({"stage": "example", "config": "nowhere.toml"}, "nowhere.toml: there is no such file"),
    ],
)
def test_a_mistyped_name_of_the_context_ends_the_synthesis(
    context: Mapping[str, object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sentence in refusal(monkeypatch, context, tmp_path)


def test_the_app_takes_a_file_from_elsewhere_and_the_names_that_belong_to_the_cdk(tmp_path: Path) -> None:
    brought = tmp_path / "brought.toml"
    text = (CONFIG / "example.toml").read_text(encoding="utf-8")
    brought.write_text(text.replace('# region = "eu-central-1"', 'region = "eu-central-1"'), encoding="utf-8")
    context = {
        "stage": "example",
        "config": str(brought),
        "aws:cdk:bundling-stacks": ["**"],
        "@aws-cdk/core:some.switch": True,
        "availability-zones:account=1:region=a.b": ["a"],
        "mine": 1,
    }
    status, said = run_app(
        context, tmp_path, CDK_DEFAULT_ACCOUNT="223456789012", CDK_DEFAULT_REGION="eu-central-1"
    )
    assert status == 0, said
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["artifacts"]["Onramp-example"]["environment"] == "aws://unknown-account/eu-central-1"


def test_the_app_refuses_an_account_that_is_not_the_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"stage": "example", "stage.account": "111122223333"}
    said = refusal(monkeypatch, context, tmp_path, CDK_DEFAULT_ACCOUNT="223456789012")
    assert (
        "given for this run (-c stage.account): [stage] account: is '111122223333', the credentials" in said
    )


def test_the_app_refuses_an_environment_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras = {"setup": {"solutionID": "123456789012345", "business": {"name": "n" * 4000}}}
    said = refusal(monkeypatch, {"stage": "example", "meta.extras": json.dumps(extras)}, tmp_path)
    assert "signup_queries: its environment would have about 5" in said
