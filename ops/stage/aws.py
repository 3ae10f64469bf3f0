"""AWS as an operator sees it: clients with the operator's credentials, and what the stack says of itself."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.cards import CARDS, logical_id
from infra.config import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 5


def is_loopback(url: str | None) -> bool:
    """Whether an address is on this machine."""
    return url is not None and urlsplit(url).hostname in LOOPBACK_HOSTS


@dataclass(kw_only=True)
class Aws:
    """Clients, made when first asked for; safe to be used by several checks at once.

    An `endpoint` on this machine is the local run's emulator, which takes any credentials. `read_timeout`:
    seconds for an answer. `tries`: how often a call is made that was not answered.
    """

    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    read_timeout: float = 20
    tries: int = 3
    _session: boto3.Session | None = field(default=None, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def is_emulated(self) -> bool:
        """Whether this is the emulator of a local run."""
        return is_loopback(self.endpoint)

    @property
    def cloudformation(self) -> "CloudFormationClient":
        """The stack."""
        client: CloudFormationClient = self.client("cloudformation")
        return client

    @property
    def secrets(self) -> "SecretsManagerClient":
        """The secret."""
        client: SecretsManagerClient = self.client("secretsmanager")
        return client

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """The table."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @property
    def sqs(self) -> "SQSClient":
        """The queues."""
        client: SQSClient = self.client("sqs")
        return client

    @property
    def functions(self) -> "LambdaClient":
        """The functions."""
        client: LambdaClient = self.client("lambda")
        return client

    @property
    def apis(self) -> "ApiGatewayV2Client":
        """The HTTP API."""
        client: ApiGatewayV2Client = self.client("apigatewayv2")
        return client

    @property
    def events(self) -> "EventBridgeClient":
        """The schedules."""
        client: EventBridgeClient = self.client("events")
        return client

    @property
    def metrics(self) -> Any:  # noqa: ANN401 - no type stubs for this one
        """CloudWatch."""
        return self.client("cloudwatch")

    def client(self, service: str) -> Any:  # noqa: ANN401 - the properties say which
        """A client. Raises botocore's errors when region or profile are missing."""
        with self._lock:
            if service not in self._clients:
                self._session = self._session or self._new_session()
                self._clients[service] = self._session.client(service, **self._options())  # type: ignore[call-overload]
            return self._clients[service]

    def region_name(self) -> str:
        """The region in use. Raises `NoRegionError` when nobody names one."""
        return str(self.client("cloudformation").meta.region_name)

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._clients.values():
            client.close()

    def _new_session(self) -> boto3.Session:
        if self.is_emulated:
            return boto3.Session(
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106 - the emulator's
                region_name=self.region or "us-east-1",
            )
        return boto3.Session(region_name=self.region, profile_name=self.profile)

    def _options(self) -> dict[str, Any]:
        retries: Any = {"total_max_attempts": self.tries, "mode": "standard"}
        # A proxy of this machine has no business between us and the emulator.
        proxies: dict[str, str] | None = {} if self.is_emulated else None
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=self.read_timeout,
            retries=retries,
            proxies=proxies,
        )
        return {"endpoint_url": self.endpoint, "config": config}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """The stack as CloudFormation knows it. `protected`: it refuses to be deleted."""

    status: str
    outputs: dict[str, str]
    protected: bool = False


def describe_stack(aws: Aws, name: str) -> StackFacts:
    """Read status and outputs. Raises botocore's errors, `ClientError` when there is no such stack."""
    [stack] = aws.cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
    protected = bool(stack.get("EnableTerminationProtection", False))
    return StackFacts(status=stack["StackStatus"], outputs=outputs, protected=protected)


def list_resources(aws: Aws, name: str) -> dict[str, dict[str, str]]:
    """Physical ids of the stack's resources, by type and logical id. Raises botocore's errors."""
    found: dict[str, dict[str, str]] = {}
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    for page in pages:
        for item in page["StackResourceSummaries"]:
            ids = found.setdefault(item["ResourceType"], {})
            ids[item["LogicalResourceId"]] = item.get("PhysicalResourceId", "")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFunction:
    """A function as it is deployed: its name there, the alias that is called, and its variables."""

    physical: str
    environment: dict[str, str]
    alias: str | None = None

    @property
    def called(self) -> str:
        """What to name in a call: the alias where there is one, so that the released version answers."""
        return f"{self.physical}:{self.alias}" if self.alias else self.physical


def read_functions(aws: Aws, resources: dict[str, dict[str, str]]) -> dict[str, DeployedFunction]:
    """The stack's functions that have a card, by their names there. Raises botocore's errors.

    A function behind an alias is read through it: after a roll-back that is not the newest code.
    """
    aliases = _aliases(resources)
    found: dict[str, DeployedFunction] = {}
    for physical in resources.get("AWS::Lambda::Function", {}).values():
        alias = aliases.get(physical)
        more: Any = {"Qualifier": alias} if alias else {}
        settings = aws.functions.get_function_configuration(FunctionName=physical, **more)
        name = settings.get("Handler", "").rpartition(".")[0]
        if name in CARDS:
            environment = settings.get("Environment", {}).get("Variables", {})
            found[name] = DeployedFunction(physical=physical, environment=dict(environment), alias=alias)
    return found


def called_function(resources: Mapping[str, Mapping[str, str]], name: str) -> str | None:
    """What to name in a call of one function, by what the stack alone tells: no function is read for it.

    CloudFormation's logical ids contain a function's name as the stack writes it.
    """
    logical = logical_id(name)
    for found, physical in resources.get("AWS::Lambda::Function", {}).items():
        if logical in found:
            alias = _aliases(resources).get(physical)
            return f"{physical}:{alias}" if alias else physical
    return None


def _aliases(resources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The alias of each function, from ``arn:…:function:<name>:<alias>``."""
    found = {}
    for arn in resources.get("AWS::Lambda::Alias", {}).values():
        function, _, alias = arn.rpartition(":")
        found[function.rpartition(":")[2]] = alias
    return found


def error_code(error: Exception) -> str:
    """What AWS calls a refusal; the kind of any other error. Never its text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
