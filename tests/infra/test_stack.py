"""What the synthesized template says, property by property."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from contract.routes import META
from infra.bundling import empty_bundles
from infra.cards import CARDS, Queue, logical_id
from infra.config import load_config
from infra.environment import OPTIONAL, ResourceNames, environment_of
from infra.paths import CONFIG
from onramp.inbound.signature import HEADER
from tests.infra.conftest import synthesize
from tests.infra.reading import Template, function_of, live_of, of_type, one_named

# --- the API -----------------------------------------------------------------------------------------


def test_each_route_leads_to_its_function_past_its_guard(template: Template) -> None:
    guards = {"JWT": "jwt", "AWS_IAM": "iam", "NONE": "open"}
    integrations = of_type(template, "AWS::ApiGatewayV2::Integration")
    functions = {live_of(template, name)["Ref"]: name for name in CARDS}
    found = {}
    for route in of_type(template, "AWS::ApiGatewayV2::Route").values():
        _, reference = route["Target"]["Fn::Join"][1]
        integration = integrations[reference["Ref"]]
        assert integration["PayloadFormatVersion"] == "2.0"
        function = functions[integration["IntegrationUri"]["Ref"]]
        found[route["RouteKey"]] = (function, guards[route["AuthorizationType"]])
        assert ("AuthorizerId" in route) == (route["AuthorizationType"] == "JWT")
    assert found == {
        "GET /v1/config": ("signup_queries", "open"),
        "POST /v1/signups": ("code_exchange", "jwt"),
        "GET /v1/signups": ("signup_queries", "jwt"),
        "GET /v1/signups/{signup_id}": ("signup_queries", "jwt"),
        "POST /v1/signups/{signup_id}/code": ("code_exchange", "jwt"),
        "POST /v1/signups/{signup_id}/numbers": ("number_submission", "jwt"),
        "POST /v1/signups/{signup_id}/retry": ("number_submission", "jwt"),
        "GET /v1/numbers": ("signup_queries", "jwt"),
        "GET /v1/numbers/{phone_number_id}": ("signup_queries", "jwt"),
        "POST /v1/numbers/{phone_number_id}/retry": ("number_submission", "jwt"),
        "POST /v1/numbers/{phone_number_id}/cancel": ("number_submission", "jwt"),
        "POST /v1/numbers/{phone_number_id}/reactivate": ("number_submission", "jwt"),
        "POST /v1/numbers/{phone_number_id}/check": ("number_submission", "jwt"),
        "POST /v1/signups/{signup_id}/outcome": ("code_exchange", "jwt"),
        "POST /v1/signup-links": ("code_exchange", "jwt"),
        "GET /v1/signup-links": ("signup_queries", "jwt"),
        "POST /v1/signup-links/{link_id}/revoke": ("code_exchange", "jwt"),
        "POST /v1/tenants/{tenant}/signup-links": ("code_exchange", "iam"),
        "GET /v1/tenants/{tenant}/signup-links": ("signup_queries", "iam"),
        "POST /v1/tenants/{tenant}/signup-links/{link_id}/revoke": ("code_exchange", "iam"),
        "GET /v1/linked-signup": ("signup_queries", "open"),
        "POST /v1/linked-signup/code": ("code_exchange", "open"),
        "POST /v1/linked-signup/outcome": ("code_exchange", "open"),
        "POST /v1/linked-signup/numbers": ("number_submission", "open"),
        "POST /v1/linked-signup/retry": ("number_submission", "open"),
        "GET /v1/channels/{channel_id}/api-key": ("signup_queries", "iam"),
        "POST /v1/webhooks/360dialog": ("webhook_receiver", "open"),
        "GET /signup": ("hosted_page", "open"),
        "GET /signup/{file}": ("hosted_page", "open"),
    }


def test_a_stage_may_go_without_the_hosted_page(tmp_path: Path) -> None:
    without = synthesize("example", tmp_path, {"page.enabled": "false"})
    keys = {route["RouteKey"] for route in of_type(without, "AWS::ApiGatewayV2::Route").values()}
    assert "GET /v1/config" in keys
    assert not [key for key in keys if "/signup/" in f"{key}/" and "/v1/" not in key]
    (stage,) = of_type(without, "AWS::ApiGatewayV2::Stage").values()
    assert set(stage["RouteSettings"]) == keys


def test_metas_own_webhook_has_its_routes_where_it_is_enabled(tmp_path: Path) -> None:
    """Whoever may call them checks signature or token himself; the function is the same without them."""
    having = synthesize("example", tmp_path, {"meta_webhook.enabled": "true"})
    keys = {route["RouteKey"] for route in of_type(having, "AWS::ApiGatewayV2::Route").values()}
    assert {route.key for route in META} <= keys
    (stage,) = of_type(having, "AWS::ApiGatewayV2::Stage").values()
    assert set(stage["RouteSettings"]) == keys
    assert stage["RouteSettings"]["POST /v1/webhooks/meta"]["ThrottlingRateLimit"] == 200
    assert "MetaWebhookUrl" in having["Outputs"]


def test_a_stage_has_the_route_and_the_variables_of_hubs_only_where_it_has_any(
    template: Template, tmp_path: Path
) -> None:
    hubs = {"emea": {"partner_id": "emeaPA", "solution_id": "223456789012345"}}
    having = synthesize("example", tmp_path, {"hubs": json.dumps(hubs), "partner.watch_balance": "100"})
    route = "POST /v1/webhooks/360dialog/{hub}"
    keys = {route["RouteKey"] for route in of_type(having, "AWS::ApiGatewayV2::Route").values()}
    assert keys - {route["RouteKey"] for route in of_type(template, "AWS::ApiGatewayV2::Route").values()} == {
        route
    }
    (stage,) = of_type(having, "AWS::ApiGatewayV2::Stage").values()
    assert set(stage["RouteSettings"]) == keys
    for name in CARDS:
        before = set(function_of(template, name)["Environment"]["Variables"])
        after = set(function_of(having, name)["Environment"]["Variables"])
        assert after - before == CARDS[name].variables & {"HUBS", "PARTNER_WATCH_BALANCE"}
    assert of_type(having, "AWS::IAM::Policy").keys() == of_type(template, "AWS::IAM::Policy").keys()


def test_only_the_configured_origins_may_call(template: Template) -> None:
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api").values()
    assert api["CorsConfiguration"] == {
        "AllowOrigins": ["https://app.example.com"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": ["authorization", "content-type", "idempotency-key", "if-none-match"],
        "ExposeHeaders": ["etag", "location", "retry-after"],
        "MaxAge": 3600,
    }
    assert "*" not in json.dumps(api["CorsConfiguration"])


def test_without_an_issuer_a_user_pool_is_made_and_trusted(template: Template) -> None:
    (authorizer,) = of_type(template, "AWS::ApiGatewayV2::Authorizer").values()
    (pool,) = of_type(template, "AWS::Cognito::UserPool")
    (client,) = of_type(template, "AWS::Cognito::UserPoolClient")
    assert authorizer["JwtConfiguration"]["Audience"] == [{"Ref": client}]
    assert {"Ref": pool} in authorizer["JwtConfiguration"]["Issuer"]["Fn::Join"][1]
    assert of_type(template, "AWS::Cognito::UserPoolDomain")
    browser = of_type(template, "AWS::Cognito::UserPoolClient")[client]
    assert browser["AllowedOAuthFlows"] == ["code"]
    assert browser["GenerateSecret"] is False
    assert of_type(template, "AWS::Cognito::UserPool")[pool]["AdminCreateUserConfig"] == {
        "AllowAdminCreateUserOnly": True
    }


def test_a_configured_issuer_is_trusted_and_no_user_pool_made(local_template: Template) -> None:
    (authorizer,) = of_type(local_template, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["JwtConfiguration"] == {"Audience": ["onramp-local"], "Issuer": "http://127.0.0.1:8090"}
    assert not of_type(local_template, "AWS::Cognito::UserPool")


def test_every_route_has_a_limit_of_its_own(template: Template) -> None:
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    routes = {route["RouteKey"] for route in of_type(template, "AWS::ApiGatewayV2::Route").values()}
    usual = {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}
    assert stage["DefaultRouteSettings"] == usual
    assert stage["RouteSettings"] == dict.fromkeys(routes, usual) | {
        "POST /v1/webhooks/360dialog": {
            "ThrottlingRateLimit": 200,
            "ThrottlingBurstLimit": 400,
            "DetailedMetricsEnabled": True,
        }
    }
    assert stage["AutoDeploy"] is True


def test_the_stage_waits_for_the_routes_it_has_settings_for(template: Template) -> None:
    (stage,) = [one for one in template["Resources"].values() if one["Type"] == "AWS::ApiGatewayV2::Stage"]
    assert set(of_type(template, "AWS::ApiGatewayV2::Route")) <= set(stage["DependsOn"])


def test_a_call_is_logged_without_anything_secret(template: Template) -> None:
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    group = one_named(template, "AWS::Logs::LogGroup", "ApiAccessLog")
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": [group["LogicalId"], "Arn"]}
    assert group["Properties"] == {"RetentionInDays": 30}
    assert json.loads(stage["AccessLogSettings"]["Format"]) == {
        "requestId": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "ip": "$context.identity.sourceIp",
        "routeKey": "$context.routeKey",
        "status": "$context.status",
        "latencyMs": "$context.responseLatency",
        "responseBytes": "$context.responseLength",
        "integrationStatus": "$context.integrationStatus",
        "integrationLatencyMs": "$context.integrationLatency",
        "integrationError": "$context.integrationErrorMessage",
        "authorizerError": "$context.authorizer.error",
        "gatewayError": "$context.error.message",
    }


def test_no_page_can_send_the_webhooks_signature(template: Template) -> None:
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api").values()
    assert HEADER not in api["CorsConfiguration"]["AllowHeaders"]
    assert "AllowCredentials" not in api["CorsConfiguration"]


def test_without_a_name_of_its_own_the_api_has_awss(template: Template) -> None:
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api").values()
    assert not api.get("DisableExecuteApiEndpoint", False)
    assert not of_type(template, "AWS::ApiGatewayV2::DomainName")


def test_a_name_of_its_own_is_the_one_that_is_told(tmp_path: Path) -> None:
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/ab-cd"
    template = synthesize(
        "example",
        tmp_path,
        {
            "api.domain_name": "onramp.example.com",
            "api.certificate_arn": certificate,
            "api.hosted_zone_id": "Z0123456789ABC",
        },
    )
    ((name, domain),) = of_type(template, "AWS::ApiGatewayV2::DomainName").items()
    (mapping,) = of_type(template, "AWS::ApiGatewayV2::ApiMapping").values()
    (record,) = of_type(template, "AWS::Route53::RecordSet").values()
    assert domain["DomainName"] == "onramp.example.com"
    assert domain["DomainNameConfigurations"] == [
        {"CertificateArn": certificate, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ]
    assert mapping["DomainName"] == {"Ref": name}
    assert record["AliasTarget"]["DNSName"] == {"Fn::GetAtt": [name, "RegionalDomainName"]}
    assert (record["Name"], record["HostedZoneId"]) == ("onramp.example.com", "Z0123456789ABC")
    outputs = {name: output["Value"] for name, output in template["Outputs"].items()}
    assert outputs["WebhookUrl"] == "https://onramp.example.com/v1/webhooks/360dialog"
    # The old address goes on answering: 360dialog calls it until the new one is entered there.
    ((api, _),) = of_type(template, "AWS::ApiGatewayV2::Api").items()
    assert outputs["DefaultApiUrl"] == {"Fn::GetAtt": [api, "ApiEndpoint"]}
    assert outputs["ApiDomainTarget"] == {"Fn::GetAtt": [name, "RegionalDomainName"]}


# --- the functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "timeout"),
    [
        ("code_exchange", 29),
        ("number_submission", 29),
        ("signup_queries", 20),
        ("webhook_receiver", 5),
        ("hosted_page", 5),
        ("onboarding_worker", 60),
        ("partner_event_worker", 60),
        ("reconciler", 60),
        ("event_publisher", 120),
        ("operator_desk", 60),
        ("event_relay", 60),
    ],
)
def test_how_a_function_is_deployed(template: Template, name: str, timeout: int) -> None:
    function = function_of(template, name)
    expected = {
        "Architectures": ["arm64"],
        "Handler": f"{name}.handler",
        "MemorySize": CARDS[name].memory,
        "Runtime": "python3.13",
        "Timeout": timeout,
    }
    assert function | expected == function
    assert not {"ReservedConcurrentExecutions", "TracingConfig"} & set(function)
    assert "FunctionName" not in function
    logs = one_named(template, "AWS::Logs::LogGroup", f"Functions{logical_id(name)}Logs")
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": logs["LogicalId"]}}
    assert logs["Properties"] == {"RetentionInDays": 30}


@pytest.mark.parametrize("name", CARDS)
def test_a_function_has_exactly_the_environment_that_its_card_names(template: Template, name: str) -> None:
    variables = function_of(template, name)["Environment"]["Variables"]
    assert set(variables) == CARDS[name].variables - OPTIONAL
    assert "" not in variables.values()


def test_the_environment_says_what_the_configuration_says() -> None:
    resources = ResourceNames(
        table_name="t",
        bus_name="b",
        envelope_key_id="k",
        secret_id="s",
        jobs_queue_url="j",
        jobs_dlq_url="jd",
        events_queue_url="e",
        events_dlq_url="ed",
        relay_queue_url="r",
        relay_dlq_url="rd",
        notifications_queue_url="n",
        notifications_dlq_url="nd",
        bodies_bucket="bo",
        schedules_dlq_url="sd",
        stream_dlq_url="td",
    )
    config = load_config(directory=CONFIG, stage="example")
    worker = environment_of(function="onboarding_worker", config=config, resources=resources)
    assert worker == {
        "ENVELOPE_KEY_ID": "k",
        "JOBS_DLQ_URL": "jd",
        "JOBS_QUEUE_URL": "j",
        "LOG_LEVEL": "INFO",
        "MESSAGING_BASE_URL": "https://waba-v2.360dialog.io",
        "MESSAGING_WEBHOOK_HEADERS": '{"X-Onramp-Stage":"example"}',
        "MESSAGING_WEBHOOK_URL": "https://messages.example.com/whatsapp",
        "NUMBERS_MEND_KEYS": "report",
        "NUMBERS_MEND_WEBHOOKS": "mend",
        "PARTNER_BASE_URL": "https://hub.360dialog.io/api/v2",
        "PARTNER_BUDGET_CALLS": "5",
        "PARTNER_BUDGET_WINDOW_SECONDS": "30",
        "PARTNER_ID": "examplePA",
        "POWERTOOLS_METRICS_NAMESPACE": "Onramp",
        "POWERTOOLS_SERVICE_NAME": "onboarding_worker",
        "RECONCILE_AFTER_SECONDS": "600",
        "RETRY_SCHEDULE_SECONDS": "5,30,300,1800,7200,18000,36000,36000",
        "SECRET_ID": "s",
        "SOLUTION_ID": "123456789012345",
        "RETENTION": '{"deliveries_days":30,"events_days":30,"facts_days":400}',
        "STAGE": "example",
        "TABLE_NAME": "t",
    }
    receiver = environment_of(function="webhook_receiver", config=config, resources=resources)
    assert set(receiver) == {
        "EVENTS_QUEUE_URL",
        "POWERTOOLS_METRICS_NAMESPACE",
        "SECRET_ID",
        "STAGE",
    }


# --- queues, schedules, table, keys ------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("Jobs", None), ("Events", 1_048_576)])
def test_a_queue_and_its_dead_letters(template: Template, name: str, size: int | None) -> None:
    dead = one_named(template, "AWS::SQS::Queue", f"Messaging{name}Dlq")
    queue = one_named(template, "AWS::SQS::Queue", f"Messaging{name}")["Properties"]
    fortnight = 14 * 24 * 3600
    common = {"MessageRetentionPeriod": fortnight, "SqsManagedSseEnabled": True}
    common |= {"MaximumMessageSize": size} if size else {}
    allowed = dead["Properties"].pop("RedriveAllowPolicy")
    assert dead["Properties"] == common
    assert allowed["redrivePermission"] == "byQueue"
    (source,) = allowed["sourceQueueArns"]
    own_name = queue.pop("QueueName")["Fn::Join"][1]
    assert own_name[:2] == [{"Ref": "AWS::StackName"}, f"-{name.lower()}-"]
    assert {"Ref": "AWS::StackId"} in own_name[2]["Fn::Select"][1]["Fn::Split"][1]["Fn::Select"][1][
        "Fn::Split"
    ]
    assert source["Fn::Join"][1][-3:] == own_name
    assert queue == common | {
        "VisibilityTimeout": 360,
        "RedrivePolicy": {
            "deadLetterTargetArn": {"Fn::GetAtt": [dead["LogicalId"], "Arn"]},
            "maxReceiveCount": 1000,
        },
    }


@pytest.mark.parametrize("name", ["SchedulesDlq", "StreamDlq"])
def test_no_queue_may_name_the_dead_letters_of_something_else_as_its_own(
    template: Template, name: str
) -> None:
    queue = one_named(template, "AWS::SQS::Queue", f"Messaging{name}")["Properties"]
    assert queue == {
        "MessageRetentionPeriod": 14 * 24 * 3600,
        "RedriveAllowPolicy": {"redrivePermission": "denyAll"},
        "SqsManagedSseEnabled": True,
    }


def test_every_queue_refuses_plain_http(template: Template) -> None:
    guarded = set()
    for policy in of_type(template, "AWS::SQS::QueuePolicy").values():
        denials = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert denials[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        guarded |= {queue["Ref"] for queue in policy["Queues"]}
    assert guarded == set(of_type(template, "AWS::SQS::Queue"))


@pytest.mark.parametrize(
    ("queue", "worker", "batch", "at_once"),
    [("Jobs", "onboarding_worker", 1, 2), ("Events", "partner_event_worker", 10, 2)],
)
def test_a_worker_says_of_each_message_whether_it_is_done(
    template: Template, queue: str, worker: str, batch: int, at_once: int
) -> None:
    source = one_named(template, "AWS::SQS::Queue", f"Messaging{queue}")["LogicalId"]
    mapping = one_named(template, "AWS::Lambda::EventSourceMapping", f"{queue}ConsumerSource")["Properties"]
    assert mapping == {
        "BatchSize": batch,
        "EventSourceArn": {"Fn::GetAtt": [source, "Arn"]},
        "FunctionName": live_of(template, worker),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": at_once},
    }


def test_the_publisher_is_handed_new_facts_and_none_is_lost_for_a_day(template: Template) -> None:
    table = one_named(template, "AWS::DynamoDB::Table", "StorageTable")["LogicalId"]
    dead = one_named(template, "AWS::SQS::Queue", "MessagingStreamDlq")["LogicalId"]
    mapping = one_named(template, "AWS::Lambda::EventSourceMapping", "StreamConsumerSource")["Properties"]
    (pattern,) = mapping.pop("FilterCriteria")["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "FACT#"}]}}},
    }
    # Without a number of retries Lambda tries until the age is reached.
    assert mapping == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [dead, "Arn"]}}},
        "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
        "FunctionName": live_of(template, "event_publisher"),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumBatchingWindowInSeconds": 1,
        "MaximumRecordAgeInSeconds": 85_500,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
    }
    assert 23 * 3600 < 85_500 < 24 * 3600


def test_visibility_outlasts_the_workers_six_times() -> None:
    working_off = [card for card in CARDS.values() if isinstance(card.trigger, Queue)]
    assert max(card.timeout for card in working_off) * 6 <= 360


@pytest.mark.parametrize(("name", "when"), [("Sweep", "rate(1 minute)"), ("Census", "cron(0 4 * * ? *)")])
def test_the_reconciler_runs_on_a_schedule(template: Template, name: str, when: str) -> None:
    rule = one_named(template, "AWS::Events::Rule", f"Schedules{name}")["Properties"]
    dead = one_named(template, "AWS::SQS::Queue", "MessagingSchedulesDlq")["LogicalId"]
    (target,) = rule["Targets"]
    assert rule["ScheduleExpression"] == when
    assert target["Arn"] == live_of(template, "reconciler")
    assert json.loads(target["Input"]) == {"task": name.lower()}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [dead, "Arn"]}}


def test_a_failed_run_of_the_reconciler_is_kept(template: Template) -> None:
    dead = one_named(template, "AWS::SQS::Queue", "MessagingSchedulesDlq")["LogicalId"]
    (invoke,) = of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    assert invoke["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [dead, "Arn"]}}}
    assert invoke["MaximumRetryAttempts"] == 0


def test_the_table(template: Template) -> None:
    table = one_named(template, "AWS::DynamoDB::Table", "StorageTable")
    key = one_named(template, "AWS::KMS::Key", "SecretsTableKey")["LogicalId"]
    properties = table["Properties"]
    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at_epoch", "Enabled": True}
    assert properties["SSESpecification"] == {
        "KMSMasterKeyId": {"Fn::GetAtt": [key, "Arn"]},
        "SSEEnabled": True,
        "SSEType": "KMS",
    }
    assert [one["AttributeName"] for one in properties["KeySchema"]] == ["pk", "sk"]
    indexes = {
        index["IndexName"]: (
            [one["AttributeName"] for one in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
        )
        for index in properties["GlobalSecondaryIndexes"]
    }
    assert indexes == {
        "by_tenant": (["tenant_key", "created_key"], "KEYS_ONLY"),
        "by_due": (["due_shard", "due_at"], "KEYS_ONLY"),
        "by_channel": (["channel_key"], "KEYS_ONLY"),
        "by_digits": (["digits_key"], "KEYS_ONLY"),
        "by_waba": (["waba_key"], "KEYS_ONLY"),
        "by_place": (["place_key", "place_sort"], "KEYS_ONLY"),
    }
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_a_stack_to_throw_away_leaves_nothing_behind(local_template: Template) -> None:
    assert {one.get("DeletionPolicy", "Delete") for one in local_template["Resources"].values()} == {"Delete"}


def test_what_holds_data_outlives_a_stage_that_retains(template: Template) -> None:
    kinds = {
        "AWS::Cognito::UserPool",
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }
    kept = {
        name
        for name, one in template["Resources"].items()
        if one.get("DeletionPolicy") == "RetainExceptOnCreate" and one["Type"] != "AWS::Lambda::Version"
    }
    alarm_key = one_named(template, "AWS::KMS::Key", "AlarmsKey")["LogicalId"]
    assert kept == {name for kind in kinds for name in of_type(template, kind)} - {alarm_key}


def test_keys_rotate(template: Template) -> None:
    keys = of_type(template, "AWS::KMS::Key")
    assert len(keys) == 3
    assert all(key["EnableKeyRotation"] for key in keys.values())


def test_the_secret_is_made_without_a_value(template: Template) -> None:
    (secret,) = of_type(template, "AWS::SecretsManager::Secret").values()
    assert set(secret) == {"Description"}


# --- the whole ---------------------------------------------------------------------------------------


def test_what_the_stack_tells_a_person(template: Template, local_template: Template) -> None:
    queues = (
        "EventsDlq",
        "EventsQueue",
        "JobsDlq",
        "JobsQueue",
        "NotificationsDlq",
        "NotificationsQueue",
        "RelayDlq",
        "RelayQueue",
        "SchedulesDlq",
        "StreamDlq",
    )
    common = {
        "AlarmTopicArn",
        "ApiId",
        "ApiLogGroup",
        "ApiUrl",
        "BusArn",
        "BusName",
        "ConfigUrl",
        "DashboardUrl",
        "BodiesBucket",
        "DefaultApiUrl",
        "EnvelopeKeyArn",
        "KeyRouteArn",
        "OperatorDeskArn",
        "RunbookHint",
        "SecretArn",
        "TableArn",
        "TableKeyArn",
        "TableName",
        "WebhookUrl",
        *(f"{logical_id(name)}LogGroup" for name in CARDS),
        *(f"{queue}{kind}" for queue in queues for kind in ("Arn", "Url")),
    }
    assert set(local_template["Outputs"]) == common | {"MetaWebhookUrl"}
    assert set(template["Outputs"]) == common | {"SignInUrl", "UserPoolClientId", "UserPoolId"}


def test_the_hosted_login_leads_back_to_the_page(template: Template) -> None:
    text = json.dumps(template["Outputs"]["SignInUrl"]["Value"])
    assert "/login?client_id=" in text
    assert "response_type=code&redirect_uri=https://app.example.com/" in text


def test_stages_stand_side_by_side(tmp_path: Path) -> None:
    stacks = two_stages(tmp_path)
    names = {stack: set(physical_names(template, stack)) for stack, template in stacks.items()}
    one, other = names.values()
    assert {name.replace("Onramp-one", "…").replace("onramp-one", "…") for name in one} == {
        name.replace("Onramp-other", "…").replace("onramp-other", "…") for name in other
    }
    assert not one & other
    assert len(one) > 30


def two_stages(folder: Path) -> dict[str, Template]:
    """The templates of two stages that differ in nothing but their names."""
    from infra.stack import OnrampStack  # noqa: PLC0415 - the CDK takes long to load

    app = cdk.App(outdir=str(folder))
    config = load_config(directory=CONFIG, stage="example")
    for name in ("one", "other"):
        stage = config.stage.model_copy(update={"name": name})
        renamed = config.model_copy(update={"stage": stage})
        OnrampStack(app, f"Onramp-{name}", config=renamed, bundles=empty_bundles(local=False))
    assembly = app.synth()
    return {stack.stack_name: stack.template for stack in assembly.stacks}


# Properties by which AWS knows a thing within an account, where the template sets them.
NAMES = {
    "AlarmName",
    "AliasName",
    "DashboardName",
    "Domain",
    "FunctionName",
    "GroupName",
    "LogGroupName",
    "QueueName",
    "RoleName",
    "RuleName",
    "TableName",
    "TopicName",
    "UserPoolName",
}


def physical_names(template: Template, stack: str) -> Iterator[str]:
    for resource in template["Resources"].values():
        kind, properties = resource["Type"], resource.get("Properties", {})
        names = NAMES | ({"Name"} if kind in {"AWS::Events::EventBus", "AWS::ApiGatewayV2::Api"} else set())
        for name in names & set(properties):
            text = in_stack(properties[name], stack)
            if text:
                yield f"{kind} {text}"


def in_stack(value: Any, stack: str) -> str:
    """A name as CloudFormation fills it in; empty for a reference to another resource."""
    match value:
        case str():
            return value
        case {"Ref": "AWS::StackName"}:
            return stack
        case {"Ref": "AWS::Region" | "AWS::AccountId" as one}:
            return str(one)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(in_stack(part, stack) for part in parts)
        case {"Fn::Select": _}:
            return "…"  # of the stack's id, which no two stacks share
    return ""


def test_the_template_knows_no_account_and_no_region(template: Template) -> None:
    parsed = assertions.Template.from_json(dict(template))
    parsed.resource_count_is("AWS::Lambda::Function", len(CARDS))
    text = json.dumps(template)
    assert "eu-central-1" not in text
    assert "us-east-1" not in text
