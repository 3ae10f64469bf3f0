"""What whoever deploys must be allowed, made of a synthesized template.

``python -m infra.rights cdk.out/Onramp-dev.template.json --account 111122223333 --region eu-central-1`` makes
the policies of the role in whose name CloudFormation makes the stack: the actions that AWS's own descriptions
name for the template's kinds of resources (they come with cfn-lint), less those that this stack never needs,
more those that the descriptions forget, each on the stack's own resources as far as IAM can tell.
"""

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

LARGEST = 6144
"""How many characters a policy may have at AWS."""
CUT = 20
"""Of a stack's name CloudFormation keeps at least so many characters in the names that it makes."""
HANDLERS = ("create", "read", "update", "delete")
"""What CloudFormation does with a resource in a deployment. Listing is none of it."""

NOT_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Records, values and secrets are nobody's who deploys.": (
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
            "secretsmanager:GetSecretValue",
        ),
        "No role of the stack has a policy of somebody else's.": (
            "iam:AttachRolePolicy",
            "iam:DetachRolePolicy",
        ),
        "For what this stack does not have: networks, file systems, replicas, imports, delivery streams.": (
            "cloudfront:*",
            "dynamodb:*Import*",
            "dynamodb:*TableReplica",
            "dynamodb:DisableKinesis*",
            "dynamodb:EnableKinesis*",
            "dynamodb:UpdateKinesis*",
            "ec2:*",
            "elasticfilesystem:*",
            "firehose:*",
            "iam:CreateServiceLinkedRole",
            "kinesis:*",
            "lambda:*CapacityProvider",
            "lambda:*LayerVersion",
            "lambda:DeleteFunctionCodeSigningConfig",
            "lambda:DeleteProvisionedConcurrencyConfig",
            "lambda:GetCodeSigningConfig",
            "lambda:PutFunctionCodeSigningConfig",
            "lambda:PutFunctionScalingConfig",
            "lambda:PutProvisionedConcurrencyConfig",
            "logs:*BearerTokenAuthentication",
            "logs:AssociateKmsKey",
            "logs:CreateLogStream",
            "logs:DeleteDataProtectionPolicy",
            "logs:DeleteIndexPolicy",
            "logs:DeleteResourcePolicy",
            "logs:DisassociateKmsKey",
            "logs:PutDataProtectionPolicy",
            "logs:PutIndexPolicy",
            "logs:PutLogEvents",
            "s3:*Metadata*TableConfiguration",
            "s3:DeleteBucketAnalyticsConfiguration",
            "s3:DeleteBucketCors",
            "s3:DeleteBucketMetricsConfiguration",
            "s3:DeleteBucketReplication",
            "s3:DeleteBucketWebsite",
            "s3:DeleteObject",
            "s3:GetObjectMetadata",
            "s3:ListBucket",
            "s3:PutAccelerateConfiguration",
            "s3:PutAnalyticsConfiguration",
            "s3:PutBucketAbac",
            "s3:PutBucketCORS",
            "s3:PutBucketLogging",
            "s3:PutBucketNotification",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketReplication",
            "s3:PutBucketWebsite",
            "s3:PutIntelligentTieringConfiguration",
            "s3:PutInventoryConfiguration",
            "s3:PutMetricsConfiguration",
            "s3:PutObjectAcl",
            "s3:PutObjectLockConfiguration",
            "s3:PutReplicationConfiguration",
            "s3:REST.PUT.OBJECT",
            "s3:getObject",
            "s3files:*",
            "s3tables:*",
            "secretsmanager:*Replicat*",
            "secretsmanager:GetRandomPassword",
            "codedeploy:RegisterOnPremisesInstance",
            # A slip of the descriptions: there is no such action.
            "kms:ReEncrypt",
        ),
    }
)
"""Actions that the descriptions name and this stack does without, by why."""

