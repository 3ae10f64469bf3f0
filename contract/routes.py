"""The routes of the API, in one table, and who is let through to the function behind each.

What a stage may go without is a table of its own. The hosted page's routes and those for Meta are no part of
the contract with a partner's systems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

type Access = Literal["public", "jwt", "link", "signed", "iam"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    `access`: anybody, a token's owner, a customer with a signup link, 360dialog by its signature, or a role
    of the account.
    """

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
    Route("POST", "/v1/signups/{signup_id}/outcome", "code_exchange", "jwt"),
    Route("POST", "/v1/signups/{signup_id}/numbers", "number_submission", "jwt"),
    Route("POST", "/v1/signups/{signup_id}/retry", "number_submission", "jwt"),
    Route("POST", "/v1/signup-links", "code_exchange", "jwt"),
    Route("GET", "/v1/signup-links", "signup_queries", "jwt"),
    Route("POST", "/v1/signup-links/{link_id}/revoke", "code_exchange", "jwt"),
    Route("POST", "/v1/tenants/{tenant}/signup-links", "code_exchange", "iam"),
    Route("GET", "/v1/tenants/{tenant}/signup-links", "signup_queries", "iam"),
    Route("POST", "/v1/tenants/{tenant}/signup-links/{link_id}/revoke", "code_exchange", "iam"),
    Route("GET", "/v1/linked-signup", "signup_queries", "link"),
    Route("POST", "/v1/linked-signup/code", "code_exchange", "link"),
    Route("POST", "/v1/linked-signup/outcome", "code_exchange", "link"),
    Route("POST", "/v1/linked-signup/numbers", "number_submission", "link"),
    Route("POST", "/v1/linked-signup/retry", "number_submission", "link"),
    Route("GET", "/v1/numbers", "signup_queries", "jwt"),
    Route("GET", "/v1/numbers/{phone_number_id}", "signup_queries", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/retry", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/cancel", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/reactivate", "number_submission", "jwt"),
    Route("POST", "/v1/numbers/{phone_number_id}/check", "number_submission", "jwt"),
    Route("GET", "/v1/channels/{channel_id}/api-key", "signup_queries", "iam"),
    Route("POST", "/v1/webhooks/360dialog", "webhook_receiver", "signed"),
)

HUBS: Final[Sequence[Route]] = (Route("POST", "/v1/webhooks/360dialog/{hub}", "webhook_receiver", "signed"),)
"""The same webhook for the hubs beside the default one, where the stage has any."""

PAGES: Final[Sequence[Route]] = (
    Route("GET", "/signup", "hosted_page", "public"),
    Route("GET", "/signup/{file}", "hosted_page", "public"),
)
"""The hosted page, where `page.enabled`. A parameter holds one segment: no file is deeper."""

META: Final[Sequence[Route]] = (
    Route("GET", "/v1/webhooks/meta", "meta_receiver", "signed"),
    Route("POST", "/v1/webhooks/meta", "meta_receiver", "signed"),
    Route("POST", "/v1/webhooks/meta/deauthorize", "meta_receiver", "signed"),
    Route("POST", "/v1/webhooks/meta/data-deletion", "meta_receiver", "signed"),
    Route("GET", "/v1/deletions/{code}", "signup_queries", "public"),
)
"""What Meta calls, and where it sends who has asked for deletion; where `meta_webhook.enabled`."""
