"""What the soak collects at its end, and what has to hold of it. The checks are pure."""

import hashlib
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.soak_customers import Visit
from local.soak_records import Records

type Json = dict[str, Any]

REFUSED_FOR_GOOD = "submission_rejected"
"""How a number fails whose account was never shared under our solution: 360dialog answers 403."""

_PERCENTILE = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProbe:
    """A channel's stored key, tried out.

    Attributes:
        status: What the key route answered.
        secret: The key; empty when there is none.
        used: What the messaging host answered to it.
        webhook: The address it has as the channel's webhook.
    """

    status: int
    secret: str = field(default="", repr=False)
    used: int = 0
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message of a dead-letter queue: which queue, its body as parsed, and the reason it carries."""

    queue: str
    body: Json
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything the checks look at.

    Attributes:
        visits: The visits.
        views: Signups by id, as the API tells them.
        records: What the table holds.
        heard: Ids of the facts that the bus has delivered, each as often as it came.
        dialog: The 360dialog simulator's own account of what happened.
        keys: Keys of connected channels, by channel id.
        webhook_url: The address every connected channel has to have.
        dead_letters: What lies in the dead-letter queues.
        waiting: Messages left in the other queues, by name.
        retried: Ids of signups that were run again by a call, each once.
    """

    visits: Sequence[Visit]
    views: Mapping[str, Json]
    records: Records
    dialog: Json
    keys: Mapping[str, KeyProbe]
    webhook_url: str
    heard: Sequence[str] = ()
    dead_letters: Sequence[DeadLetter] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    retried: frozenset[str] = frozenset()

    def numbers(self) -> Iterator[tuple[Visit, str, Json]]:
        """Gives each number that was to be connected: its visit, Meta's id, and what the API tells of it."""
        for visit in self.visits:
            view = self.views.get(visit.signup_id, {})
            told = {number["phone_number_id"]: number for number in view.get("numbers", [])}
            for phone_number_id in visit.phone_number_ids:
                yield visit, phone_number_id, told.get(phone_number_id, {})

    def connected(self) -> Iterator[tuple[Visit, Json]]:
        """Gives each connected number with its visit."""
        for visit, _, number in self.numbers():
            if number.get("status") == "connected":
                yield visit, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that has to hold, its figure, and what speaks against it."""

    name: str
    figure: str
    wrong: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.wrong


def check_all(evidence: Evidence) -> list[Check]:
    """Runs every check."""
    return [check(evidence) for check in _CHECKS]


def open_numbers(records: Records) -> Iterator[Json]:
    """Gives the numbers that are neither connected nor failed."""
    for number in records.numbers.values():
        if number["progress"] != "connected" and not number["failure"]:
            yield number


def exhausted(records: Records) -> Iterator[Json]:
    """Gives the numbers that failed for another reason than 360dialog's refusal."""
    for number in records.numbers.values():
        if number["failure"] and number["failure"]["code"] != REFUSED_FOR_GOOD:
            yield number


def unquiet(records: Records) -> list[str]:
    """Names everything in the table that still waits for something to be done."""
    found = [f"event {event} is {outcome}" for event, outcome in records.events.items() if outcome[:1] == "("]
    found += [f"number {name} is in the index of due work" for name in records.due]
    for name, number in records.numbers.items():
        # A connected number has its daily check before it.
        parts = ("lease", "intent") if number["progress"] == "connected" else ("lease", "intent", "due_at")
        left = [part for part in parts if number[part]]
        found += [f"number {name} of {number['signup_id']} has {', '.join(left)}"] * bool(left)
    return found


def seconds_to_connected(evidence: Evidence) -> list[float]:
    """Measures each connected number from the exchange of its code on, in seconds, shortest first."""
    measured = []
    for visit, number in evidence.connected():
        timeline = evidence.views[visit.signup_id]["timeline"]
        exchanged = [entry["at"] for entry in timeline if entry["event"] == "signup.authorized"]
        reached = [step["at"] for step in number["steps"] if step["status"] == "connected"]
        if exchanged and reached:
            took = datetime.fromisoformat(reached[0]) - datetime.fromisoformat(exchanged[-1])
            measured.append(took.total_seconds())
    return sorted(measured)


