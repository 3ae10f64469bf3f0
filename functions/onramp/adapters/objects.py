"""Large bodies in S3, with the standard library alone: put, and a link to read by (Signature Version 4)."""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from onramp.adapters.aws_light import MAY_PASS, OK, Credentials, host_of, signature
from onramp.adapters.wire import Connection
from onramp.domain.errors import UnavailableError

ATTEMPTS: Final = 3
WAIT: Final = 5.0
DEADLINE: Final = 15.0
"""Seconds: for one wait for the network, and for a body and all its tries."""


class S3Bodies:
    """`Bodies` in one bucket. `endpoint` replaces AWS's address (local runs): then the bucket is in the path.

    `credentials` gives those of the process, as `credentials_of` does. The bucket itself encrypts.
    """

    def __init__(
        self,
        bucket: str,
        credentials: Callable[[], Credentials],
        region: str,
        endpoint: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.bucket = bucket
        self._credentials = credentials
        self._now = now
        scheme, _, place = (endpoint or f"https://{bucket}.{host_of('s3', region)}").partition("://")
        self._base = f"{scheme}://{place.partition('/')[0]}"
        self._host = place.partition("/")[0]
        self._path = f"/{bucket}/" if endpoint else "/"

    def put(self, key: str, content: bytes) -> None:
        """See `Bodies.put`. The same body again changes nothing."""
        until = time.monotonic() + DEADLINE
        for attempt in range(1, ATTEMPTS + 1):
            status = self._put(key, content, until)
            if status == OK:
                return
            if attempt == ATTEMPTS or (status and status not in MAY_PASS):
                raise UnavailableError("bodies")

    def link(self, key: str, seconds: int) -> str:
        """See `Bodies.link`."""
        credentials, moment = self._credentials(), self._moment()
        asked = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{credentials.access_key}/{_scope(credentials, moment)}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            asked["X-Amz-Security-Token"] = credentials.token
        query = urlencode(sorted(asked.items()), quote_via=quote, safe="-_.~")
        path = self._path + quote(key, safe="/-_.~")
        canonical = _canonical("GET", path, query, {"host": self._host}, "UNSIGNED-PAYLOAD")
        signed = signature(credentials, "s3", moment, canonical)
        return f"{self._base}{path}?{query}&X-Amz-Signature={signed}"

    def _put(self, key: str, content: bytes, until: float) -> int:
        """The status of one try, 0 when nothing was answered."""
        credentials, moment = self._credentials(), self._moment()
        digest = hashlib.sha256(content).hexdigest()
        headers = {"host": self._host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        path = self._path + quote(key, safe="/-_.~")
        signed = signature(credentials, "s3", moment, _canonical("PUT", path, "", headers, digest))
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{_scope(credentials, moment)},"
            f" SignedHeaders={';'.join(sorted(headers))}, Signature={signed}"
        )
        name, _, port = self._host.partition(":")
        secure = self._base.startswith("https")
        connection = Connection(
            name, int(port or (443 if secure else 80)), secure=secure, connect_seconds=WAIT
        )
        try:
            return connection.ask(f"PUT {path}", headers, content, until, WAIT)[0]
        except OSError:
            return 0
        finally:
            connection.close()

    def _moment(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))


def _scope(credentials: Credentials, moment: str) -> str:
    return f"{moment[:8]}/{credentials.region}/s3/aws4_request"


def _canonical(method: str, path: str, query: str, headers: Mapping[str, str], digest: str) -> str:
    """A request as Signature Version 4 writes it."""
    names = sorted(headers)
    lines = [method, path, query, *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), digest]
    return "\n".join(lines)
