"""The policies of the synthesized template as AWS gets them, with the names that AWS would have filled in."""

import copy
from collections.abc import Mapping
from typing import Any, Self

from infra.cards import CARDS, logical_id
from tests.infra.reading import Template, of_type, one_named, statements_of

type Json = dict[str, Any]

ACCOUNT = "123456789012"
REGION = "eu-central-1"
PSEUDO: Mapping[str, str] = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
HERE = f"{REGION}:{ACCOUNT}"
ARNS: Mapping[str, str] = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{HERE}:table/{{}}",
    "AWS::Events::EventBus": f"arn:aws:events:{HERE}:event-bus/{{}}",
    "AWS::Events::Rule": f"arn:aws:events:{HERE}:rule/{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{HERE}:key/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{HERE}:function:{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{HERE}:log-group:{{}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{HERE}:{{}}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{HERE}:secret:{{}}",
}
"""The ARN of a resource whose physical name is its logical id."""
STREAM = "/stream/2026-11-26T00:00:00.000"
"""What a table's ARN goes on with to be its stream's."""


class Policies:
    """The template's policies, and the ARNs that they speak of."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def without_conditions(self) -> Self:
        """The same, but for the conditions of the functions' roles."""
        bare = copy.deepcopy(dict(self._template))
        for name in CARDS:
            for statement in statements_of(bare, name):
                statement.pop("Condition", None)
        return type(self)(bare)

    def arn(self, kind: str, prefix: str) -> str:
        """The ARN of the only resource of a type whose logical id is the prefix and the CDK's hash."""
        return ARNS[kind].format(one_named(self._template, kind, prefix)["LogicalId"])

    def role(self, function: str) -> str:
        """The name of a function's role."""
        role = one_named(self._template, "AWS::IAM::Role", f"Functions{logical_id(function)}Role")
        return str(role["LogicalId"])

    def statements(self, function: str) -> list[Json]:
        """What a function's role may, statement by statement."""
        return [self._filled(statement) for statement in statements_of(self._template, function)]

    def of_resource(self, arn: str) -> Json | None:
        """The policy that a key, a queue or a role has itself."""
        logical = arn.rpartition("/")[2].rpartition(":")[2]
        resource = self._template["Resources"].get(logical, {})
        properties = resource.get("Properties", {})
        match resource.get("Type"):
            case "AWS::KMS::Key":
                return self._document(properties["KeyPolicy"])
            case "AWS::IAM::Role":
                return self._document(properties["AssumeRolePolicyDocument"])
            case "AWS::SQS::Queue":
                (own,) = [
                    policy["PolicyDocument"]
                    for policy in of_type(self._template, "AWS::SQS::QueuePolicy").values()
                    if {"Ref": logical} in policy["Queues"]
                ]
                return self._document(own)
        return None

    def _document(self, policy: Json) -> Json:
        filled: Json = self._filled(policy)
        return filled

    def _filled(self, part: Any) -> Any:
        """A part of the template with the intrinsic functions that policies use worked out."""
        match part:
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _}:
                return self._text(part)
            case dict():
                assert not any(key.startswith("Fn::") for key in part), part
                return {key: self._filled(value) for key, value in part.items()}
            case list():
                return [self._filled(one) for one in part]
        return part

    def _text(self, part: Any) -> str:
        match part:
            case {"Ref": name}:
                return PSEUDO.get(name) or self._arn_of(name)
            case {"Fn::GetAtt": [name, "StreamArn"]}:
                return self._arn_of(name) + STREAM
            case {"Fn::GetAtt": [name, "Arn" | "SecretArn"]}:
                return self._arn_of(name)
            case {"Fn::Join": [between, list(parts)]}:
                return str(between).join(self._text(one) for one in parts)
        assert isinstance(part, str), part
        return part

    def _arn_of(self, logical: str) -> str:
        return ARNS[self._template["Resources"][logical]["Type"]].format(logical)
