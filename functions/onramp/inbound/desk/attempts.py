"""`attempts.*`: where customers give up."""

from datetime import timedelta
from typing import Any, Final

from onramp.domain.records import Fact
from onramp.inbound.desk import Answer, Command, SpanAsked
from onramp.ports import Ports
from onramp.usecases import operating


class ListAsked(SpanAsked):
    """A page of attempts in vain."""

    KEPT = timedelta(days=30)


def shown(fact: Fact) -> dict[str, Any]:
    """One attempt: `outcome` is a popup's, or `exchange_failed` with the code that its caller got."""
    return {
        "at": fact.model_dump(mode="json", include={"at"})["at"],
        "signup_id": fact.subject,
        "tenant": fact.tenant,
        "reference": fact.reference,
        "outcome": fact.detail.get("outcome") or "exchange_failed",
        "step": fact.detail.get("step"),
        "error_code": fact.detail.get("error_code") or fact.detail.get("code"),
        "session_id": fact.detail.get("session_id"),
    }


def listed(desk: Ports, asked: ListAsked) -> Answer:
    """`attempts.list`."""
    found = operating.attempts(desk, asked.span(desk), asked.limit)
    return {"items": [shown(fact) for fact in found.items], "cursor": found.cursor}


COMMANDS: Final = (Command("attempts.list", "Popups and codes that brought nothing", ListAsked, listed),)
