"""Credentials that Lambda hands out on request: how a function with SnapStart gets them."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from onramp.adapters.aws_light import OK, AwsError, Credentials
from onramp.adapters.wire import Connection, Garbled

EARLY_SECONDS: Final = 300.0
"""They are asked for anew so long before they end."""
WAIT_SECONDS: Final = 2.0


class ContainerCredentials:
    """Asks the address that Lambda names, and keeps what it says until shortly before its end.

    `environment` has `AWS_CONTAINER_CREDENTIALS_FULL_URI`, `AWS_CONTAINER_AUTHORIZATION_TOKEN`, `AWS_REGION`.
    Raises `KeyError` with the missing name.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        place, _, path = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].partition("://")[2].partition("/")
        self._place, self._path = place, f"/{path}"
        self._token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        self._region = environment["AWS_REGION"]
        self._kept: Credentials | None = None
        self._until = 0.0

    def __call__(self) -> Credentials:
        """The credentials. Raises `AwsError`, which shows nothing of them."""
        if self._kept is None or time.time() > self._until - EARLY_SECONDS:
            self._kept, self._until = self._ask()
        return self._kept

    def _ask(self) -> tuple[Credentials, float]:
        host, _, port = self._place.partition(":")
        connection = Connection(host, int(port or 80), secure=False, connect_seconds=WAIT_SECONDS)
        headers = {"host": self._place, "authorization": self._token, "connection": "close"}
        until = time.monotonic() + WAIT_SECONDS
        try:
            status, answer = connection.ask(f"GET {self._path}", headers, b"", until, WAIT_SECONDS)
            if status != OK:
                raise Garbled(str(status))
            told = json.loads(answer)
            end = datetime.fromisoformat(told["Expiration"]).replace(tzinfo=UTC).timestamp()
            made = Credentials(
                access_key=told["AccessKeyId"],
                secret_key=told["SecretAccessKey"],
                token=told["Token"],
                region=self._region,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            kind = type(error).__name__
            raise AwsError(f"no credentials: {kind}", code=kind) from None
        finally:
            connection.close()
        return made, end