_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
ALSO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # The gateway's access log, and the role that API Gateway has in every account.
        "AWS::ApiGatewayV2::Stage": (*_LOG_DELIVERY, "iam:CreateServiceLinkedRole"),
        # What DynamoDB does with the table's key in the name of its maker.
        "AWS::DynamoDB::Table": ("kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
        # The code, and the version of the bootstrap that each template asks for.
        "AWS::Lambda::Function": ("s3:GetObject", "ssm:GetParameters"),
    }
)
"""Actions that a kind of resource needs and its description does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the stack is deployed. `secrets` are the logical ids of its secrets, which name them."""

    stack: str
    account: str
    region: str
    partition: str = "aws"
    suffix: str = "amazonaws.com"
    qualifier: str = "hnb659fds"
    secrets: tuple[str, ...] = ()

    def arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        """The ARN of something of the account; `everywhere`: of a service that knows no regions."""
        return f"arn:{self.partition}:{service}:{'' if everywhere else self.region}:{self.account}:{resource}"

    @property
    def buckets(self) -> str:
        """How the ARNs of the stack's buckets begin: their names have no capitals."""
        return f"arn:{self.partition}:s3:::{self.own.lower()}"

    @property
    def own(self) -> str:
        """How names that CloudFormation makes begin: it cuts a long stack's name."""
        return f"{self.stack}-*" if len(self.stack) < CUT else f"{self.stack[:CUT]}*"


@dataclass(frozen=True, slots=True)
class Scope:
    """On which resources actions of some patterns are allowed, and under which conditions."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str | list[str]]] = field(default_factory=dict)


def scopes(place: Place) -> tuple[Scope, ...]:
    """The scopes of a place. An action belongs to the first that has it; every action belongs to one."""
    arn, own = place.arn, place.own
    roles = (arn("iam", f"role/{own}", everywhere=True),)
    functions = arn("lambda", f"function:{own}")
    gateway = f"arn:{place.partition}:apigateway:{place.region}::/"
    keys = (arn("kms", "key/*"),)
    code = f"arn:{place.partition}:s3:::cdk-{place.qualifier}-assets-{place.account}-{place.region}/*"
    return (
        Scope(
            ("iam:CreateServiceLinkedRole",),
            (arn("iam", "role/aws-service-role/ops.apigateway.*", everywhere=True),),
            {"StringEquals": {"iam:AWSServiceName": f"ops.apigateway.{place.suffix}"}},
        ),
        Scope(
            ("iam:PassRole",),
            roles,
            {
                "StringEquals": {
                    "iam:PassedToService": [f"lambda.{place.suffix}", f"codedeploy.{place.suffix}"]
                }
            },
        ),
        Scope(("iam:*",), roles),
        # What has no name beforehand, or can only be allowed on all.
        Scope(
            (
                *_LOG_DELIVERY,
                "cloudwatch:DescribeAlarms",
                "cognito-idp:CreateUserPool",
                "cognito-idp:DescribeUserPoolDomain",
                "dynamodb:ListTables",
                "kms:CreateKey",
                "kms:ListAliases",
                "lambda:ListEventSourceMappings",
                "logs:DescribeLogGroups",
                "logs:DescribeIndexPolicies",
                "route53:GetChange",
                "secretsmanager:ListSecrets",
                "sns:GetSubscriptionAttributes",
                "sns:ListSubscriptions",
                "sns:SetSubscriptionAttributes",
                "sns:Unsubscribe",
                "sqs:ListQueues",
            ),
            ("*",),
        ),
        Scope(("lambda:CreateEventSourceMapping",), ("*",), {"ArnLike": {"lambda:FunctionArn": functions}}),
        Scope(
            ("lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"),
            (arn("lambda", "event-source-mapping:*"),),
            {"ArnLike": {"lambda:FunctionArn": functions}},
        ),
        Scope(("lambda:*",), (functions, arn("lambda", "event-source-mapping:*"))),
        Scope(
            ("kms:CreateGrant", "kms:*crypt*", "kms:GenerateDataKey*", "kms:RevokeGrant"),
            keys,
            {"StringEquals": {"kms:ViaService": f"dynamodb.{place.region}.{place.suffix}"}},
        ),
        Scope(("kms:*",), keys),
        Scope(("apigateway:*",), tuple(f"{gateway}{what}" for what in ("apis*", "domainnames*", "tags/*"))),
        Scope(
            ("cloudwatch:*",),
            (arn("cloudwatch", f"alarm:{own}"), arn("cloudwatch", f"dashboard/{own}", everywhere=True)),
        ),
        Scope(
            ("codedeploy:*",),
            tuple(
                arn("codedeploy", what)
                for what in (f"application:{own}", f"deploymentgroup:{own}", "deploymentconfig:*")
            ),
        ),
        Scope(("cognito-idp:*",), (arn("cognito-idp", "userpool/*"),)),
        Scope(("dynamodb:*",), (arn("dynamodb", f"table/{own}"),)),
        Scope(
            ("events:*",),
            tuple(
                arn("events", what)
                for what in (f"event-bus/{place.stack}", f"rule/{own}", f"rule/{place.stack}/*", "archive/*")
            ),
        ),
        Scope(("logs:*",), (arn("logs", f"log-group:{own}"),)),
        Scope(("route53:*",), (f"arn:{place.partition}:route53:::hostedzone/*",)),
        Scope(("s3:GetObject",), (code,)),
        Scope(("s3:*",), (place.buckets,)),
        Scope(("secretsmanager:*",), tuple(arn("secretsmanager", f"secret:{one}*") for one in place.secrets)),
        Scope(("sns:*",), (arn("sns", own),)),
        Scope(("sqs:*",), (arn("sqs", own),)),
        Scope(("ssm:*",), (arn("ssm", f"parameter/cdk-bootstrap/{place.qualifier}/version"),)),
    )


def named_actions(kinds: Collection[str], region: str = "us-east-1") -> frozenset[str]:
    """The actions that AWS's descriptions name for kinds of resources. Raises `KeyError` for unknown ones."""
    data = resources.files("cfnlint") / "data" / "schemas"
    providers = json.loads((data / "providers" / f"{region}.json").read_text(encoding="utf-8"))
    return frozenset(
        action
        for kind in kinds
        for handler, what in _schema(data, providers[kind]).get("handlers", {}).items()
        if handler in HANDLERS
        for action in what.get("permissions", ())
    )


