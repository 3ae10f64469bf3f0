"""What each value of the configuration changes in the template: synthesized without it and with it.

All stacks are synthesized in one app, past the rule packs. Past cfn-lint goes each option together with all
that it goes with, for the linter takes seconds for each template.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from infra.bundling import empty_bundles
from infra.config import load_config
from infra.paths import CONFIG, ROOT
from tests.infra.reading import Template, of_type, one_named

ACCOUNT = "111122223333"
OTHERS = ("arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:role/sender")
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/66666666-7777-8888-9999-000000000000"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:alarms"
DOMAIN: Mapping[str, object] = MappingProxyType(
    {
        "api.domain_name": "onramp.example.com",
        "api.certificate_arn": f"arn:aws:acm:eu-central-1:{ACCOUNT}:certificate/ab-cd",
        "api.hosted_zone_id": "Z0123456789ABC",
    }
)
OPTIONS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "none": {},
        "destroy": {"stage.removal": "destroy"},
        "protected": {"stage.protected": "true"},
        "tracing": {"stage.tracing": "true"},
        "logs": {"stage.log_retention_days": "90"},
        "snapshots": {"stage.snap_start": "true"},
        "canary": {"stage.release": "canary"},
        "linear": {"stage.release": "linear"},
        "reserved": {"stage.receiver_concurrency": "5"},
        "boundary": {"stage.permissions_boundary": "developers"},
        "boundary-arn": {"stage.permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/ops/developers"},
        "qualifier": {"stage.qualifier": "ours"},
        "tags": {"stage.tags": {"team": "messaging"}},
        "keys": {"stage.table_key_arn": KEY, "stage.envelope_key_arn": OTHER_KEY},
        "topic": {"stage.alarm_topic_arn": TOPIC, "stage.alarm_emails": "[]"},
        "domain": DOMAIN,
        "domain-both": {**DOMAIN, "api.default_endpoint": "true"},
        "domain-alone": {**DOMAIN, "api.default_endpoint": "false"},
        "issuer": {"api.jwt_issuer": "https://login.bakery.org", "api.jwt_audience": "onramp"},
        "pool": {"api.user_pool_id": "eu-central-1_AbCdEfGhI"},
        "key-readers": {"api.key_readers": json.dumps(OTHERS)},
        "link-makers": {"links.makers": json.dumps(OTHERS)},
        "bus-readers": {"bus.readers": json.dumps(OTHERS)},
        "archive": {"bus.archive_days": "30"},
    }
)


TOGETHER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "first": (
            *(
                "protected",
                "tracing",
                "logs",
                "snapshots",
                "canary",
                "reserved",
                "boundary",
                "qualifier",
                "tags",
            ),
            *("keys", "topic", "domain", "pool", "key-readers", "link-makers", "bus-readers", "archive"),
        ),
        "second": ("destroy", "linear", "boundary-arn", "domain-both", "issuer"),
        "third": ("domain-alone",),
    }
)
"""Each option is in one of them; `none` is a template of its own."""


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import aws_cdk as cdk  # noqa: PLC0415 - the CDK takes long to load

    from infra.checks import add_rule_packs, synthesize  # noqa: PLC0415
    from infra.features import FEATURES  # noqa: PLC0415
    from infra.stack import OnrampStack  # noqa: PLC0415

    app = cdk.App(context=dict(FEATURES), outdir=str(tmp_path_factory.mktemp("options")))
    together = {
        name: {key: value for option in options for key, value in OPTIONS[option].items()}
        for name, options in TOGETHER.items()
    }
    for name, values in {**OPTIONS, **together}.items():
        config = load_config(directory=CONFIG, stage="example", overrides=values)
        OnrampStack(app, stack_of(name), config=config, bundles=empty_bundles(local=False))
    add_rule_packs(app)
    return synthesize(app)


def stack_of(option: str) -> str:
    return f"Onramp-{option}"


@pytest.fixture(scope="module")
def templates(assembly: Any) -> Mapping[str, Template]:
    return {name: assembly.get_stack_by_name(stack_of(name)).template for name in OPTIONS}


@pytest.fixture(scope="module")
def plain(templates: Mapping[str, Template]) -> Template:
    return templates["none"]


def test_no_template_has_anything_that_the_linter_minds(assembly: Any) -> None:
    assert {option for options in TOGETHER.values() for option in options} | {"none"} == set(OPTIONS)
    files = [str(Path(assembly.directory, f"{stack_of(name)}.template.json")) for name in ("none", *TOGETHER)]
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(linter), "--ignore-checks", "W3005", "--", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


# --- protection, removal, tags -----------------------------------------------------------------------


def test_only_a_protected_stage_asks_for_protection(assembly: Any, templates: Mapping[str, Template]) -> None:
    asked = {name for name in OPTIONS if assembly.get_stack_by_name(stack_of(name)).termination_protection}
    assert asked == {"protected"}
    for name, template in templates.items():
        for pool in of_type(template, "AWS::Cognito::UserPool").values():
            assert pool.get("DeletionProtection") == ("ACTIVE" if name == "protected" else None)
        # Switched on by hand it stays, for no template has ever named it.
        for table in of_type(template, "AWS::DynamoDB::Table").values():
            assert "DeletionProtectionEnabled" not in table


def test_a_stage_to_throw_away_leaves_nothing(templates: Mapping[str, Template]) -> None:
    resources = templates["destroy"]["Resources"].values()
    assert {resource.get("DeletionPolicy", "Delete") for resource in resources} == {"Delete"}


def test_tags_are_those_of_the_stack(assembly: Any) -> None:
    tags = {name: assembly.get_stack_by_name(stack_of(name)).tags for name in ("none", "tags")}
    assert tags["none"] == {"application": "onramp", "stage": "example"}
    assert tags["tags"] == tags["none"] | {"team": "messaging"}


def test_every_log_is_kept_for_as_long_as_the_stage_says(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    for template, days in ((plain, 30), (templates["logs"], 90)):
        groups = of_type(template, "AWS::Logs::LogGroup").values()
        assert {group["RetentionInDays"] for group in groups} == {days}


# --- what exists already -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "arn"),
    [
        (
            "boundary",
            {
                "Fn::Join": [
                    "",
                    [
                        *("arn:", {"Ref": "AWS::Partition"}, ":iam::"),
                        *({"Ref": "AWS::AccountId"}, ":policy/developers"),
                    ],
                ]
            },
        ),
        ("boundary-arn", f"arn:aws:iam::{ACCOUNT}:policy/ops/developers"),
    ],
)
def test_a_boundary_is_that_of_every_role(
    plain: Template, templates: Mapping[str, Template], option: str, arn: object
) -> None:
    bounds = [
        role.get("PermissionsBoundary") for role in of_type(templates[option], "AWS::IAM::Role").values()
    ]
    assert len(bounds) >= 8
    assert all(bound == arn for bound in bounds)
    assert not any("PermissionsBoundary" in role for role in of_type(plain, "AWS::IAM::Role").values())


def test_a_bootstrap_of_ones_own_is_used(assembly: Any, templates: Mapping[str, Template]) -> None:
    parameter = templates["qualifier"]["Parameters"]["BootstrapVersion"]["Default"]
    assert parameter == "/cdk-bootstrap/ours/version"
    assert "cdk-ours-deploy-role" in assembly.get_stack_by_name(stack_of("qualifier")).assume_role_arn
    assert "cdk-hnb659fds-deploy-role" in assembly.get_stack_by_name(stack_of("none")).assume_role_arn


def test_keys_that_exist_are_used_and_none_is_made(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    template = templates["keys"]
    (table,) = of_type(template, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"]["KMSMasterKeyId"] == KEY
    assert template["Outputs"]["TableKeyArn"]["Value"] == KEY
    assert template["Outputs"]["EnvelopeKeyArn"]["Value"] == OTHER_KEY
    # What is allowed, and what the functions are told, is the key that was named.
    own = json.dumps(of_type(template, "AWS::IAM::Role"))
    assert f'"Resource": "{OTHER_KEY}"' in own
    told = [
        function["Environment"]["Variables"]["ENVELOPE_KEY_ID"]
        for function in of_type(template, "AWS::Lambda::Function").values()
        if "ENVELOPE_KEY_ID" in function["Environment"]["Variables"]
    ]
    assert set(told) == {OTHER_KEY}
    made = {name[:-8] for name in of_type(plain, "AWS::KMS::Key")}
    assert made - {name[:-8] for name in of_type(template, "AWS::KMS::Key")} == {
        "SecretsTableKey",
        "SecretsEnvelopeKey",
    }


def test_a_user_pool_that_exists_gets_an_app_client_and_nothing_else(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    template = templates["pool"]
    assert not of_type(template, "AWS::Cognito::UserPool")
    assert not of_type(template, "AWS::Cognito::UserPoolDomain")
    ((client_id, client),) = of_type(template, "AWS::Cognito::UserPoolClient").items()
    assert client["UserPoolId"] == "eu-central-1_AbCdEfGhI"
    (authorizer,) = of_type(template, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["JwtConfiguration"] == {
        "Audience": [{"Ref": client_id}],
        "Issuer": {
            "Fn::Join": [
                "",
                [
                    "https://cognito-idp.eu-central-1.",
                    {"Ref": "AWS::URLSuffix"},
                    "/eu-central-1_AbCdEfGhI",
                ],
            ]
        },
    }
    assert template["Outputs"]["UserPoolId"]["Value"] == "eu-central-1_AbCdEfGhI"
    assert set(plain["Outputs"]) - set(template["Outputs"]) == {"SignInUrl"}


# --- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "switched_off"),
    [("none", False), ("domain", False), ("domain-both", False), ("domain-alone", True)],
)
def test_awss_own_address_answers_until_it_is_said_that_it_shall_not(
    templates: Mapping[str, Template], option: str, *, switched_off: bool
) -> None:
    template = templates[option]
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api").values()
    assert api.get("DisableExecuteApiEndpoint", False) is switched_off
    assert ("DefaultApiUrl" in template["Outputs"]) is not switched_off


def test_whoever_does_not_say_which_address_is_meant_is_warned(assembly: Any) -> None:
    warned = {
        name
        for name in OPTIONS
        for message in assembly.get_stack_by_name(stack_of(name)).messages
        if "onramp:two-addresses" in str(message.entry.data)
    }
    assert warned == {"domain"}


# --- who else is let in ------------------------------------------------------------------------------


def test_those_who_fetch_keys_have_a_role_for_exactly_that(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    template = templates["key-readers"]
    role = one_named(template, "AWS::IAM::Role", "ApiKeyReader")
    ((api, _),) = of_type(template, "AWS::ApiGatewayV2::Api").items()
    assert {
        one["Principal"]["AWS"] for one in statements(role["Properties"]["AssumeRolePolicyDocument"])
    } == set(OTHERS)
    (policy,) = role["Properties"]["Policies"]
    (statement,) = statements(policy["PolicyDocument"])
    assert statement["Action"] == "execute-api:Invoke"
    assert statement["Resource"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/*/GET/v1/channels/*/api-key"]
    assert template["Outputs"]["KeyReaderRoleArn"]["Value"] == {"Fn::GetAtt": [role["LogicalId"], "Arn"]}
    assert "KeyReaderRoleArn" not in plain["Outputs"]
    assert plain["Outputs"]["KeyRouteArn"]["Value"] == statement["Resource"]


def test_those_who_make_links_have_a_role_for_exactly_that(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    template = templates["link-makers"]
    role = one_named(template, "AWS::IAM::Role", "ApiLinkMaker")
    assert {
        one["Principal"]["AWS"] for one in statements(role["Properties"]["AssumeRolePolicyDocument"])
    } == set(OTHERS)
    (policy,) = role["Properties"]["Policies"]
    (statement,) = statements(policy["PolicyDocument"])
    assert statement["Action"] == "execute-api:Invoke"
    assert [one["Fn::Join"][1][-1] for one in statement["Resource"]] == [
        "/*/POST/v1/tenants/*/signup-links",
        "/*/GET/v1/tenants/*/signup-links",
        "/*/POST/v1/tenants/*/signup-links/*/revoke",
    ]
    assert template["Outputs"]["LinkMakerRoleArn"]["Value"] == {"Fn::GetAtt": [role["LogicalId"], "Arn"]}
    assert "LinkMakerRoleArn" not in plain["Outputs"]


def test_the_routes_of_a_links_customer_have_a_limit_of_their_own(plain: Template) -> None:
    (stage,) = of_type(plain, "AWS::ApiGatewayV2::Stage").values()
    limits = {json.dumps(limits) for key, limits in stage["RouteSettings"].items() if "/linked-signup" in key}
    assert limits == {json.dumps({"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100})}


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["Statement"]
    return found


def test_readers_of_the_bus_manage_their_own_rules_there(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    (policy,) = of_type(templates["bus-readers"], "AWS::Events::EventBusPolicy").values()
    ((bus, _),) = of_type(templates["bus-readers"], "AWS::Events::EventBus").items()
    statement = policy["Statement"]
    assert statement["Principal"] == {"AWS": list(OTHERS)}
    # What events say is what they may read: they can put none.
    assert "events:PutEvents" not in statement["Action"]
    assert {"events:PutRule", "events:PutTargets", "events:RemoveTargets"} <= set(statement["Action"])
    assert statement["Resource"]["Fn::Join"][1][-3:] == [":rule/", {"Ref": bus}, "/*"]
    assert statement["Condition"] == {
        "StringEqualsIfExists": {"events:creatorAccount": "${aws:PrincipalAccount}"}
    }
    assert not of_type(plain, "AWS::Events::EventBusPolicy")


def test_the_bus_has_an_archive_when_it_is_said_for_how_long(
    plain: Template, templates: Mapping[str, Template]
) -> None:
    (archive,) = of_type(templates["archive"], "AWS::Events::Archive").values()
    ((bus, _),) = of_type(templates["archive"], "AWS::Events::EventBus").items()
    assert archive["RetentionDays"] == 30
    assert archive["SourceArn"] == {"Fn::GetAtt": [bus, "Arn"]}
    # All that is on the bus: an archive with a pattern would have to follow the table of facts.
    assert "EventPattern" not in archive
    assert "BusArchiveArn" in templates["archive"]["Outputs"]
    assert not of_type(plain, "AWS::Events::Archive")


# --- what a restore needs ----------------------------------------------------------------------------


def test_whatever_is_retained_can_be_found_among_the_outputs(templates: Mapping[str, Template]) -> None:
    for name, template in templates.items():
        told = json.dumps(template["Outputs"])
        for logical_id, resource in template["Resources"].items():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate" and "Version" not in resource["Type"]:
                assert f'"{logical_id}"' in told, f"{name}: {logical_id}"
