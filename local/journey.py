"""The browser's and the deployer's side of a signup, as plain HTTP calls.

The demo and the flow tests walk with it; it knows the HTTP contract and nothing of the code behind it.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.aws import Aws

type Json = dict[str, Any]

LONGEST_PAUSE_SECONDS = 3.0
"""However long ``Retry-After`` asks for, somebody is watching: ask again after this."""

SHORTEST_PAUSE_SECONDS = 0.2

UNDER_WAY = frozenset(
    {"pending", "submitting", "submitted", "created", "ready", "running", "live", "connecting"}
)
"""States of a number that change without anybody's help."""

LISTED = "listed"
"""How a number of the account is shown that nobody has submitted through this signup."""


class JourneyError(RuntimeError):
    """An answer was not the one that the journey needs; the message shows it."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One answer to a poll.

    Attributes:
        signup: The state as last told.
        changed: False when the answer was 304.
        pause_seconds: How long to wait before the next poll.
    """

    signup: Json
    changed: bool
    pause_seconds: float


class FrontEnd:
    """A front end signed in as one tenant."""

    def __init__(self, api_url: str, token: str, *, http: httpx.Client | None = None) -> None:
        """Prepares the calls.

        Args:
            api_url: Base URL of the API, without a slash at its end.
            token: The tenant's JWT.
            http: The HTTP client; by default one of its own, closed with this object.
        """
        self._http = http or httpx.Client(timeout=40, trust_env=False)
        self._api_url = api_url
        self._authorization = {"Authorization": f"Bearer {token}"}

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Calls a route and gives the answer, whatever its status.

        Args:
            method: HTTP method.
            path: Path and query, from ``/v1`` on.
            body: What to send as JSON; None sends no body.
            headers: Headers beside the token.
        """
        return self._http.request(
            method,
            self._api_url + path,
            headers=self._authorization | dict(headers or {}),
            json=body,
        )

    def open(self, client: Json, *, key: str | None = None, **fields: object) -> Json:
        """Opens a signup.

        Args:
            client: ``name``, ``email`` and ``user_name`` of the customer.
            key: Value of ``Idempotency-Key``.
            fields: Other fields of the request.

        Returns:
            The signup.

        Raises:
            JourneyError: The answer is not 201.
        """
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.call("POST", "/v1/signups", body={"client": client, **fields}, headers=headers)
        return resource_of(answer, httpx.codes.CREATED)

    def send_code(self, signup_id: str, code: str, session_info: object = None) -> Json:
        """Hands in the code of Meta's popup; the code lives 30 seconds.

        Returns:
            The signup.

        Raises:
            JourneyError: The answer is not 200.
        """
        body = {"code": code} | ({"session_info": session_info} if session_info is not None else {})
        return resource_of(self.call("POST", f"/v1/signups/{signup_id}/code", body=body), httpx.codes.OK)

    def submit(self, signup_id: str, phone_number_ids: Sequence[str] | None = None) -> Json:
        """Submits numbers; without ids the one claimed or the only one.

        Returns:
            The signup.

        Raises:
            JourneyError: The answer is not 202.
        """
        body = {"phone_number_ids": list(phone_number_ids)} if phone_number_ids is not None else {}
        return resource_of(
            self.call("POST", f"/v1/signups/{signup_id}/numbers", body=body), httpx.codes.ACCEPTED
        )

    def retry(self, signup_id: str) -> Json:
        """Runs the failed numbers of a signup again.

        Returns:
            The signup.

        Raises:
            JourneyError: The answer is not 202.
        """
        return resource_of(self.call("POST", f"/v1/signups/{signup_id}/retry", body={}), httpx.codes.ACCEPTED)

    def read(self, signup_id: str) -> Json:
        """Reads the signup.

        Raises:
            JourneyError: The answer is not 200.
        """
        return resource_of(self.call("GET", f"/v1/signups/{signup_id}"), httpx.codes.OK)

    def read_number(self, phone_number_id: str) -> Json:
        """Reads one number, whatever signup brought it.

        Raises:
            JourneyError: The answer is not 200.
        """
        return resource_of(self.call("GET", f"/v1/numbers/{phone_number_id}"), httpx.codes.OK)

    def watch(
        self,
        signup_id: str,
        *,
        until: Callable[[Json], bool],
        timeout_seconds: float,
        on_poll: Callable[[Poll], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Json:
        """Polls a signup as the contract asks: with ``If-None-Match``, at the pace of ``Retry-After``.

        Args:
            signup_id: The signup.
            until: Says of a state whether the wait is over.
            timeout_seconds: How long to wait at most.
            on_poll: Told of every answer.
            sleep: Waits.

        Returns:
            The last state, which may be one that ``until`` still refuses: the time was up.

        Raises:
            JourneyError: An answer is neither 200 nor 304.
        """
        deadline = time.monotonic() + timeout_seconds
        signup: Json = {}
        etag = ""
        while True:
            headers = {"If-None-Match": etag} if etag else {}
            answer = self.call("GET", f"/v1/signups/{signup_id}", headers=headers)
            changed = answer.status_code != httpx.codes.NOT_MODIFIED
            if changed:
                signup = resource_of(answer, httpx.codes.OK)
                etag = answer.headers.get("etag", "")
            poll = Poll(signup, changed, pause_of(answer.headers.get("retry-after")))
            on_poll(poll)
            if until(signup) or time.monotonic() + poll.pause_seconds > deadline:
                return signup
            sleep(poll.pause_seconds)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Gives the front end itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connections."""
        self.close()


