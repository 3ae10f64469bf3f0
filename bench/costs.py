"""What the usual stack would cost for the same work, beside ours, at the same prices.

The usual stack keeps what must be kept and nothing besides: no facts, no leases, nothing all or nothing. Its
requests are counted by hand (below); its own work is measured (`bench.durations`).

    PYTHONPATH=functions:. python -m bench.costs [--write]
"""

import sys
from typing import Final

from bench.durations import own_ms
from bench.growth import show, table
from bench.journey import ABOUT_A_NUMBER, AT_ONCE, ONBOARDING, TOGETHER
from bench.writes import DOCUMENT, POLLS, PRICES, SERVICES, Tally, in_batches, measure

EVENTS: Final = 5
"""Webhooks of an onboarding."""
JOBS: Final = 2
REQUESTS: Final = 4
"""Opened, exchanged, submitted, and the key."""


def usual_webhook(*, together: bool) -> Tally:
    """One webhook: its id is remembered, its number found by its channel and written, a bus told."""
    share = 1 / AT_ONCE if together else 1
    kind = ABOUT_A_NUMBER + TOGETHER if together else ABOUT_A_NUMBER
    return Tally(
        requests=1,
        invocations=1 + share,
        table_calls=3,
        reads=0.5,
        writes=2,
        sqs=1 + 2 * share,
        own_sqs=1,
        puts=1,
        events=1,
        lines=2 + share,
        own=own_ms("sample_sender", ONBOARDING) + own_ms("sample_worker", kind) * share,
    )


def usual_onboarding() -> Tally:
    """The same signup: each request and job reads and writes its one item, the key is encrypted."""
    asked = REQUESTS + POLLS
    api = Tally(
        requests=asked,
        invocations=asked,
        table_calls=REQUESTS + 2 * POLLS,
        reads=REQUESTS + 2 * POLLS,
        writes=REQUESTS - 1,
        sqs=1,
        own_sqs=1,
        kms=2,
        upstream=4,
        lines=2 * asked,
        own=own_ms("sample_stack", ONBOARDING) * asked,
    )
    # A function that a person waits for has twice the memory, as ours has.
    api.larger = api.milliseconds
    jobs = Tally(
        invocations=JOBS,
        table_calls=2 * JOBS,
        reads=JOBS,
        writes=JOBS,
        index_writes=1,
        sqs=2 * JOBS,
        kms=1,
        upstream=7,
        lines=2 * JOBS,
        own=own_ms("sample_worker", ABOUT_A_NUMBER) * JOBS,
    )
    return api.plus(jobs).plus(usual_webhook(together=False), EVENTS)


def tables() -> dict[str, str]:
    """The table by its mark."""
    played = measure()
    one = played.webhooks[ABOUT_A_NUMBER]
    pairs = {
        "a million webhooks about numbers": (one, usual_webhook(together=False), 1_000_000),
        "the same, ten at a time": (in_batches(one, ABOUT_A_NUMBER), usual_webhook(together=True), 1_000_000),
        "a thousand onboardings": (played.onboarding, usual_onboarding(), 1_000),
    }
    rows = []
    for name, (ours, theirs, times) in pairs.items():
        for who, tally in (("Onramp", ours), ("the usual stack", theirs)):
            found = Tally().plus(tally, times).dollars(PRICES["us-east-1"])
            cells = (f"{found[service]:.2f}" for service in SERVICES)
            rows.append([f"{name}, {who}", *cells, f"**{sum(found.values()):.2f}**"])
    return {"usual": table(["us-east-1", *SERVICES, "together"], rows)}


def main() -> None:
    """Print the table; with ``--write`` put it into docs/cost.md."""
    show(tables(), DOCUMENT if sys.argv[1:] == ["--write"] else None)


if __name__ == "__main__":
    main()