def _schema(data: Traversable, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((data / "resources" / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def needed(template: Mapping[str, Any]) -> frozenset[str]:
    """The actions that a deployment of a template needs."""
    kinds = {resource["Type"] for resource in template["Resources"].values()} - {"AWS::CDK::Metadata"}
    spared = [pattern for patterns in NOT_NEEDED.values() for pattern in patterns]
    named = {
        action
        for action in named_actions(kinds)
        if not any(fnmatchcase(action, pattern) for pattern in spared)
    }
    return frozenset(named).union(*(ALSO.get(kind, ()) for kind in kinds))


def policies(template: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
    """The policy documents that together allow a template to be deployed to a place.

    Raises:
        ValueError: an action belongs to no scope.
    """
    documents: list[dict[str, Any]] = []
    for statement in _statements(template, place):
        last = documents[-1]["Statement"] if documents else []
        if not documents or size([*last, statement]) > LARGEST:
            documents.append({"Version": "2012-10-17", "Statement": [statement]})
        else:
            last.append(statement)
    return documents


def size(statements: list[dict[str, Any]]) -> int:
    """How AWS counts the characters of a policy: without blanks."""
    return len(json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":")))


def _statements(template: Mapping[str, Any], place: Place) -> Iterator[dict[str, Any]]:
    left = set(needed(template))
    for scope in scopes(place):
        mine = {one for one in left if any(fnmatchcase(one, pattern) for pattern in scope.actions)}
        left -= mine
        if mine:
            yield _statement(scope, sorted(mine))
    if left:
        raise ValueError(f"no scope has {', '.join(sorted(left))}")


def _statement(scope: Scope, actions: list[str]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": list(scope.resources)}
    return statement | ({"Condition": scope.condition} if scope.condition else {})


def secrets_in(template: Mapping[str, Any]) -> Iterator[str]:
    """The logical ids of a template's secrets: CloudFormation names a secret by nothing else."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::SecretsManager::Secret":
            yield name


def main(arguments: list[str] | None = None) -> None:
    """Write the policies of a template, and print where."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.rights", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("template", type=Path, help="cdk.out/<stack>.template.json")
    parser.add_argument("--account", required=True, help="12 digits")
    parser.add_argument("--region", required=True)
    parser.add_argument("--to", type=Path, default=Path("cdk.out"), help="the folder; default: cdk.out")
    parser.add_argument("--partition", default="aws", help="aws-cn, aws-us-gov; default: aws")
    parser.add_argument("--suffix", default="amazonaws.com", help="of the partition's addresses")
    parser.add_argument("--qualifier", default="hnb659fds", help="of the CDK's bootstrap")
    given = parser.parse_args(arguments)
    template = json.loads(given.template.read_text(encoding="utf-8"))
    place = Place(
        stack=given.template.name.removesuffix(".template.json"),
        account=given.account,
        region=given.region,
        partition=given.partition,
        suffix=given.suffix,
        qualifier=given.qualifier,
        secrets=tuple(secrets_in(template)),
    )
    for number, document in enumerate(policies(template, place), 1):
        path = given.to / f"{place.stack}-deploy-{number}.json"
        path.write_text(f"{json.dumps(document, indent=2)}\n", encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
