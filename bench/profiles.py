"""What a function's own work is made of, for each kind of message, when it is awake.

The handlers run in this process under a profiler that counts its processor time, and onboardings and webhooks
(`bench.journey`) go through them; AWS is MiniStack, the upstreams are simulated. How long a message takes
without a profiler is measured elsewhere (`bench.durations`): here are the shares.

    python -m bench.profiles [--rounds 15] [--write]        # about a minute
"""

import argparse
import cProfile
import importlib
import os
import pstats
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from bench.durations import taken_for
from bench.growth import DOCUMENT, show, table
from bench.journey import ABOUT_A_NUMBER, NOT_ABOUT_A_NUMBER, ONBOARDING, SWEEP, Journey, inbox
from harness.services import Services, services
from infra.cards import CARDS

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "table and AWS": ("/adapters/dynamo/", "/adapters/aws", "/adapters/signer", "/adapters/wire", "/hmac.py"),
    "Meta, 360dialog": (
        "/adapters/",
        "/httpx/",
        "/httpcore/",
        "/h11/",
        "/anyio/",
        "/urllib/",
        "/ipaddress.py",
    ),
    "sockets, TLS": ("/socket.py", "/ssl.py", "/selectors.py"),
    "models, JSON": ("/pydantic", "/json/"),
    "logs": ("/logging/", "/aws_lambda_powertools/"),
    "domain, use cases": ("/onramp/",),
}
"""A part of the work, and what is in the paths of its code; the first that fits."""
NATIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "sockets, TLS": ("_socket.", "_ssl.", "select."),
    "models, JSON": ("pydantic_core", "_json"),
    "table and AWS": ("_hashlib", "_hmac"),
}
"""The same for functions without code of Python, by their names; others count for who calls them."""
REST: Final = "Python"
SHOWN: Final = (
    ("webhook_receiver", ABOUT_A_NUMBER),
    ("partner_event_worker", ABOUT_A_NUMBER),
    ("partner_event_worker", NOT_ABOUT_A_NUMBER),
    ("onboarding_worker", ONBOARDING),
    ("event_publisher", ONBOARDING),
    ("reconciler", SWEEP),
    ("code_exchange", ONBOARDING),
    ("number_submission", ONBOARDING),
    ("signup_queries", ONBOARDING),
)

type Place = tuple[str, int, str]


@dataclass(slots=True)
class Profiler:
    """Runs handlers in this process, and keeps a profile for each function and kind of message."""

    around: Services
    handlers: dict[str, Any] = field(default_factory=dict)
    profiles: dict[tuple[str, str], cProfile.Profile] = field(default_factory=dict)
    counting: bool = False

    def invoke(self, name: str, kind: str, event: object) -> Any:  # noqa: ANN401 - any JSON
        """Run a handler; with `counting` its work is added to the profile of its kind."""
        # Settings are read when a function is wired, which its first event does.
        os.environ |= self.around.environment(name) | {"AWS_LAMBDA_FUNCTION_NAME": name}
        if name not in self.handlers:
            self.handlers[name] = importlib.import_module(name).handler
        context = SimpleNamespace(
            aws_request_id="profile",
            function_name=name,
            function_version="1",
            memory_limit_in_mb=CARDS[name].memory,
            invoked_function_arn=name,
            get_remaining_time_in_millis=lambda: 60_000,
        )
        if not self.counting:
            return self.handlers[name](event, context)
        profile = self.profiles.setdefault((name, kind), cProfile.Profile(time.process_time))
        return profile.runcall(self.handlers[name], event, context)


def part_of(place: Place) -> str | None:
    """The part of the work that a function belongs to; None for a native one that anybody may call."""
    path, _, name = place
    if path == "~":
        return next((part for part, signs in NATIVE.items() if any(sign in name for sign in signs)), None)
    return next((part for part, signs in PARTS.items() if any(sign in path for sign in signs)), REST)


def shares(profile: cProfile.Profile) -> Mapping[str, float]:
    """The part of the whole time that each part of the work takes, from 0 to 1."""
    spent: Counter[str] = Counter()
    for place, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        part = part_of(place)
        if part is not None:
            spent[part] += own
            continue
        for caller, (_, _, there, _) in callers.items():
            spent[part_of(caller) or REST] += there
    whole = sum(spent.values())
    return defaultdict(float, {part: own / whole for part, own in spent.items()})


def measure(rounds: int) -> dict[tuple[str, str], Mapping[str, float]]:
    """The shares by function and kind of message. Raises `StalledError`, `ChildFailedError`."""
    before = dict(os.environ)
    try:
        with services() as around, inbox(around) as came:
            watch = Profiler(around)
            journey = Journey(around, watch.invoke, came)
            for number in range(rounds + 1):
                watch.counting = number > 0
                journey.onboard()
                journey.webhooks(journey.quality, ABOUT_A_NUMBER)
                journey.webhooks(journey.template, NOT_ABOUT_A_NUMBER)
                watch.invoke("reconciler", SWEEP, {"task": SWEEP})
                sys.stderr.write(f"round {number} of {rounds}\n")
    finally:
        os.environ.clear()
        os.environ.update(before)
    return {place: shares(profile) for place, profile in watch.profiles.items()}


def profile_table(found: Mapping[tuple[str, str], Mapping[str, float]]) -> str:
    """The shares as a table, beside the processor time without a profiler."""
    parts = (*PARTS, REST)
    rows = []
    for name, kind in SHOWN:
        of = found.get((name, kind)) or found[name, ONBOARDING]
        took = taken_for(name, kind).processor
        rows.append([f"`{name}`, {kind}", f"{took:.1f}", *(f"{of[part]:.0%}" for part in parts)])
    return table(["one invocation", "processor ms", *parts], rows)


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    given = parser.parse_args()
    show({"profiles": profile_table(measure(given.rounds))}, DOCUMENT if given.write else None)


if __name__ == "__main__":
    main()