def percentile(ordered: Sequence[float], percent: int = _PERCENTILE) -> float:
    """Gives a percentile of values in ascending order by the nearest rank; 0 of none."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def median(ordered: Sequence[float]) -> float:
    """Gives the median; 0 of none."""
    return statistics.median(ordered) if ordered else 0.0


def _visits_ended(evidence: Evidence) -> Check:
    wrong = [
        f"{visit.customer.kind} of {visit.customer.tenant}: {visit.gave_up or 'still under way'}"
        for visit in evidence.visits
        if visit.gave_up or not visit.done
    ]
    ended = len(evidence.visits) - len(wrong)
    return Check(
        name="every browser got to the end", figure=f"{ended} of {len(evidence.visits)}", wrong=tuple(wrong)
    )


def _numbers_ended(evidence: Evidence) -> Check:
    """Connected, or failed for the one reason that the simulator gives for good."""
    counted: Counter[str] = Counter()
    wrong = []
    for visit, phone_number_id, number in evidence.numbers():
        failure = (number.get("failure") or {}).get("code", "")
        status = str(number.get("status", "missing"))
        counted[f"{status} {failure}".strip()] += 1
        right = status == "connected" if visit.customer.shared else failure == REFUSED_FOR_GOOD
        if not right:
            wrong.append(
                f"{phone_number_id} of {visit.signup_id} ({visit.customer.kind}): {status} {failure}"
            )
    refused = {item["path"] for item in evidence.dialog["requests"] if item["status"] == 403}  # noqa: PLR2004
    if any(told.startswith("failed") for told in counted) and not any("numbers" in path for path in refused):
        wrong.append("a number failed, yet the simulator refused none")
    figure = ", ".join(f"{count} {told}" for told, count in sorted(counted.items())) or "none"
    return Check(name="every number connected or refused for good", figure=figure, wrong=tuple(wrong))


def _no_second_client(evidence: Evidence) -> Check:
    emails = Counter(client["email"].casefold() for client in evidence.dialog["clients"])
    wrong = tuple(f"{email} has {count} clients" for email, count in emails.items() if count > 1)
    return Check(name="one client for each email", figure=f"{emails.total()} clients", wrong=wrong)


def _no_second_submission(evidence: Evidence) -> Check:
    living = Counter(
        (channel["waba_external_id"], channel["phone_number"]) for channel in evidence.dialog["channels"]
    )
    wrong = [
        f"{phone} in {waba} has {count} channels" for (waba, phone), count in living.items() if count > 1
    ]
    doubled = evidence.dialog["duplicate_submissions"]
    if doubled:
        wrong.append(f"the simulator counted {doubled} duplicate submissions")
    submissions = len(evidence.dialog["submissions"])
    return Check(name="no number submitted twice", figure=f"{submissions} submissions", wrong=tuple(wrong))


def _keys_live(evidence: Evidence) -> Check:
    """The stored key is the one that lives, works on the messaging host, and has our webhook."""
    channels = {channel["id"]: channel for channel in evidence.dialog["channels"]}
    wrong = []
    tried = 0
    for visit, number in evidence.connected():
        tried += 1
        channel_id = number["channel_id"]
        probe = evidence.keys.get(channel_id, KeyProbe(status=0))
        living = channels.get(channel_id, {}).get("live_key_sha256")
        trouble = _key_trouble(probe, living, evidence.webhook_url)
        if trouble:
            wrong.append(f"channel {channel_id} of {visit.signup_id}: {trouble}")
    made = sum(channel["keys_made"] for channel in channels.values())
    return Check(
        name="every stored key lives, with its webhook",
        figure=f"{tried} keys, {made} made",
        wrong=tuple(wrong),
    )


def _key_trouble(probe: KeyProbe, living: str | None, webhook_url: str) -> str:
    if not probe.secret:
        return f"the key route answered {probe.status}"
    if hashlib.sha256(probe.secret.encode()).hexdigest() != living:
        return "the stored key is not the living one"
    if probe.used != 200:  # noqa: PLR2004
        return f"the messaging host answered {probe.used}"
    return "" if probe.webhook == webhook_url else f"its webhook is {probe.webhook or 'not set'}"


def _budget_held(evidence: Evidence) -> Check:
    budget = evidence.dialog["budget"]
    most, calls = budget["max_in_any_window"], budget["calls"]
    wrong = (f"{most} calls in a window of {budget['window_seconds']:g} s",) if most > calls else ()
    figure = f"at most {most} of {calls} in any {budget['window_seconds']:g} s; {budget['requests']} calls"
    return Check(name="the partner budget held", figure=figure, wrong=wrong)


def _dead_letters_explained(evidence: Evidence) -> Check:
    wrong = [
        f"{letter.queue} {letter.reason or 'without a reason'}: {trouble}"
        for letter in evidence.dead_letters
        if (trouble := _unexplained(evidence, letter))
    ]
    told = Counter(f"{letter.queue} {letter.reason}" for letter in evidence.dead_letters)
    figure = ", ".join(f"{count} {name}" for name, count in sorted(told.items())) or "none"
    return Check(name="every dead letter is explained", figure=figure, wrong=tuple(wrong))


def _unexplained(evidence: Evidence, letter: DeadLetter) -> str:
    """What is wrong with a dead letter: its record has to tell the same, and a retry to have mended it."""
    if not letter.reason:
        return "nobody buried it"
    if letter.queue == "events":
        event_id = str(letter.body.get("id"))
        outcome = evidence.records.events.get(event_id, "missing")
        return "" if outcome == f"given_up:{letter.reason}" else f"event {event_id} is {outcome}"
    phone_number_id = str(letter.body.get("phone_number_id"))
    number = evidence.records.numbers.get(phone_number_id)
    if number is None or not _told_of(evidence.records, phone_number_id, letter.reason):
        return f"no fact of number {phone_number_id} tells of it"
    retried = number["signup_id"] in evidence.retried
    return "" if retried else f"signup {number['signup_id']} was not run again"


def _told_of(records: Records, phone_number_id: str, code: str) -> bool:
    return any(
        fact["type"] == "number.failed"
        and fact["phone_number_id"] == phone_number_id
        and fact["detail"].get("code") == code
        for fact in records.facts
    )


def _all_heard(evidence: Evidence) -> Check:
    """Every fact that is meant for the bus has come out of it."""
    told = {str(fact["id"]): str(fact["type"]) for fact in evidence.records.facts if fact["bus"]}
    heard = Counter(evidence.heard)
    wrong = [f"{kind} {fact_id} was never heard" for fact_id, kind in told.items() if fact_id not in heard]
    wrong += [f"{fact_id} was heard and is no fact" for fact_id in heard if fact_id not in told]
    again = heard.total() - len(heard)
    return Check(name="every fact reached the bus", figure=f"{len(told)}, {again} again", wrong=tuple(wrong))


def _nothing_left(evidence: Evidence) -> Check:
    wrong = unquiet(evidence.records)
    wrong += [f"{count} messages in the {name} queue" for name, count in evidence.waiting.items() if count]
    events = len(evidence.records.events)
    return Check(
        name="nothing open, due, leased or queued", figure=f"{events} events done", wrong=tuple(wrong)
    )


def _retried_once(evidence: Evidence) -> Check:
    """Told for the figure: nothing is retried twice, by the way the soak is made."""
    return Check(name="signups that needed a retry call", figure=str(len(evidence.retried)))


_CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    _visits_ended,
    _numbers_ended,
    _no_second_client,
    _no_second_submission,
    _keys_live,
    _budget_held,
    _dead_letters_explained,
    _all_heard,
    _nothing_left,
    _retried_once,
)
