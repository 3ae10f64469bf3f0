"""What the synthesized template says, property by property."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aws_cdk import assertions

from infra.catalogue import FUNCTIONS, FunctionName, logical_id
from infra.config import load_config
from infra.environment import VARIABLES, ResourceNames, environment_of
from infra.paths import CONFIG
from onramp import settings

type Template = Mapping[str, Any]

ACTIONS: Mapping[FunctionName, set[str]] = {
    "code_exchange": {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "kms:Decrypt",
        "kms:Encrypt",
        "secretsmanager:GetSecretValue",
    },
    "number_submission": {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "kms:Decrypt",
        "sqs:SendMessage",
    },
    "signup_queries": {"dynamodb:GetItem", "dynamodb:Query", "kms:Decrypt"},
    "webhook_receiver": {"secretsmanager:GetSecretValue", "sqs:SendMessage"},
    "onboarding_worker": {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "kms:Decrypt",
        "kms:Encrypt",
        "secretsmanager:GetSecretValue",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
    },
    "partner_event_worker": {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "kms:Decrypt",
        "secretsmanager:GetSecretValue",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
    },
    "reconciler": {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "kms:Decrypt",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
    },
}
ALWAYS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACING = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


def of_type(template: Template, kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def one_named(template: Template, kind: str, prefix: str) -> dict[str, Any]:
    """The only resource whose logical id is the prefix and the CDK's hash."""
    found = [
        (name, one)
        for name, one in template["Resources"].items()
        if one["Type"] == kind and name[:-8] == prefix
    ]
    assert len(found) == 1, f"{kind} {prefix}: {[name for name, _ in found]}"
    name, one = found[0]
    return {"LogicalId": name, **one}


def function_of(template: Template, name: FunctionName) -> dict[str, Any]:
    found = one_named(template, "AWS::Lambda::Function", f"Functions{logical_id(name)}")
    return {"LogicalId": found["LogicalId"], **found["Properties"]}


def statements_of(template: Template, name: FunctionName) -> list[dict[str, Any]]:
    role = one_named(template, "AWS::IAM::Role", f"Functions{logical_id(name)}Role")["Properties"]
    assert "ManagedPolicyArns" not in role
    assert len(role["Policies"]) == 1
    statements: list[dict[str, Any]] = role["Policies"][0]["PolicyDocument"]["Statement"]
    return statements


def actions_in(statement: Mapping[str, Any]) -> set[str]:
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)


def texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from texts_in(inner)
        case list():
            for inner in value:
                yield from texts_in(inner)


# --- the API -----------------------------------------------------------------------------------------


def test_each_route_leads_to_its_function_past_its_guard(template: Template) -> None:
    guards = {"JWT": "jwt", "AWS_IAM": "iam", "NONE": "open"}
    integrations = of_type(template, "AWS::ApiGatewayV2::Integration")
    functions = {function_of(template, name)["LogicalId"]: name for name in FUNCTIONS}
    found = {}
    for route in of_type(template, "AWS::ApiGatewayV2::Route").values():
        _, reference = route["Target"]["Fn::Join"][1]
        integration = integrations[reference["Ref"]]
        assert integration["PayloadFormatVersion"] == "2.0"
        function = functions[integration["IntegrationUri"]["Fn::GetAtt"][0]]
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
        "GET /v1/channels/{channel_id}/api-key": ("signup_queries", "iam"),
        "POST /v1/webhooks/360dialog": ("webhook_receiver", "open"),
    }


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


def test_the_api_has_a_limit_of_calls(template: Template) -> None:
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 400, "ThrottlingRateLimit": 200}
    assert stage["AutoDeploy"] is True


