"""AWS clients that talk to the emulator and nowhere else."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
from botocore.client import BaseClient
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

REGION = "us-east-1"
"""Region of the emulated account."""

ACCOUNT = "000000000000"
"""Id of the emulated account."""

_CONFIG = Config(
    # The emulator answers at once or never; only a synchronous invoke of a function takes long.
    connect_timeout=5,
    read_timeout=130,
    retries={"total_max_attempts": 2, "mode": "standard"},
    s3={"addressing_style": "path"},
    # A proxy of this machine has no business between us and 127.0.0.1.
    proxies={},
)


class _ClientOptions(TypedDict):
    endpoint_url: str
    config: Config


@dataclass(frozen=True, kw_only=True)
class Aws:
    """The emulated account. Clients are made when first asked for and bound to the emulator.

    Attributes:
        endpoint: URL of the emulator.
        region: Region of every client.
        access_key: Access key id; without ``AUTH=true`` the emulator takes any.
        secret_key: Secret of the access key.
        session_token: Token of a role's temporary access key.
    """

    endpoint: str
    region: str = REGION
    access_key: str = "test"
    secret_key: str = field(default="test", repr=False)
    session_token: str | None = field(default=None, repr=False)
    _made: list[BaseClient] = field(default_factory=list, init=False, repr=False, compare=False)

    @cached_property
    def apigateway(self) -> "ApiGatewayV2Client":
        """HTTP APIs."""
        return self._keep(self._session.client("apigatewayv2", **self._options))

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """Stacks."""
        return self._keep(self._session.client("cloudformation", **self._options))

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Tables."""
        return self._keep(self._session.client("dynamodb", **self._options))

    @cached_property
    def events(self) -> "EventBridgeClient":
        """Event buses."""
        return self._keep(self._session.client("events", **self._options))

    @cached_property
    def iam(self) -> Any:  # noqa: ANN401 - the installed type stubs do not cover it
        """Roles and users."""
        return self._keep(self._session.client("iam", **self._options))

    @cached_property
    def kms(self) -> "KMSClient":
        """Keys."""
        return self._keep(self._session.client("kms", **self._options))

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda functions."""
        return self._keep(self._session.client("lambda", **self._options))

    @cached_property
    def logs(self) -> Any:  # noqa: ANN401 - the installed type stubs do not cover it
        """Log groups."""
        return self._keep(self._session.client("logs", **self._options))

    @cached_property
    def s3(self) -> "S3Client":
        """Buckets."""
        return self._keep(self._session.client("s3", **self._options))

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets."""
        return self._keep(self._session.client("secretsmanager", **self._options))

    @cached_property
    def sqs(self) -> "SQSClient":
        """Queues."""
        return self._keep(self._session.client("sqs", **self._options))

    @cached_property
    def ssm(self) -> "SSMClient":
        """Parameters."""
        return self._keep(self._session.client("ssm", **self._options))

    @cached_property
    def sts(self) -> Any:  # noqa: ANN401 - the installed type stubs do not cover it
        """Sessions of roles."""
        return self._keep(self._session.client("sts", **self._options))

    def close(self) -> None:
        """Closes the connections of every client made so far."""
        for client in self._made:
            client.close()

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            region_name=self.region,
        )

    @property
    def _options(self) -> _ClientOptions:
        return {"endpoint_url": self.endpoint, "config": _CONFIG}

    def _keep[C: BaseClient](self, client: C) -> C:
        self._made.append(client)
        return client
