"""The demo: one customer's signup from the first click to the first message, told step by step."""

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import httpx

from local.journey import (
    FrontEnd,
    JourneyError,
    Json,
    Poll,
    is_settled,
    read_channel_key,
    resource_of,
    send_message,
    submitted,
)
from local.options import FAST_BUDGET, RunOptions, where_unset
from local.progress import Terminal
from local.receiver import Received, Receiver, receiving
from local.run import LocalStack, local_stack

TENANT = "demo-tenant"
CONNECTED = "connected"

MANY = 4
"""More numbers would wait long for the partner budget, and be too many lines to tell one by one."""

ENDPOINT = "local"
"""The application that listens, as the stage's configuration names it."""

_NOTIFIED_SECONDS = 60.0
_NOTIFICATIONS_SHOWN = 20
_CONNECT_SECONDS = 120.0
_LONGEST_SECONDS = 900.0
_WORKERS = 4
_SHOWN = 8
_LOG_LINES = 15
# Lambda's own lines around each invocation, and metrics.
_UNTELLING = ("START ", "END ", "REPORT ", '{"_aws"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelKey:
    """A connected channel as the key route tells it."""

    channel_id: str
    address: str
    api_key: str = field(repr=False)


def run_demo(options: RunOptions, *, numbers: int, terminal: Terminal) -> None:
    """Brings everything up, walks through one signup and takes everything down.

    With more than ``MANY`` numbers the partner budget is a faster one, unless one was asked for.

    Args:
        options: How the run is put together.
        numbers: How many numbers of one WhatsApp Business Account are connected, 1 or more.
        terminal: Where progress is told.

    Raises:
        JourneyError: The signup did not end as it has to.
    """
    terminal.title("Onramp on this machine: AWS emulated, Meta and 360dialog simulated")
    if numbers > MANY:
        options = accelerated(options, terminal)
    with (
        receiving() as receiver,
        local_stack(
            replace(options, notified={ENDPOINT: receiver.url(ENDPOINT)}), progress=terminal.step
        ) as run,
    ):
        terminal.note(f"API {run.api_url}")
        try:
            _listen(run, receiver, terminal)
            _walk(run, receiver, numbers, terminal)
        except Exception:
            _tell_logs(run, terminal)
            raise
        # A nicety: a machine without `ps` goes without it.
        with contextlib.suppress(OSError):
            terminal.note(f"memory of everything started: {run.memory_bytes() / 1e6:.0f} MB")
        stopping = time.monotonic()
    terminal.done("everything stopped and removed", time.monotonic() - stopping)
    terminal.title(f"Done in {terminal.total():.1f} s.")


def accelerated(options: RunOptions, terminal: Terminal) -> RunOptions:
    """Fills in a faster partner budget and more workers, and says so; what was asked for stays."""
    workers = max(options.queue_concurrency, _WORKERS)
    fast = replace(where_unset(options, FAST_BUDGET), queue_concurrency=workers)
    terminal.note(
        f"accelerated: {fast.budget_calls} Partner API calls in {fast.budget_window_seconds} s instead of "
        "360dialog's 5 in 30 s, which so many numbers would wait for"
    )
    return fast


def _listen(run: LocalStack, receiver: Receiver, terminal: Terminal) -> None:
    """The tenant's application is given the keys that an operator is shown this once."""
    with terminal.step("an application of yours listens; its keys are made (onramp endpoints rotate)"):
        made = run.desk("endpoints.rotate", endpoint=ENDPOINT)
        receiver.trust(ENDPOINT, made["secret"], made["public"])


def _walk(run: LocalStack, receiver: Receiver, numbers: int, terminal: Terminal) -> None:
    terminal.title("A customer signs up")
    with terminal.step("tenant signed in (JWT of the local identity provider)"):
        front_end = run.front_end(TENANT)
    with front_end:
        signup = _sign_up(run, front_end, numbers, terminal)
        _print_timeline(signup, terminal, each=numbers <= MANY)
    terminal.title("The tenant's server uses what was connected")
    keys = _fetch_keys(run, signup, terminal)
    _send(run, keys[0], terminal)
    _tell_notifications(receiver, signup, terminal)


def _tell_notifications(receiver: Receiver, signup: Json, terminal: Terminal) -> None:
    """What the application has heard of this signup, each verified as a stranger would.

    Raises:
        JourneyError: Something did not come, or does not verify.
    """
    terminal.title("Meanwhile your application was notified")
    for number in submitted(signup):
        try:
            receiver.await_any(partial(_is_connected, number["phone_number_id"]), seconds=_NOTIFIED_SECONDS)
        except TimeoutError as error:
            raise JourneyError(f"nobody was told that {_name(number)} is connected: {error}") from None
    heard = [one for one in receiver.received() if one.content["data"].get("signup_id") == signup["id"]]
    unverified = [one.type for one in heard if not receiver.verified(one)]
    if unverified:
        raise JourneyError(f"notifications that do not verify: {', '.join(unverified)}")
    shown = heard if len(heard) <= _NOTIFICATIONS_SHOWN else heard[-_NOTIFICATIONS_SHOWN:]
    for one in shown:
        terminal.note(f"{one.content['timestamp']}  {one.type}  {one.message_id}")
    terminal.done(f"{_counted(len(heard), 'notification')}, both signatures of each verified (v1, v1a)", 0.0)


def _is_connected(phone_number_id: str, one: Received) -> bool:
    return one.type == "number.connected" and one.content["data"]["phone_number_id"] == phone_number_id


def _sign_up(run: LocalStack, front_end: FrontEnd, numbers: int, terminal: Terminal) -> Json:
    with terminal.step("signup opened"):
        signup_id = front_end.open(new_client())["id"]
    with terminal.step("customer went through Meta's popup"):
        popup = run.meta_signup(wabas=[{"numbers": [{} for _ in range(numbers)]}])
    with terminal.step("code exchanged, ownership of the account proved"):
        front_end.send_code(signup_id, popup["code"], popup["session_info"])
    ids = [number["id"] for number in popup["wabas"][0]["numbers"]]
    with terminal.step(f"{_counted(numbers, 'number')} submitted"):
        # One number is claimed by the browser's message; several have to be named.
        front_end.submit(signup_id, ids if numbers > 1 else None)
    if 1 < numbers <= MANY:
        terminal.note("360dialog takes few calls in a time, so several numbers wait for each other")
    watch = Watch(terminal, each=numbers <= MANY)
    patience = min(_CONNECT_SECONDS * numbers, _LONGEST_SECONDS)
    signup = front_end.watch(signup_id, until=is_settled, timeout_seconds=patience, on_poll=watch)
    check_connected(signup, ids)
    terminal.done(f"connected; {watch.polls} polls, {watch.unchanged} of them 304", watch.seconds)
    return signup


@dataclass(slots=True)
class Watch:
    """Tells every change of a number's state while a signup is polled; of many numbers how many are where."""

    terminal: Terminal
    each: bool = True
    polls: int = 0
    unchanged: int = 0
    _started: float = field(default_factory=time.monotonic)
    _seen: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._started

    def __call__(self, poll: Poll) -> None:
        """Takes one answer."""
        self.polls += 1
        self.unchanged += not poll.changed
        seen = {_name(number): number["status"] for number in submitted(poll.signup)}
        changed = {name: status for name, status in seen.items() if self._seen.get(name) != status}
        self._seen = seen
        for line in self._lines(changed):
            self.terminal.note(f"{self.seconds:6.2f} s  {line}")

    def _lines(self, changed: dict[str, str]) -> list[str]:
        if self.each or not changed:
            return [f"{name} is {status}" for name, status in changed.items()]
        counted = Counter(self._seen.values()).most_common()
        return [", ".join(f"{count} {status}" for status, count in counted)]


def check_connected(signup: Json, phone_number_ids: Sequence[str]) -> None:
    """Checks that each number ended connected, with a channel of its own.

    Args:
        signup: The state at the end.
        phone_number_ids: The numbers that were submitted.

    Raises:
        JourneyError: It is not so; the message says what state each number is in.
    """
    numbers = {number["phone_number_id"]: number for number in submitted(signup)}
    channels = {number.get("channel_id") for number in numbers.values()} - {None}
    missing = set(phone_number_ids) - numbers.keys()
    stuck = [n for n in numbers.values() if n["status"] != CONNECTED]
    if missing or stuck or len(channels) != len(numbers):
        raise JourneyError("not every number is connected:\n" + "\n".join(map(_told, numbers.values())))
    if signup["status"] != CONNECTED:
        raise JourneyError(f"all numbers are connected, yet the signup is {signup['status']}")


def _fetch_keys(run: LocalStack, signup: Json, terminal: Terminal) -> list[ChannelKey]:
    channels = [str(number["channel_id"]) for number in submitted(signup)]
    with terminal.step(f"{_counted(len(channels), 'key')} fetched (SigV4)"):
        keys = [_fetch_key(run, channel_id) for channel_id in channels]
    if len({key.api_key for key in keys}) != len(keys):
        raise JourneyError("two channels were given the same key")
    return keys


def _fetch_key(run: LocalStack, channel_id: str) -> ChannelKey:
    answer = read_channel_key(run.api_url, channel_id, run.aws, http=run.http)
    told = resource_of(answer, httpx.codes.OK)
    return ChannelKey(channel_id=channel_id, address=told["address"], api_key=told["api_key"])


def _send(run: LocalStack, key: ChannelKey, terminal: Terminal) -> None:
    with terminal.step(f"first message sent through {key.channel_id}"):
        answer = send_message(key.address, key.api_key, "15550100000", "Hello from Onramp", http=run.http)
        if not answer.is_success:
            raise JourneyError(f"the messaging host answered {answer.status_code}: {answer.text[:300]}")


def _tell_logs(run: LocalStack, terminal: Terminal) -> None:
    """Tells what may explain a failure; a function that cannot even start is told by the emulator."""
    written = [line for line in run.function_log().splitlines() if not line.startswith(_UNTELLING)]
    terminal.title("What the functions logged last:")
    for line in written[-_LOG_LINES:]:
        terminal.note(line)
    terminal.title("What the emulator logged last:")
    for line in run.emulator_log(lines=_LOG_LINES).splitlines():
        terminal.note(line)


def _print_timeline(signup: Json, terminal: Terminal, *, each: bool) -> None:
    timeline = signup.get("timeline", [])
    if not each:
        terminal.title(f"The newest {len(timeline)} facts in the timeline of the signup")
        for event, count in Counter(entry["event"] for entry in timeline).items():
            terminal.note(f"{count:4} {event}")
        return
    terminal.title("Timeline of the signup")
    before: datetime | None = None
    for entry in timeline:
        at = datetime.fromisoformat(entry["at"])
        # Two functions write at once, each by its own clock.
        seconds = max(0.0, (at - before).total_seconds()) if before else 0.0
        terminal.note(f"+{seconds:6.2f} s  {entry['event']}  {_shown(entry)}".rstrip())
        before = at


def _shown(entry: Json) -> str:
    """What an entry of the timeline tells beside its time and name."""
    told = {name: value for name, value in entry.items() if name not in {"at", "event"} and value}
    return " ".join(f"{name}={value}" for name, value in list(told.items())[:_SHOWN])


def new_client() -> Json:
    """Makes up a customer that no earlier run has used."""
    mark = secrets.token_hex(3)
    return {
        "name": f"Example Bakery {mark}",
        "email": f"owner-{mark}@example.com",
        "user_name": "Alex Example",
    }


def _told(number: Json) -> str:
    failure = number.get("failure") or {}
    reason = f": {failure.get('code')} ({failure.get('title')})" if failure else ""
    later = f", next try {number['next_attempt_at']}" if number.get("next_attempt_at") else ""
    return f"  {_name(number)} is {number['status']}{reason}{later}"


def _name(number: Json) -> str:
    return str(number.get("display_phone_number") or number["phone_number_id"])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")
