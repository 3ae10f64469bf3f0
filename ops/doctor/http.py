"""HTTP as the doctor speaks it: an answer, or a finding that says who cannot be reached."""

import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Final

import httpx

from onramp.domain.text import mapping
from ops.doctor.findings import Stop, fail

TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def new_client() -> httpx.Client:
    """A client that follows nothing, and takes a proxy of the environment but for this machine itself.

    It says nothing of its own: httpx logs whole URLs at INFO.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(
        timeout=TIMEOUT,
        follow_redirects=False,
        mounts={f"all://{host}": httpx.HTTPTransport() for host in _LOOPBACK},
        headers={"User-Agent": "onramp-doctor", "Accept": "application/json"},
    )


def send(
    client: httpx.Client,
    who: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    """Send one request to `who`, the name a person knows it by.

    Raises:
        Stop: no answer came; the finding says why, without the request, which may hold a secret.
    """
    try:
        return client.request(method, url, headers=headers, params=params, data=data, content=content)
    except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError):
        raise Stop(
            fail(
                f"the request to {who} cannot even be made: a key or an address holds characters it must not",
                "Look for line breaks and blanks in the secret and in the configuration file.",
            )
        ) from None
    except httpx.HTTPError as error:
        raise Stop(
            fail(
                f"{who} cannot be reached ({type(error).__name__})",
                "Check the address, this machine's network and its proxy settings.",
            )
        ) from None


def read_object(response: httpx.Response) -> Mapping[str, object]:
    """The JSON object of an answer; empty when there is none."""
    with contextlib.suppress(ValueError, RecursionError):
        return mapping(json.loads(response.content))
    return {}
