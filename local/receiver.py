"""An application that is notified: it verifies as a stranger would, and misbehaves on request.

`v1` is verified with the public library `standardwebhooks`, `v1a` with the public key that the operator is
shown; both must fit.
"""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from local.children import LOCAL_HOST

type Json = dict[str, Any]

_PATH: Final = "/hooks/"
_POLL_SECONDS: Final = 0.1
_PUBLIC_PREFIX: Final = "whpk_"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an endpoint answers: with which status and headers, after how many seconds."""

    status: int = 204
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


WELL: Final = Behaviour()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A notification that came: to whom, when (by the monotonic clock), and as it came."""

    endpoint: str
    at: float
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        """Its `webhook-id`."""
        return self.headers.get("webhook-id", "")

    @property
    def content(self) -> Json:
        """`{type, timestamp, data}`."""
        told: Json = json.loads(self.body)
        return told

    @property
    def type(self) -> str:
        """What happened."""
        return str(self.content["type"])


class Receiver:
    """Endpoints by name, below one address of this machine; a name that is asked for is there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._keys: dict[str, tuple[str, str]] = {}
        self._behaviours: dict[str, Behaviour] = {}

    def url(self, endpoint: str) -> str:
        """The address of an endpoint."""
        return f"http://{LOCAL_HOST}:{self._port}{_PATH}{endpoint}"

    def behave(self, endpoint: str, behaviour: Behaviour = WELL) -> None:
        """Let an endpoint answer otherwise from now on."""
        with self._lock:
            self._behaviours[endpoint] = behaviour

    def trust(self, endpoint: str, secret: str, public: str) -> None:
        """Know an endpoint's keys, as the operator was shown them."""
        with self._lock:
            self._keys[endpoint] = (secret, public)

    def received(self, endpoint: str | None = None) -> list[Received]:
        """What came, in its order."""
        with self._lock:
            return [one for one in self._received if endpoint in {None, one.endpoint}]

    def verified(self, one: Received) -> bool:
        """Whether both signatures fit; only within five minutes, as the standard has it."""
        secret, public = self._keys[one.endpoint]
        try:
            Webhook(secret).verify(one.body, dict(one.headers))
        except WebhookVerificationError:
            return False
        return _fits(one, public)

    def await_any(
        self, fits: Callable[[Received], bool], *, endpoint: str | None = None, seconds: float = 30
    ) -> Received:
        """Wait for a notification. Raises `TimeoutError` when none comes."""
        deadline = time.monotonic() + seconds
        while True:
            found = next((one for one in self.received(endpoint) if fits(one)), None)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                types = [one.type for one in self.received(endpoint)]
                raise TimeoutError(f"no such notification; there came {', '.join(types) or 'none'}")
            time.sleep(_POLL_SECONDS)

    def take(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Behaviour:
        """Keep what came; gives how to answer."""
        named = {name.lower(): value for name, value in headers.items()}
        came = Received(endpoint=endpoint, at=time.monotonic(), headers=named, body=body)
        with self._lock:
            self._received.append(came)
            return self._behaviours.get(endpoint, WELL)


def _fits(one: Received, public: str) -> bool:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix(_PUBLIC_PREFIX)))
    content = f"{one.message_id}.{one.headers['webhook-timestamp']}.".encode() + one.body
    for signature in one.headers["webhook-signature"].split(" "):
        version, _, text = signature.partition(",")
        if version == "v1a":
            with contextlib.suppress(InvalidSignature):
                key.verify(base64.b64decode(text), content)
                return True
    return False


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """An application that is notified, until the context is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            behaviour = receiver.take(self.path.removeprefix(_PATH), dict(self.headers), body)
            time.sleep(behaviour.seconds)
            with contextlib.suppress(OSError):
                self.send_response(behaviour.status)
                for name, value in behaviour.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            """Say nothing."""

    with ThreadingHTTPServer((LOCAL_HOST, 0), Handler) as server:
        receiver = Receiver(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()