# --- the functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "timeout"),
    [
        ("code_exchange", 29),
        ("number_submission", 15),
        ("signup_queries", 10),
        ("webhook_receiver", 5),
        ("onboarding_worker", 60),
        ("partner_event_worker", 60),
        ("reconciler", 120),
    ],
)
def test_how_a_function_is_deployed(template: Template, name: FunctionName, timeout: int) -> None:
    function = function_of(template, name)
    expected = {
        "Architectures": ["arm64"],
        "Handler": f"{name}.handler",
        "MemorySize": 512,
        "Runtime": "python3.13",
        "Timeout": timeout,
        "TracingConfig": {"Mode": "Active"},
    }
    assert function | expected == function
    assert "ReservedConcurrentExecutions" not in function
    assert "FunctionName" not in function
    logs = one_named(template, "AWS::Logs::LogGroup", f"Functions{logical_id(name)}Logs")
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": logs["LogicalId"]}}
    assert logs["Properties"] == {"RetentionInDays": 30}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_exactly_the_environment_of_the_table(template: Template, name: FunctionName) -> None:
    variables = function_of(template, name)["Environment"]["Variables"]
    assert set(variables) == VARIABLES[name]
    assert "" not in variables.values()


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "webhook_receiver"])
def test_a_function_gets_exactly_what_its_settings_read(name: FunctionName) -> None:
    reader: type[settings.Settings] = getattr(settings, f"{logical_id(name)}Settings")
    assert set(reader.names()) == VARIABLES[name]


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
    )
    config = load_config(directory=CONFIG, stage="example")
    worker = environment_of(function="onboarding_worker", config=config, resources=resources)
    assert worker == {
        "BUS_NAME": "b",
        "ENVELOPE_KEY_ID": "k",
        "JOBS_DLQ_URL": "jd",
        "JOBS_QUEUE_URL": "j",
        "LOG_LEVEL": "INFO",
        "MESSAGING_BASE_URL": "https://waba-v2.360dialog.io",
        "MESSAGING_WEBHOOK_HEADERS": '{"X-Onramp-Stage":"example"}',
        "MESSAGING_WEBHOOK_URL": "https://messages.example.com/whatsapp",
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
        "STAGE": "example",
        "TABLE_NAME": "t",
    }
    receiver = environment_of(function="webhook_receiver", config=config, resources=resources)
    assert set(receiver) == {
        "EVENTS_QUEUE_URL",
        "LOG_LEVEL",
        "POWERTOOLS_METRICS_NAMESPACE",
        "SECRET_ID",
        "STAGE",
    }


# --- permissions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_do_exactly_this(template: Template, name: FunctionName) -> None:
    allowed: set[str] = set()
    for statement in statements_of(template, name):
        assert statement["Effect"] == "Allow"
        allowed |= actions_in(statement)
    assert allowed == ACTIONS[name] | ALWAYS | TRACING
    assert not [action for action in allowed if "*" in action]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_traces_go_to_everything_and_logs_to_the_functions_own_group(
    template: Template, name: FunctionName
) -> None:
    for statement in statements_of(template, name):
        if actions_in(statement) == TRACING:
            assert statement["Resource"] == "*"
            continue
        assert not [text for text in texts_in(statement["Resource"]) if "*" in text]
        if actions_in(statement) == ALWAYS:
            (own, _) = statement["Resource"]["Fn::GetAtt"]
            assert own[:-8] == f"Functions{logical_id(name)}Logs"


def test_without_tracing_nothing_goes_to_everything(local_template: Template) -> None:
    for name in FUNCTIONS:
        assert function_of(local_template, name).get("TracingConfig") is None
        for statement in statements_of(local_template, name):
            assert statement["Resource"] != "*"


@pytest.mark.parametrize(
    ("name", "purpose", "actions"),
    [
        ("code_exchange", "business_token", {"kms:Decrypt", "kms:Encrypt"}),
        ("signup_queries", "channel_key", {"kms:Decrypt"}),
        ("onboarding_worker", "channel_key", {"kms:Decrypt", "kms:Encrypt"}),
    ],
)
def test_cipher_text_is_opened_only_for_its_purpose(
    template: Template, name: FunctionName, purpose: str, actions: set[str]
) -> None:
    key = one_named(template, "AWS::KMS::Key", "SecretsEnvelopeKey")["LogicalId"]
    (statement,) = [
        one for one in statements_of(template, name) if one["Resource"] == {"Fn::GetAtt": [key, "Arn"]}
    ]
    assert actions_in(statement) == actions
    assert statement["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:purpose": purpose},
        "Null": {"kms:EncryptionContext:signup": "false", "kms:EncryptionContext:tenant": "false"},
    }


def test_no_other_function_opens_cipher_text(template: Template) -> None:
    key = one_named(template, "AWS::KMS::Key", "SecretsEnvelopeKey")["LogicalId"]
    openers = {
        name
        for name in FUNCTIONS
        if key in json.dumps([one["Resource"] for one in statements_of(template, name)])
    }
    assert openers == {"code_exchange", "signup_queries", "onboarding_worker"}


def test_the_tables_key_is_used_only_through_the_table(template: Template) -> None:
    key = one_named(template, "AWS::KMS::Key", "SecretsTableKey")["LogicalId"]
    for name in FUNCTIONS:
        for statement in statements_of(template, name):
            if key in json.dumps(statement["Resource"]):
                assert actions_in(statement) == {"kms:Decrypt"}
                assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def test_the_library_has_granted_nothing_on_its_own(template: Template) -> None:
    assert not of_type(template, "AWS::IAM::Policy")
    assert len(of_type(template, "AWS::IAM::Role")) == len(FUNCTIONS)


