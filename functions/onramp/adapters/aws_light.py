"""AWS's JSON services with the standard library alone: a signed POST, tried again where that may help.

botocore takes a quarter of a second to import and to make its clients, and that is half of a cold start. Five
services, a dozen operations and one protocol are all that this product calls (docs/performance.md says what
that is worth). Signing is Signature Version 4 as AWS documents it; tests compare it, the services' names and
their addresses with botocore's.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping

from onramp.adapters.wire import Connection, Garbled

OK = 200
_UNFIT = frozenset((*map(chr, range(32)), "\ufffe", "\uffff")) - frozenset("\t\n\r")
"""Characters that SQS refuses in a message; a pattern of them takes 4 ms to compile."""

SERVICES = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "events": ("AWSEvents", "1.1"),
    "kms": ("TrentService", "1.1"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "sqs": ("AmazonSQS", "1.0"),
}
"""The services, by the name they are signed for: what precedes an operation, and the protocol's version."""
_BYTES = {"dynamodb": ("B",), "kms": ("CiphertextBlob", "Plaintext")}
"""Members of answers that hold bytes."""
_SUFFIXES = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}
"""The end of AWS's addresses, where it is not `amazonaws.com`, by the beginning of the region's name."""

MAY_PASS = frozenset({429, 500, 502, 503, 504})
"""Statuses that say: try again."""
THROTTLED = frozenset(
    {
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Errors that say so too, whatever their status."""
FIRST_PAUSE = 0.05
"""Seconds, doubled by each try, of which chance takes a part away."""


class AwsError(Exception):
    """AWS did not do it; the text holds the status and AWS's error type, nothing else.

    `code`: AWS's error type, or the kind of trouble of the network. `status`: 0 when nothing was answered,
    and then the call may have worked. `reasons`: a cancelled transaction's codes, one for each member.
    """

    def __init__(self, text: str, *, code: str = "", status: int = 0, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.reasons = reasons

    @property
    def may_pass(self) -> bool:
        """Whether the same call may work a moment later."""
        return self.status in MAY_PASS or not self.status or self.code in THROTTLED


class Credentials:
    """What a function signs with."""

    __slots__ = ("access_key", "region", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str, region: str) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token
        self.region = region

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Credentials":
        """Read Lambda's variables. Raises `KeyError` with the missing name."""
        return cls(
            access_key=environment["AWS_ACCESS_KEY_ID"],
            secret_key=environment["AWS_SECRET_ACCESS_KEY"],
            token=environment.get("AWS_SESSION_TOKEN", ""),
            region=environment["AWS_REGION"],
        )


def credentials_of(environment: Mapping[str, str]) -> Callable[[], Credentials]:
    """Gives the credentials of this process whenever it is called: its own, or those that Lambda hands out.

    With SnapStart there are none in the environment, for they would be old when a snapshot is restored.
    Raises `KeyError` with the missing name.
    """
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in environment and "AWS_ACCESS_KEY_ID" not in environment:
        from onramp.adapters.aws_container import ContainerCredentials  # noqa: PLC0415 - SnapStart alone

        return ContainerCredentials(environment)
    credentials = Credentials.read(environment)
    return lambda: credentials


def sign(  # noqa: PLR0917 - all of them are signed
    credentials: Credentials, service: str, host: str, headers: Mapping[str, str], body: bytes, now: float
) -> dict[str, str]:
    """The headers of a signed POST to `/` of `host`: those given, and what Signature Version 4 adds.

    `now`: seconds since 1970.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"host": host, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{credentials.region}/{service}/aws4_request"
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
        f" SignedHeaders={names}, Signature={signature(credentials, service, moment, canonical)}"
    )
    return signed


def signature(credentials: Credentials, service: str, moment: str, canonical: str) -> str:
    """The signature of a canonical request at a moment, `20261127T000000Z`, in hexadecimal digits."""
    day = moment[:8]
    scope = f"{day}/{credentials.region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def host_of(service: str, region: str) -> str:
    """AWS's address of a service in a region."""
    return f"{service}.{region}.{_SUFFIXES.get(region.partition('-')[0], 'amazonaws.com')}"


class LightClient:
    """One AWS service over kept connections, one for each thread that calls at the same time.

    `endpoint` replaces AWS's address (local runs). A call is tried at most `attempts` times within `deadline`
    seconds; a single wait for the network takes `wait` seconds at most, one for a connection `connect`.
    """

    def __init__(
        self,
        service: str,
        credentials: Callable[[], Credentials],
        region: str,
        endpoint: str | None = None,
        *,
        attempts: int = 3,
        connect: float = 2.0,
        wait: float = 5.0,
        deadline: float = 10.0,
    ) -> None:
        self.service = service
        self._credentials = credentials
        self._attempts = attempts
        self._connect_seconds = connect
        self._wait = wait
        self._deadline = deadline
        self._prefix, version = SERVICES[service]
        self._type = f"application/x-amz-json-{version}"
        self._bytes = _BYTES.get(service, ())
        scheme, _, place = (endpoint or f"https://{host_of(service, region)}").partition("://")
        self._secure = scheme == "https"
        self._host = place.partition("/")[0]
        # Taken by whoever calls, and put back: so threads never share one.
        self._idle: list[Connection] = []

    def call(self, operation: str, request: Mapping[str, object]) -> dict[str, object]:
        """One operation, named as AWS names it. Bytes and times in it are written as AWS wants them.

        Raises `AwsError`; when nothing was answered, it may have been done all the same.
        """
        payload = json.dumps(request, default=_written).encode()
        headers = {"content-type": self._type, "x-amz-target": f"{self._prefix}.{operation}"}
        until = time.monotonic() + self._deadline
        for attempt in range(1, self._attempts + 1):
            try:
                return self._try(headers, payload, until)
            except AwsError as trouble:
                pause = _pause(attempt)
                in_time = time.monotonic() + pause < until
                if attempt == self._attempts or not trouble.may_pass or not in_time:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def connect(self) -> None:
        """Open a connection before it is needed. Raises nothing: who needs it will hear of the trouble."""
        connection = self._taken()
        try:
            connection.open(time.monotonic() + self._connect_seconds, self._connect_seconds)
        except OSError:
            return
        self._idle.append(connection)

    def disconnect(self) -> None:
        """Close what rests."""
        while self._idle:
            self._idle.pop().close()

    def _try(self, headers: Mapping[str, str], payload: bytes, until: float) -> dict[str, object]:
        signed = sign(self._credentials(), self.service, self._host, headers, payload, time.time())
        connection = self._taken()
        kept = connection.is_open
        try:
            try:
                status, answer = connection.ask("POST /", signed, payload, until, self._wait)
            except (ConnectionError, Garbled):
                if not kept:
                    raise
                # AWS has closed it at this very moment: no trouble of AWS's, so that it costs no try.
                status, answer = connection.ask("POST /", signed, payload, until, self._wait)
        except OSError as error:
            kind = type(error).__name__
            raise AwsError(f"{self.service} does not answer: {kind}", code=kind) from None
        self._idle.append(connection)
        content = self._read(answer)
        if status != OK or content is None:
            raise self._refusal(status, content or {})
        return content

    def _taken(self) -> Connection:
        """A connection that nobody else uses."""
        try:
            return self._idle.pop()
        except IndexError:
            name, _, port = self._host.partition(":")
            return Connection(
                name,
                int(port or (443 if self._secure else 80)),
                secure=self._secure,
                connect_seconds=self._connect_seconds,
            )

    def _read(self, answer: bytes) -> dict[str, object] | None:
        """The content of an answer, None when there is none. No content at all is an empty one."""
        try:
            content = json.loads(answer or b"{}", object_hook=self._decoded if self._bytes else None)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _decoded(self, members: dict[str, object]) -> dict[str, object]:
        for name in self._bytes:
            value = members.get(name)
            if isinstance(value, str):
                members[name] = base64.b64decode(value)
        return members

    def _refusal(self, status: int, content: Mapping[str, object]) -> AwsError:
        code = str(content.get("__type", "")).rpartition("#")[2][:80]
        listed = content.get("CancellationReasons")
        reasons = listed if isinstance(listed, list) else []
        return AwsError(
            f"{self.service}: {status} {code}",
            code=code or str(status),
            status=status,
            reasons=tuple(str(reason.get("Code", "")) for reason in reasons if isinstance(reason, dict)),
        )


def _pause(attempt: int) -> float:
    """Seconds before the next try. Chance is the system's: copies of a snapshot must not draw the same."""
    share = int.from_bytes(os.urandom(2)) / 65_536
    return FIRST_PAUSE * float(2**attempt) * share


def _written(value: object) -> object:
    """What JSON has no form for: bytes, and times, which AWS takes in whole seconds."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    timestamp = getattr(value, "timestamp", None)
    if timestamp is None:
        raise TypeError(type(value).__name__)
    return int(timestamp())


def fits_queue(text: str) -> bool:
    """Whether SQS takes each character of a message; halves of characters it does not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return _UNFIT.isdisjoint(text)


def send_message(client: LightClient, queue_url: str, body: str, attributes: Mapping[str, str]) -> None:
    """Put a message into a queue. Raises `AwsError`."""
    client.call(
        "SendMessage",
        {
            "QueueUrl": queue_url,
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        },
    )


def read_secret(client: LightClient, secret_id: str) -> object:
    """The parsed value of a secret. Raises `AwsError`; its text never quotes the secret."""
    answer = client.call("GetSecretValue", {"SecretId": secret_id})
    try:
        return json.loads(str(answer.get("SecretString")))
    except ValueError:
        raise AwsError("the secret is not JSON", code="NotJson") from None
