"""``onramp attempts``: where customers give up."""

from collections import Counter
from itertools import islice
from typing import Any

from ops.commands.signups import spanned
from ops.running import Limit, Run, Since, Until, command, group

type Json = dict[str, Any]

BY = ("outcome", "step", "error_code")
PAGE = 100

app = group("Where customers give up.")


@command(app, "list")
def listed(run: Run, since: Since = None, until: Until = None, limit: Limit = 20) -> None:
    """Count popups and codes that brought nothing, by outcome, screen and error; show the latest.

    Without --since those of 30 days.
    """
    with run.desk() as desk, run.console.progress("reading") as progress:
        items: list[Json] = []
        for page in desk.pages("attempts.list", limit=PAGE, **spanned(since, until)):
            items += page["items"]
            progress(f"{len(items):,} read")
    counted = Counter(tuple(item[name] for name in BY) for item in items)
    counts = [{**dict(zip(BY, key, strict=True)), "count": count} for key, count in counted.most_common()]
    latest = list(islice(items, limit))

    def text() -> None:
        if not items:
            run.console.tell("no attempts in vain")
            return
        run.console.table(counts, ("count", *BY))
        run.console.table(latest, ("at", "signup_id", "tenant", "reference", *BY))

    run.console.answer({"total": len(items), "counts": counts, "items": latest}, text)