# --- queues, schedules, table, keys ------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("Jobs", None), ("Events", 1_048_576)])
def test_a_queue_and_its_dead_letters(template: Template, name: str, size: int | None) -> None:
    dead = one_named(template, "AWS::SQS::Queue", f"Messaging{name}Dlq")
    queue = one_named(template, "AWS::SQS::Queue", f"Messaging{name}")["Properties"]
    fortnight = 14 * 24 * 3600
    common = {"MessageRetentionPeriod": fortnight, "SqsManagedSseEnabled": True}
    common |= {"MaximumMessageSize": size} if size else {}
    assert dead["Properties"] == common
    assert queue == common | {
        "VisibilityTimeout": 360,
        "RedrivePolicy": {
            "deadLetterTargetArn": {"Fn::GetAtt": [dead["LogicalId"], "Arn"]},
            "maxReceiveCount": 1000,
        },
    }


def test_every_queue_refuses_plain_http(template: Template) -> None:
    guarded = set()
    for policy in of_type(template, "AWS::SQS::QueuePolicy").values():
        denials = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert denials[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        guarded |= {queue["Ref"] for queue in policy["Queues"]}
    assert guarded == set(of_type(template, "AWS::SQS::Queue"))


@pytest.mark.parametrize(
    ("queue", "worker", "batch"), [("Jobs", "onboarding_worker", 1), ("Events", "partner_event_worker", 10)]
)
def test_a_worker_says_of_each_message_whether_it_is_done(
    template: Template, queue: str, worker: FunctionName, batch: int
) -> None:
    source = one_named(template, "AWS::SQS::Queue", f"Messaging{queue}")["LogicalId"]
    mapping = one_named(template, "AWS::Lambda::EventSourceMapping", f"{queue}ConsumerSource")["Properties"]
    assert mapping == {
        "BatchSize": batch,
        "EventSourceArn": {"Fn::GetAtt": [source, "Arn"]},
        "FunctionName": {"Ref": function_of(template, worker)["LogicalId"]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 10},
    }


def test_visibility_outlasts_the_workers_six_times() -> None:
    assert max(FUNCTIONS["onboarding_worker"].timeout, FUNCTIONS["partner_event_worker"].timeout) * 6 <= 360


@pytest.mark.parametrize(("name", "when"), [("Sweep", "rate(1 minute)"), ("Report", "cron(0 4 * * ? *)")])
def test_the_reconciler_runs_on_a_schedule(template: Template, name: str, when: str) -> None:
    rule = one_named(template, "AWS::Events::Rule", f"Schedules{name}")["Properties"]
    dead = one_named(template, "AWS::SQS::Queue", "MessagingSchedulesDlq")["LogicalId"]
    (target,) = rule["Targets"]
    assert rule["ScheduleExpression"] == when
    assert target["Arn"] == {"Fn::GetAtt": [function_of(template, "reconciler")["LogicalId"], "Arn"]}
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
    assert table["DeletionPolicy"] == "Retain"
    assert properties["DeletionProtectionEnabled"] is True
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
        "by_tenant": (["tenant_key", "created_key"], "ALL"),
        "by_due": (["due_shard", "due_at"], "KEYS_ONLY"),
    }


def test_a_stack_to_throw_away_leaves_nothing_behind(local_template: Template) -> None:
    assert {one.get("DeletionPolicy", "Delete") for one in local_template["Resources"].values()} == {"Delete"}
    table = one_named(local_template, "AWS::DynamoDB::Table", "StorageTable")["Properties"]
    assert not table.get("DeletionProtectionEnabled", False)


def test_keys_rotate(template: Template) -> None:
    keys = of_type(template, "AWS::KMS::Key")
    assert len(keys) == 2
    assert all(key["EnableKeyRotation"] for key in keys.values())


def test_the_secret_is_made_without_a_value(template: Template) -> None:
    (secret,) = of_type(template, "AWS::SecretsManager::Secret").values()
    assert set(secret) == {"Description"}


# --- the whole ---------------------------------------------------------------------------------------


def test_what_the_stack_tells_a_person(template: Template, local_template: Template) -> None:
    common = {
        "ApiId",
        "ApiUrl",
        "BusName",
        "EventsDlqUrl",
        "EventsQueueUrl",
        "JobsDlqUrl",
        "JobsQueueUrl",
        "SchedulesDlqUrl",
        "SecretArn",
        "TableName",
        "WebhookUrl",
    }
    assert set(local_template["Outputs"]) == common
    assert set(template["Outputs"]) == common | {"SignInUrl", "UserPoolClientId", "UserPoolId"}


def test_the_template_knows_no_account_and_no_region(template: Template) -> None:
    parsed = assertions.Template.from_json(dict(template))
    parsed.resource_count_is("AWS::Lambda::Function", len(FUNCTIONS))
    text = json.dumps(template)
    assert "eu-central-1" not in text
    assert "us-east-1" not in text
