"""The routes of the API, in one table, and who is let through to the function behind each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

type Access = Literal["public", "jwt", "signed", "iam"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `access`: anybody, a token's owner, 360dialog by its signature, or a role of the account."""

    method: Literal["GET", "POST"]
    path: str
    function: str
    access: Access

    @property
    def key(self) -> str:
        """What API Gateway calls it."""
        return f"{self.method} {self.path}"


ROUTES: Final[Sequence[Route]] = (
    Route("GET", "/v1/config", "signup_queries", "public"),
    Route("POST", "/v1/signups", "code_exchange", "jwt"),
    Route("GET", "/v1/signups", "signup_queries", "jwt"),
    Route("GET", "/v1/signups/{signup_id}", "signup_queries", "jwt"),
    Route("POST", "/v1/signups/{signup_id}/code", "code_exchange", "jwt"),
    Route("POST", "/v1/signups/{signup_id}/numbers", "number_submission", "jwt"),
    Route("POST", "/v1/signups/{signup_id}/retry", "number_submission", "jwt"),
    Route("GET", "/v1/numbers", "signup_queries", "jwt"),
    Route("GET", "/v1/numbers/{phone_number_id}", "signup_queries", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/retry", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/cancel", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/reactivate", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/check", "number_submission", "jwt"),
    Route("GET", "/v1/channels/{channel_id}/api-key", "signup_queries", "iam"),
    Route("POST", "/v1/webhooks/360dialog", "webhook_receiver", "signed"),
)
