"""The demo: one customer's signup from the first click to the first message, told step by step."""

import contextlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from local.journey import (
    FrontEnd,
    JourneyError,
    Json,
    Poll,
    expect,
    is_settled,
    read_channel_key,
    send_message,
    submitted,
)
from local.options import RunOptions
from local.progress import Terminal
from local.run import LocalStack, local_stack

TENANT = "demo-tenant"
CONNECTED = "connected"

_CONNECT_SECONDS = 120.0
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

    Args:
        options: How the run is put together.
        numbers: How many numbers of one WhatsApp Business Account are connected, 1 or more.
        terminal: Where progress is told.

    Raises:
        JourneyError: The signup did not end as it has to.
    """
    terminal.title("Onramp on this machine: AWS emulated, Meta and 360dialog simulated")
    with local_stack(options, progress=terminal.step) as run:
        terminal.note(f"API {run.api_url}")
        try:
            _walk(run, numbers, terminal)
        except Exception:
            _tell_logs(run, terminal)
            raise
        # A nicety: a machine without `ps` goes without it.
        with contextlib.suppress(OSError):
            terminal.note(f"memory of everything started: {run.memory_bytes() / 1e6:.0f} MB")
        stopping = time.monotonic()
    terminal.done("everything stopped and removed", time.monotonic() - stopping)
    terminal.title(f"Done in {terminal.total():.1f} s.")


def _walk(run: LocalStack, numbers: int, terminal: Terminal) -> None:
    terminal.title("A customer signs up")
    with terminal.step("tenant signed in (JWT of the local identity provider)"):
        front_end = run.front_end(TENANT)
    with front_end:
        signup = _sign_up(run, front_end, numbers, terminal)
        _print_timeline(signup, terminal)
    terminal.title("The tenant's server uses what was connected")
    keys = _fetch_keys(run, signup, terminal)
    _send(run, keys[0], terminal)


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
    if numbers > 1:
        terminal.note("360dialog takes few calls in a time, so several numbers wait for each other")
    watch = Watch(terminal)
    signup = front_end.watch(
        signup_id, until=is_settled, timeout_seconds=_CONNECT_SECONDS * numbers, on_poll=watch
    )
    check_connected(signup, ids)
    terminal.done(f"connected; {watch.polls} polls, {watch.unchanged} of them 304", watch.seconds)
    return signup


@dataclass(slots=True)
class Watch:
    """Tells every change of a number's state while a signup is polled."""

    terminal: Terminal
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
        for number in submitted(poll.signup):
            name, status = _name(number), number["status"]
            if self._seen.get(name) != status:
                self._seen[name] = status
                self.terminal.note(f"{self.seconds:6.2f} s  {name} is {status}")


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
    keys = []
    for number in submitted(signup):
        channel_id = number["channel_id"]
        with terminal.step(f"key of channel {channel_id} fetched (SigV4)"):
            answer = expect(
                read_channel_key(run.api_url, channel_id, run.aws, http=run.http), httpx.codes.OK
            ).json()
        keys.append(ChannelKey(channel_id=channel_id, address=answer["address"], api_key=answer["api_key"]))
    if len({key.api_key for key in keys}) != len(keys):
        raise JourneyError("two channels were given the same key")
    return keys


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


def _print_timeline(signup: Json, terminal: Terminal) -> None:
    terminal.title("Timeline of the signup")
    before: datetime | None = None
    for entry in signup.get("timeline", []):
        at = datetime.fromisoformat(entry["at"])
        # Two functions write at once, each by its own clock.
        seconds = max(0.0, (at - before).total_seconds()) if before else 0.0
        extra = {k: v for k, v in entry.items() if k not in {"at", "event"} and v is not None}
        told = " ".join(f"{name}={value}" for name, value in list(extra.items())[:_SHOWN])
        terminal.note(f"+{seconds:6.2f} s  {entry['event']}  {told}".rstrip())
        before = at


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
