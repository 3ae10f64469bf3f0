"""What this machine's container engine says of itself: Docker's API, at the address in ``DOCKER_HOST``."""

import contextlib
import http.client
import json
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Self
from urllib.parse import quote, urlsplit

_USUAL = "unix:///var/run/docker.sock"
_SECONDS = 10.0


class NoEngineError(RuntimeError):
    """No container engine answers; the message says where it was asked."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine. `address` is a `unix:` or `tcp:` URL."""

    address: str

    @classmethod
    def of_this_machine(cls) -> Self:
        """The engine that every tool here would use.

        Raises:
            NoEngineError: None answers.
        """
        engine = cls(os.environ.get("DOCKER_HOST") or _USUAL)
        status, _ = engine._get("/_ping")
        if status != http.HTTPStatus.OK:
            raise NoEngineError(f"{engine.address} answers {status}")
        return engine

    def has_image(self, name: str) -> bool:
        """Tells whether an image is there, so that none must be fetched.

        Raises:
            NoEngineError: The engine does not answer.
        """
        status, _ = self._get(f"/images/{quote(name)}/json")
        return status == http.HTTPStatus.OK

    def gateway(self) -> str | None:
        """Gives the address by which containers reach the machine that the engine runs on.

        Raises:
            NoEngineError: The engine does not answer.
        """
        status, body = self._get("/networks/bridge")
        ranges = body["IPAM"]["Config"] or [] if status == http.HTTPStatus.OK else []
        # An engine that chose the gateway itself may leave it out: it is the first address of the range.
        addresses = (one.get("Gateway") or str(next(ip_network(one["Subnet"]).hosts())) for one in ranges)
        return next((str(address) for address in addresses if ":" not in address), None)

    def _get(self, path: str) -> tuple[int, Any]:
        """Asks the engine; the body as parsed from JSON, None when it is none."""
        try:
            with contextlib.closing(self._connection()) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                text = answer.read()
        except OSError as error:
            raise NoEngineError(f"no container engine answers at {self.address}: {error}") from error
        with contextlib.suppress(ValueError):
            return answer.status, json.loads(text)
        return answer.status, None

    def _connection(self) -> http.client.HTTPConnection:
        asked = urlsplit(self.address)
        match asked.scheme:
            case "unix":
                return _OnSocket(asked.path)
            case "tcp" if asked.hostname:
                return http.client.HTTPConnection(asked.hostname, asked.port, timeout=_SECONDS)
        raise NoEngineError(f"DOCKER_HOST is {self.address}; what begins with unix: or tcp: is understood")


class _OnSocket(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Opens the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
