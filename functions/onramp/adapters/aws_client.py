"""AWS's low-level clients as boto3 spells them, on `aws_light`: `client("dynamodb").get_item(TableName=…)`.

So adapters are typed by boto3's own stubs, and run on either; what comes back has the same shape. Errors are
`AwsError` alone.
"""

import os
from collections.abc import Callable
from typing import Any

from onramp.adapters.aws_light import Credentials, LightClient, credentials_of

type Operation = Callable[..., dict[str, Any]]


class Client:
    """One service; each of its operations is a method with keyword arguments alone."""

    def __init__(self, light: LightClient) -> None:
        self.light = light

    def __getattr__(self, name: str) -> Operation:
        """`put_item` is `PutItem`; nothing checks here that AWS knows it."""
        if name.startswith("_"):
            raise AttributeError(name)
        operation = "".join(word.capitalize() for word in name.split("_"))

        def call(**request: object) -> dict[str, Any]:
            return self.light.call(operation, request)

        self.__dict__[name] = call
        return call


class Clients:
    """The clients of one process, made by need; they share its credentials.

    Making one, and calling, raise `KeyError` with the name of a variable that is missing.
    """

    def __init__(self) -> None:
        self._made: dict[str, Client] = {}
        self._credentials: Callable[[], Credentials] | None = None

    def __call__(self, service: str) -> Client:
        """The client of a service."""
        if service not in self._made:
            region, endpoint = os.environ["AWS_REGION"], os.environ.get("AWS_ENDPOINT_URL")
            self._made[service] = Client(LightClient(service, self._signer, region, endpoint))
        return self._made[service]

    def _signer(self) -> Credentials:
        if self._credentials is None:
            self._credentials = credentials_of(os.environ)
        return self._credentials()

    @property
    def credentials(self) -> Callable[[], Credentials]:
        """What gives the process's credentials, for what speaks to AWS in another way."""
        return self._signer

    def connect(self, service: str) -> None:
        """Open a connection before it is needed."""
        self(service).light.connect()

    def forget(self) -> None:
        """Close connections and forget credentials: before a snapshot, and behind one."""
        for client in self._made.values():
            client.light.disconnect()
        self._credentials = None
