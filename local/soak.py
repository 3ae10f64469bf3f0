"""The soak: many signups through the deployed local stack while both upstreams and the webhooks misbehave.

Time is compressed: a larger budget in a shorter window, shorter retries, an eager reconciler. What is
compressed is told with the result, which goes to ``.local/soak.json`` too.
"""

import contextlib
import dataclasses
import json
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from local.bus import Listener, listening
from local.children import STATE_DIR
from local.journey import JourneyError, read_channel_key
from local.options import FAST_BUDGET, RunOptions, where_unset
from local.progress import Terminal
from local.run import LocalStack, local_stack
from local.soak_checks import (
    Check,
    DeadLetter,
    Evidence,
    KeyProbe,
    check_all,
    exhausted,
    median,
    open_numbers,
    percentile,
    seconds_to_connected,
    unquiet,
)
from local.soak_customers import Browser, Visit, customers
from local.soak_records import Records, read_records

type Json = dict[str, Any]

REPORT = STATE_DIR / "soak.json"
LOG = STATE_DIR / "soak.log"

ACCELERATED: Mapping[str, Any] = {
    **FAST_BUDGET,
    "retry_schedule": "2,4,6,10,15,20,30,30",
    "reconcile_after_seconds": 15,
    "queue_concurrency": 4,
}
"""What a soak sets unless it is told otherwise; production has 5 calls in 30 s and retries for a day."""

SWEEP_SECONDS = 5.0
"""Pause between two sweeps of the reconciler, beside those of its own schedule."""

_MESSAGES = "https://messages.example.com/soak"
_REDELIVERY_CAP_SECONDS = 15.0
_WEBHOOK_DELAY_SECONDS = 4.0
_LOOK_SECONDS = 5.0
_WARM_SECONDS = 300
_EVERY_LOOKS = 2
_STREAM_SECONDS = 30.0
_TOLD_AT_MOST = 8

