"""The seven functions: what each is given to run with."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FunctionName = Literal[
    "code_exchange",
    "number_submission",
    "signup_queries",
    "webhook_receiver",
    "onboarding_worker",
    "partner_event_worker",
    "reconciler",
]
PackageName = Literal["receiver", "app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """How one function is deployed. `timeout` in seconds, `memory` in MB."""

    about: str
    timeout: int
    memory: int = 512
    package: PackageName = "app"

    def __post_init__(self) -> None:
        """Refuse a timeout that Lambda does not know."""
        if not 1 <= self.timeout <= 900:  # noqa: PLR2004 - Lambda's own bounds
            raise ValueError(f"timeout {self.timeout} s: Lambda allows 1 to 900")


# A browser waits at most 30 s for an HTTP API; 360dialog waits 5 s for the receiver.
FUNCTIONS: Mapping[FunctionName, FunctionSpec] = MappingProxyType(
    {
        "code_exchange": FunctionSpec(about="Opens signups; exchanges Meta's code and proves it", timeout=29),
        "number_submission": FunctionSpec(about="Takes numbers for submission, and retries", timeout=15),
        "signup_queries": FunctionSpec(about="Answers what is read: signups, keys", timeout=10),
        "webhook_receiver": FunctionSpec(
            about="Checks 360dialog's webhooks and queues them", timeout=5, package="receiver"
        ),
        "onboarding_worker": FunctionSpec(about="Brings numbers through 360dialog, step by step", timeout=60),
        "partner_event_worker": FunctionSpec(about="Applies 360dialog's events", timeout=60),
        "reconciler": FunctionSpec(about="Sends lost work again; looks up what waits too long", timeout=120),
    }
)


def logical_id(name: FunctionName) -> str:
    """The function's name in the stack: ``code_exchange`` becomes ``CodeExchange``."""
    return "".join(part.capitalize() for part in name.split("_"))