def resource_of(answer: httpx.Response, status: int) -> Json:
    """Reads the resource that an answer with the wanted status is.

    Raises:
        JourneyError: It has another status.
    """
    body: Json = expect(answer, status).json()
    return body


def pause_of(retry_after: str | None) -> float:
    """Turns a ``Retry-After`` header into seconds to wait, within what a person watching bears.

    Args:
        retry_after: The header's value; anything but a number of seconds counts as absent.

    Returns:
        Seconds, between ``SHORTEST_PAUSE_SECONDS`` and ``LONGEST_PAUSE_SECONDS``.
    """
    try:
        asked = float(retry_after or 1)
    except ValueError:
        asked = 1.0
    return max(SHORTEST_PAUSE_SECONDS, min(asked, LONGEST_PAUSE_SECONDS))


def expect(answer: httpx.Response, status: int) -> httpx.Response:
    """Gives the answer back if it has the wanted status.

    Raises:
        JourneyError: It has another; the message holds status, code and detail of the answer.
    """
    if answer.status_code != status:
        path = answer.request.url.path.partition("/v1/")[2] or answer.request.url.path
        raise JourneyError(
            f"{answer.request.method} /v1/{path} answered {answer.status_code}, not {status}: "
            f"{answer.text[:500]}"
        )
    return answer


def read_channel_key(api_url: str, channel_id: str, aws: Aws, *, http: httpx.Client) -> httpx.Response:
    """Calls the server-to-server route that hands out a channel's key, signed with SigV4.

    Args:
        api_url: Base URL of the API.
        channel_id: 360dialog's id of the channel.
        aws: Whose access key signs.
        http: The HTTP client.

    Returns:
        The answer, whatever its status.
    """
    return call_signed(api_url, "GET", f"/v1/channels/{channel_id}/api-key", aws, http=http)


def call_signed(
    api_url: str, method: str, path: str, aws: Aws, *, http: httpx.Client, body: object = None
) -> httpx.Response:
    """Calls a route that is for roles of the account, signed with SigV4.

    Args:
        api_url: Base URL of the API.
        method: HTTP method.
        path: Path and query, from ``/v1`` on.
        aws: Whose access key signs.
        http: The HTTP client.
        body: What to send as JSON; None sends no body.

    Returns:
        The answer, whatever its status.
    """
    content = b"" if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = AWSRequest(method=method, url=api_url + path, data=content, headers=headers)
    SigV4Auth(Credentials(aws.access_key, aws.secret_key), "execute-api", aws.region).add_auth(request)
    return http.request(method, api_url + path, headers=dict(request.headers.items()), content=content)


def send_message(
    address: str, api_key: str, recipient: str, text: str, *, http: httpx.Client
) -> httpx.Response:
    """Sends a text message through a connected channel.

    Args:
        address: The messaging host, as the key route tells it.
        api_key: The channel's key.
        recipient: Phone number, digits only.
        text: The message.
        http: The HTTP client.

    Returns:
        The answer, whatever its status.
    """
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": recipient,
        "type": "text",
        "text": {"body": text},
    }
    return http.post(f"{address}/messages", headers={"D360-API-KEY": api_key}, json=body)


def submitted(signup: Json) -> list[Json]:
    """Gives the signup's numbers that were submitted; the others are those that Meta lists in the account."""
    return [number for number in signup.get("numbers") or [] if number["status"] != LISTED]


def is_settled(signup: Json) -> bool:
    """Tells whether numbers were submitted and none of them is under way any more."""
    numbers = submitted(signup)
    return bool(numbers) and all(number["status"] not in UNDER_WAY for number in numbers)