# How the injected faults of requests divide among each other, in percent. A timeout costs ten real seconds.
_SHARES: tuple[tuple[int, Json], ...] = (
    (22, {"kind": "error_before"}),
    (20, {"kind": "error_after"}),
    (12, {"kind": "html"}),
    (6, {"kind": "html", "after": True}),
    (14, {"kind": "cut_body"}),
    (13, {"kind": "invalid_json"}),
    (5, {"kind": "error_after", "status": 429}),
    (5, {"kind": "error_after", "status": 429, "retry_after": 2}),
    (3, {"kind": "timeout_after"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakOptions:
    """How much is soaked, and for how long.

    Attributes:
        signups: How many signups are opened.
        fault_rate: Share of upstream calls that go wrong, and of webhooks for each kind of mishap.
        seed: Seed of the customers' order; what the simulators draw is not seeded.
        concurrency: Browsers at once.
        minutes: After so long everything has to have settled.
    """

    signups: int = 200
    fault_rate: float = 0.2
    seed: int = 1
    concurrency: int = 8
    minutes: float = 12.0


def accelerated(options: RunOptions) -> RunOptions:
    """Fills in the compressed times where the command line gave none."""
    workers = max(options.queue_concurrency, ACCELERATED["queue_concurrency"])
    # Workers that were ended would have to be started again and again, the dearest thing of all here.
    emulator = dataclasses.replace(options.emulator, warm_seconds=_WARM_SECONDS)
    filled = where_unset(options, {**ACCELERATED, "messaging_webhook_url": _MESSAGES})
    return dataclasses.replace(filled, queue_concurrency=workers, emulator=emulator)


def request_faults(rate: float) -> list[Json]:
    """Gives the simulators' faults that together hit a share of all requests.

    Args:
        rate: The share, from 0 to 1.

    Returns:
        Faults in the order they are drawn: a later one is drawn only when those before it did not hit, so
        its own probability is larger than its share.
    """
    faults, left = [], 1.0
    for percent, fault in _SHARES:
        share = rate * percent / 100
        faults.append({**fault, "probability": share / left})
        left -= share
    return faults


def webhook_faults(rate: float) -> Json:
    """Gives the simulator's webhook mishaps, each of which hits a share of the webhooks."""
    hit = dict.fromkeys(("drop", "duplicate", "reorder", "delay"), rate)
    return {**hit, "delay_seconds": _WEBHOOK_DELAY_SECONDS}


def run_soak(options: RunOptions, soak: SoakOptions, terminal: Terminal) -> bool:
    """Brings everything up, soaks it, checks, tells, and takes everything down.

    Side effects: ``.local/soak.json``, and after a failure ``.local/soak.log`` with the functions' log.

    Args:
        options: How the run is put together.
        soak: How much.
        terminal: Where progress and result are told.

    Returns:
        Whether every check holds.
    """
    options = accelerated(options)
    terminal.title(f"Soak: {soak.signups} signups, faults at {soak.fault_rate:.0%}, seed {soak.seed}")
    _tell_acceleration(options, terminal)
    with local_stack(options, progress=terminal.step) as run:
        _connect_clients(run)
        report, checks = _Soak(run, soak, terminal).run()
        held = all(check.holds for check in checks)
        if not held:
            # Not the log groups: the emulator tells only the first ten thousand lines of each.
            shutil.copyfile(run.emulator.log, LOG)
    REPORT.write_text(json.dumps({"held": held, "options": dataclasses.asdict(soak), **report}, indent=2))
    terminal.title(f"{'Everything holds' if held else 'Something does not hold'}; told in {REPORT}")
    if not held:
        terminal.note(f"what the functions logged is in {LOG}")
    return held


def _tell_acceleration(options: RunOptions, terminal: Terminal) -> None:
    terminal.note(
        f"accelerated: {options.budget_calls} Partner API calls in {options.budget_window_seconds} s, "
        f"retries after {options.retry_schedule} s,"
    )
    terminal.note(
        f"lookup after {options.reconcile_after_seconds} s, a sweep every {SWEEP_SECONDS:g} s "
        f"beside the schedule's, {options.queue_concurrency} workers a queue"
    )


def _connect_clients(run: LocalStack) -> None:
    """Makes the AWS clients before threads ask for them: making them is not thread-safe."""
    _ = (run.aws.dynamodb, run.aws.events, run.aws.functions, run.aws.sqs)


@dataclass(slots=True)
class _Soak:
    """One soak of a stack that is up."""

    stack: LocalStack
    options: SoakOptions
    terminal: Terminal
    visits: list[Visit] = field(default_factory=list)
    retried: set[str] = field(default_factory=set)
    sweeps: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the soak began."""
        return time.monotonic() - self._started

    def run(self) -> tuple[Json, list[Check]]:
        """Soaks, waits until all has settled or the time is up, and checks."""
        chance = random.Random(self.options.seed)  # noqa: S311 - an order that can be repeated
        self.visits = [Visit(customer=one) for one in customers(self.options.signups, chance)]
        self._switch_on()
        with contextlib.ExitStack() as exits:
            listener = exits.enter_context(listening(self.stack))
            # One pool of connections for all browsers: making a client for each would cost more than a visit.
            http = exits.enter_context(httpx.Client(timeout=40, trust_env=False))
            browser = Browser(self.stack, http=http, over=self._over, sleep=self._sleep)
            sweeper = exits.enter_context(_background(self._sweep, self._stop))
            self.terminal.title("Progress")
            self._drive(browser)
            self._stop.set()
            sweeper.join()
            faults = self._switch_off()
            settled = self.seconds
            with self.terminal.step("evidence collected"):
                evidence = self._evidence(browser, listener)
        checks = check_all(evidence)
        report = self._report(evidence, checks, faults, settled)
        self._tell(report, checks)
        return report, checks

    def _over(self) -> bool:
        return self._stop.is_set() or self.seconds > self.options.minutes * 60

    def _sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)

    # -- faults -----------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        faults = {"faults": request_faults(self.options.fault_rate)}
        for address in self._simulators:
            self._admin("POST", address, "faults", faults)
        dialog = self._dialog
        self._admin("POST", dialog, "webhook-faults", webhook_faults(self.options.fault_rate))
        # A webhook that is refused again and again comes back within the run.
        cap = {"redelivery_cap_seconds": _REDELIVERY_CAP_SECONDS}
        self._admin("PATCH", dialog, "webhook-options", cap)

    def _switch_off(self) -> dict[str, dict[str, int]]:
        """Ends the faults and counts how often each kind hit, by simulator."""
        counted = {}
        for name, address in zip(("meta", "360dialog"), self._simulators, strict=True):
            hits: Counter[str] = Counter()
            for fault in self._admin("GET", address, "faults")["faults"]:
                hits[_named(fault)] += fault["hits"]
            counted[name] = dict(sorted(hits.items()))
            self._admin("DELETE", address, "faults")
        self._admin("DELETE", self._dialog, "webhook-faults")
        return counted

    @property
    def _simulators(self) -> tuple[str, str]:
        return self.stack.upstreams.meta_admin, self._dialog

    @property
    def _dialog(self) -> str:
        return self.stack.upstreams.simulated["dialog"]

    def _admin(self, method: str, address: str, path: str, body: Json | None = None) -> Json:
        answer = self.stack.http.request(method, f"{address}/admin/{path}", json=body)
        told: Json = answer.raise_for_status().json()
        return told

    # -- the load ---------------------------------------------------------------------------------

    def _drive(self, browser: Browser) -> None:
        """Lets the customers in, and goes on until all has settled or the time is up."""
        with ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="browser") as pool:
            try:
                for visit in self.visits:
                    pool.submit(browser.visit, visit)
                self._watch(browser)
            except BaseException:
                self._stop.set()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _watch(self, browser: Browser) -> None:
        looks = 0
        while not self._over():
            self._stop.wait(_LOOK_SECONDS)
            self.stack.check_running()
            records = read_records(self.stack)
            depths = self._depths()
            looks += 1
            idle = self._is_idle(records, depths)
            if idle or looks % _EVERY_LOOKS == 0:
                dialog = self._admin("GET", self._dialog, "state")
                self._tell_progress(records, depths, dialog)
                if idle and not any(item["outcome"] == "pending" for item in dialog["deliveries"]):
                    return
            self._retry_exhausted(browser, records)

    def _is_idle(self, records: Records, depths: Mapping[str, int]) -> bool:
        """Whether nothing is left to be done by anybody."""
        ended = all(visit.done for visit in self.visits)
        queued = depths["Jobs"] + depths["Events"]
        to_retry = any(number["signup_id"] not in self.retried for number in exhausted(records))
        busy = any(True for _ in open_numbers(records))
        return ended and not (queued or to_retry or busy or unquiet(records))

    def _retry_exhausted(self, browser: Browser, records: Records) -> None:
        """Runs signups again whose schedule was used up by sheer bad luck, each once."""
        by_id = {visit.signup_id: visit for visit in self.visits if visit.done}
        for number in exhausted(records):
            signup_id = number["signup_id"]
            if signup_id in self.retried or signup_id not in by_id:
                continue
            self.retried.add(signup_id)
            failure = number["failure"]
            self.terminal.note(f"retry of {signup_id}: {failure['code']} at step {failure['step']}")
            try:
                browser.retry(by_id[signup_id])
            except JourneyError as error:
                self.terminal.note(f"the retry was refused: {error}")

    def _sweep(self) -> None:
        """Invokes the reconciler again and again, as its schedule does more slowly."""
        while not self._stop.wait(SWEEP_SECONDS):
            try:
                error = self.stack.invoke("reconciler", {"task": "sweep"})["error"]
            except (BotoCoreError, ClientError) as trouble:
                error = type(trouble).__name__
            self.sweeps["failed" if error else "made"] += 1

    def _depths(self) -> dict[str, int]:
        return {name: self.stack.queue_depth(name) for name in ("Jobs", "Events", "JobsDlq", "EventsDlq")}

    def _tell_progress(self, records: Records, depths: Mapping[str, int], dialog: Json) -> None:
        states = Counter(
            "failed" if number["failure"] else number["progress"] for number in records.numbers.values()
        )
        told = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "no numbers yet"
        gone = sum(visit.done for visit in self.visits)
        budget = dialog["budget"]
        self.terminal.note(
            f"{self.seconds:5.0f} s  {gone}/{len(self.visits)} visits; {told}; "
            f"{depths['JobsDlq'] + depths['EventsDlq']} dead; queued {depths['Jobs']}+{depths['Events']}; "
            f"calls {budget['requests']}, now {_calls_now(dialog)} of {budget['calls']} in a window"
        )

    # -- the end ----------------------------------------------------------------------------------

    def _evidence(self, browser: Browser, listener: Listener) -> Evidence:
        views = {}
        for visit in self.visits:
            if visit.signup_id:
                # What cannot be read is missing in the checks, and fails them.
                with contextlib.suppress(JourneyError):
                    views[visit.signup_id] = browser.read(visit)
        channels = [
            number["channel_id"]
            for view in views.values()
            for number in view["numbers"]
            if number["status"] == "connected"
        ]
        letters = [
            *_dead_letters(self.stack, "jobs", "JobsDlq"),
            *_dead_letters(self.stack, "events", "EventsDlq"),
        ]
        depths = self._depths()
        records = read_records(self.stack)
        return Evidence(
            visits=self.visits,
            views=views,
            records=records,
            heard=_heard(listener, {str(fact["id"]) for fact in records.facts if fact["bus"]}),
            keys={channel_id: _probe(self.stack, channel_id) for channel_id in channels},
            dialog=self._admin("GET", self._dialog, "state"),
            webhook_url=self.stack.options.messaging_webhook_url or "",
            dead_letters=letters,
            waiting={"jobs": depths["Jobs"], "events": depths["Events"]},
            retried=frozenset(self.retried),
        )

    def _report(
        self, evidence: Evidence, checks: Sequence[Check], faults: dict[str, dict[str, int]], settled: float
    ) -> Json:
        took = seconds_to_connected(evidence)
        hits: Counter[str] = Counter()
        for delivery in evidence.dialog["deliveries"]:
            hits.update(delivery["faults"])
        given = dataclasses.asdict(self.stack.options)
        return {
            "accelerated": {name: given[name] for name in ACCELERATED} | {"sweep_seconds": SWEEP_SECONDS},
            "checks": [dataclasses.asdict(check) | {"holds": check.holds} for check in checks],
            "seconds": {
                "until_settled": round(settled, 1),
                "code_to_connected_median": round(median(took), 1),
                "code_to_connected_p95": round(percentile(took), 1),
                "code_to_connected_longest": round(took[-1], 1) if took else 0.0,
            },
            "kinds": dict(Counter(visit.customer.kind for visit in self.visits)),
            "faults": faults | {"webhooks": dict(sorted(hits.items()))},
            "webhooks": dict(Counter(item["outcome"] for item in evidence.dialog["deliveries"])),
            "browsers": {
                "codes": sum(visit.codes for visit in self.visits),
                "repeats": sum(visit.repeats for visit in self.visits),
            },
            "partner_budget": evidence.dialog["budget"],
            "retry_calls": len(self.retried),
            "sweeps": dict(self.sweeps),
            "dead_letters": [
                {"queue": letter.queue, "reason": letter.reason} for letter in evidence.dead_letters
            ],
        }

    def _tell(self, report: Json, checks: Sequence[Check]) -> None:
        self.terminal.title("Result")
        width = max(len(check.name) for check in checks)
        for check in checks:
            self.terminal.note(f"{'✓' if check.holds else '✗'} {check.name:<{width}}  {check.figure}")
            for line in check.wrong[:_TOLD_AT_MOST]:
                self.terminal.note(f"    {line}")
            if len(check.wrong) > _TOLD_AT_MOST:
                self.terminal.note(f"    … and {len(check.wrong) - _TOLD_AT_MOST} more")
        seconds = report["seconds"]
        self.terminal.note(
            f"from code to connected: median {seconds['code_to_connected_median']} s, "
            f"p95 {seconds['code_to_connected_p95']} s; all settled after {seconds['until_settled']} s"
        )
        for where, hits in report["faults"].items():
            told = ", ".join(f"{count} {kind}" for kind, count in hits.items() if count)
            self.terminal.note(f"faults of {where}: {told or 'none'}")


@contextlib.contextmanager
def _background(work: Any, stop: threading.Event) -> Iterator[threading.Thread]:  # noqa: ANN401 - any callable
    """Runs something in a thread; when the context is left, it is told to stop and waited for."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def _named(fault: Json) -> str:
    """Tells a fault's kind with what makes it special."""
    extra = [str(fault["status"])] if fault["status"] else []
    extra += ["after"] if fault["after"] else []
    extra += ["Retry-After"] if fault["retry_after"] is not None else []
    return " ".join([fault["kind"], *extra])


def _calls_now(dialog: Json) -> int:
    """Counts the Partner API calls of the last window."""
    since = time.time() - dialog["budget"]["window_seconds"]
    return sum(item["at"] > since and "/partners/" in item["path"] for item in dialog["requests"])


def _heard(listener: Listener, wanted: set[str]) -> list[str]:
    """Collects the ids of facts that the bus has delivered; the last ones may still be on their way."""
    heard: list[str] = []
    deadline = time.monotonic() + _STREAM_SECONDS
    while time.monotonic() < deadline:
        heard += [str(event["detail"]["id"]) for event in listener.heard()]
        if wanted <= set(heard):
            break
        time.sleep(1)
    return heard


def _dead_letters(run: LocalStack, queue: str, name: str) -> Iterable[DeadLetter]:
    """Takes every message out of a dead-letter queue; the run ends here anyway."""
    url = run.queue_url(name)
    while messages := run.aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
    ).get("Messages", []):
        for message in messages:
            attributes: dict[str, Any] = dict(message.get("MessageAttributes", {}))
            reason = str(attributes.get("reason", {}).get("StringValue", ""))
            body = json.loads(message["Body"])
            yield DeadLetter(queue=queue, body=body if isinstance(body, dict) else {}, reason=reason)


def _probe(run: LocalStack, channel_id: str) -> KeyProbe:
    """Fetches a channel's stored key as the tenant's server would, and reads its webhook with it."""
    answer = read_channel_key(run.api_url, channel_id, run.aws, http=run.http)
    if not answer.is_success:
        return KeyProbe(status=answer.status_code)
    told = answer.json()
    used = run.http.get(f"{told['address']}/v1/configs/webhook", headers={"D360-API-KEY": told["api_key"]})
    webhook = used.json().get("url", "") if used.is_success else ""
    return KeyProbe(status=answer.status_code, secret=told["api_key"], used=used.status_code, webhook=webhook)
