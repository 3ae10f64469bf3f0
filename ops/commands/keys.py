"""``onramp keys``: a channel's key made anew, or proved by use. No key is ever shown."""

import re
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from ops.commands import cost
from ops.console import DONE, FAILED
from ops.desk import Desk, Refused
from ops.running import Failed, Run, command, group

type Json = dict[str, Any]

app = group("The keys of your channels.")

PATIENCE: Final = 180.0
"""Seconds that are waited for a new key; after that it comes by itself."""
EVERY: Final = 2.0
"""Seconds between two looks."""

Name = Annotated[
    str,
    typer.Argument(metavar="NUMBER|CHANNEL", help="Meta's id of the number, or 360dialog's of its channel."),
]
Wait = Annotated[bool, typer.Option(help="Wait until the new key is made and proved.")]


@command(app, "rotate", asks=True, spends="one")
def rotate(run: Run, name: Name, *, wait: Wait = True) -> int:
    """Make a new key for a channel, set its webhook, and prove both. The key that is in use now dies."""
    with run.desk() as desk:
        there = desk.ask("keys.show", **_named(name))
        cost.tell(run, desk, calls=1, hub=there.get("hub"))
        run.consent(f"the key of channel {there['channel_id']} is made anew: the one that is in use now dies")
        asked = desk.ask("keys.rotate", **_named(name))
        if not wait:
            run.console.answer(asked)
            return DONE
        found = Keys(run, desk).wait_for(there)
        run.console.answer(found)
        return DONE if found["failure"] is None else FAILED


@command(app, "check")
def check(run: Run, name: Name) -> int:
    """Prove a channel's key and webhook by use, now. Nothing is changed; no call of the budget is spent."""
    with run.desk() as desk:
        found = desk.ask("keys.check", **_named(name))
        run.console.answer(found)
        return DONE if (found["key"], found["webhook"]) == ("alive", "ours") else FAILED


@command(app, "show")
def show(run: Run, name: Name) -> None:
    """Show when a channel's key was made and proved."""
    with run.desk() as desk:
        run.console.answer(desk.ask("keys.show", **_named(name)))


def _named(name: str) -> dict[str, str]:
    return {"phone_number_id" if re.fullmatch(r"[0-9]+", name) else "channel_id": name}


class Keys:
    """Making keys, and waiting for them."""

    def __init__(self, run: Run, desk: Desk) -> None:
        self._run = run
        self._desk = desk

    def make(self, names: Sequence[str]) -> Json:
        """A key for each number, one after the other: each is asked for when live signups leave a call.

        Gives those that were `made`, and those that `failed`, with the reason. One that fails holds up none.
        """
        made: list[str] = []
        failed: list[Json] = []
        with self._run.console.progress("keys") as progress:
            for name in names:
                why = self._one(name)
                if why is None:
                    made.append(name)
                else:
                    failed.append({"phone_number_id": name, "why": why})
                progress(f"{len(made):,} of {len(names):,} made")
        return {"made": made, "failed": failed}

    def _one(self, name: str) -> str | None:
        try:
            there = self._desk.ask("keys.show", phone_number_id=name)
            cost.ask(self._run, self._desk, "keys.rotate", phone_number_id=name, spare=True)
            failure: str | None = self.wait_for(there)["failure"]
        except (Failed, Refused) as trouble:
            return str(trouble)
        return failure

    def wait_for(self, before: Json) -> Json:
        """Wait until a key is there that is newer than `before` shows, and proved; or the number has failed.

        Raises `Failed` when none could be made, and after `PATIENCE`.
        """
        waited = 0.0
        while True:
            now = self._desk.ask("keys.show", phone_number_id=before["phone_number_id"])
            newer = now["made_at"] is not None and now["made_at"] != before["made_at"]
            if now["failure"] is not None or (newer and not now["under_way"]):
                return now
            if not now["under_way"]:
                raise Failed("no new key could be made: the one before stays; the worker's log says why")
            if waited >= PATIENCE:
                raise Failed("the new key is not there yet; it comes by itself: look with `onramp keys show`")
            time.sleep(EVERY)
            waited += EVERY
