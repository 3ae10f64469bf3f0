"""A burst of signed webhooks at the deployed stack: is one lost, refused or acted on twice, and how fast.

The local run is brought up as everywhere, with what its stage says and a faster partner budget, and one
customer connects a few numbers. Then 360dialog's events about them come as fast as they are answered, over a
few connections that are kept open. Each tells something new and has to leave exactly one fact; one in ten of
the webhooks is an exact copy of another one and must leave nothing. Only loopback is called, and every wait
has an end.

Three bursts follow each other in the same run, each of the same kind of signed bodies:

- a bare echo: a function that gives back what it is handed, behind an HTTP API of its own in the same
  emulator, with the runtime and the memory of the receiver;
- the receiver while its queue is not worked on: what checking the signature and storing in SQS costs beside
  the echo, both being a process behind the same gateway;
- the whole stack at work: worker, relay and publisher act on what has come while more comes.

Before the clock of each burst starts, its first webhooks have started as many processes as there are
connections; they count like all others in everything but the rate. The rates are the emulator's, where one
Python process is gateway, queue, stream and table, and where the sender and all functions share the machine's
processors: not those of AWS. Compare them with each other.

    PYTHONPATH=functions:. .venv/bin/python -m bench.burst [--events 5000] [--connections 16] [--minutes 20]
"""

import argparse
import contextlib
import io
import json
import queue
import random
import secrets
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from local.aws import Aws
from local.bus import Listener, listening
from local.demo import check_connected, new_client
from local.journey import is_settled, submitted
from local.options import FAST_BUDGET, RunOptions
from local.progress import Terminal
from local.run import LocalStack, local_stack
from local.simulators.webhooks import SIGNATURE_HEADER, NotLocalError, on_this_machine, sign
from local.soak_records import Records, read_records
from onramp.domain.facts import FactType
from onramp.domain.ledger import Outcome

type Number = tuple[str, str]
"""Meta's id of a number, and 360dialog's id of its channel."""
type Told = tuple[str, str]
"""Meta's id of a number, and the type of a fact about it."""

KINDS: Final[Mapping[str, FactType]] = {
    "phone_number_quality_changed": FactType.NUMBER_QUALITY_CHANGED,
    "channel_status_changed": FactType.NUMBER_CHANNEL_STATUS_CHANGED,
}
"""Events of which each leaves a fact of its own, however often they come."""
WARMING: Final = 2
"""So many webhooks for each connection come before the clock starts."""
COPIES: Final = 10
"""One webhook in so many is a copy."""
BESIDE: Final = 5
"""Echo and receiver alone get one in so many: their rates need no more."""
NUMBERS: Final = 5
TENANT: Final = "burst-tenant"
QUEUES: Final = ("Events", "Relay")
"""In the order in which they empty: what is to be handed on is in the second before it leaves the first."""
DEAD: Final = ("EventsDlq", "RelayDlq", "StreamDlq")
ANSWER_SECONDS: Final = 60.0
"""An answer that takes longer is none."""
CONNECT_SECONDS: Final = 300.0
BUS_SECONDS: Final = 60.0
"""So long after the last fact has been heard the others count as lost."""
LOOK_SECONDS: Final = 0.5
ECHO: Final = "burst-echo"
_ECHO_HANDLER: Final = (
    "def handler(event, context):\n"
    '    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": event["body"]}\n'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one burst is made of.

    Attributes:
        bodies: The webhooks in the order in which they are sent, copies among them.
        ids: The events that they are about, each once.
        facts: How many facts of each type each number has to have for them.
    """

    bodies: Sequence[bytes]
    ids: frozenset[str]
    facts: Mapping[Told, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a burst was answered: by status or what was there instead, in which time; times in seconds."""

    name: str
    answers: Mapping[str, int]
    seconds: float
    slowest: float

    @property
    def count(self) -> int:
        """How many were sent."""
        return sum(self.answers.values())

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def refused(self) -> int:
        """How many were not answered with 200."""
        return self.count - self.answers.get(str(HTTPStatus.OK.value), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of the events of some bursts.

    Attributes:
        distinct: How many different events were sent.
        applied: How many of them have acted.
        others: What became of the rest, by outcome; `absent` is not in the ledger.
        missing: Facts that an event should have left and has not.
        surplus: Facts beyond one for each event: something acted twice.
        unheard: Facts that did not come out of the bus.
        heard_again: Facts that came out of it more than once; who listens knows them by their id.
        dead: Dead letters.
        waiting: Messages that were still in the queues when the time was up.
    """

    distinct: int
    applied: int
    others: Mapping[str, int]
    missing: int
    surplus: int
    unheard: int
    heard_again: int
    dead: int
    waiting: int

    @property
    def lost(self) -> int:
        """Events that have not acted, or were not told of."""
        return max(self.distinct - self.applied, self.missing, self.unheard)

    @property
    def doubled(self) -> int:
        """Events that have acted twice."""
        return self.surplus

    @property
    def holds(self) -> bool:
        """Whether all that was taken has acted, once."""
        return not (self.lost or self.doubled or self.dead or self.waiting)


# --- what is sent ----------------------------------------------------------------------------------


def load(numbers: Sequence[Number], count: int, *, mark: str) -> Load:
    """Makes the webhooks of a burst, in an order that the mark gives.

    Args:
        numbers: Whom they are about, in turns.
        count: How many, copies among them.
        mark: What the ids of the events begin with.
    """
    chance = random.Random(mark)  # noqa: S311 - an order that can be repeated
    names = tuple(KINDS)
    distinct = count - count // COPIES
    bodies: list[bytes] = []
    facts: Counter[Told] = Counter()
    for index in range(distinct):
        phone_number_id, channel_id = numbers[index % len(numbers)]
        name = names[index // len(numbers) % len(names)]
        data = {"id": channel_id, "external_id": phone_number_id, "told": index}
        bodies.append(json.dumps({"id": f"{mark}-{index}", "event": name, "data": data}).encode())
        facts[phone_number_id, KINDS[name]] += 1
    bodies += chance.choices(bodies, k=count - distinct)
    chance.shuffle(bodies)
    return Load(bodies=bodies, ids=frozenset(f"{mark}-{index}" for index in range(distinct)), facts=facts)


def send(name: str, url: str, bodies: Sequence[bytes], *, secret: str, connections: int) -> Sent:
    """Posts signed bodies over a few connections, each as soon as the one before it is answered.

    Args:
        name: What the burst is called.
        url: Where they go.
        bodies: The bodies; they are signed before the clock starts.
        secret: The platform secret.
        connections: How many connections are open at once, each with one request under way.

    Raises:
        NotLocalError: The URL leads to another machine.
    """
    if not on_this_machine(url):
        raise NotLocalError("only loopback addresses are called")
    waiting: queue.SimpleQueue[tuple[bytes, str]] = queue.SimpleQueue()
    for body in bodies:
        waiting.put((body, sign(secret, body)))
    answers: list[tuple[str, float]] = []
    senders = [threading.Thread(target=_send_all, args=(url, waiting, answers)) for _ in range(connections)]
    started = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    seconds = time.monotonic() - started
    return Sent(
        name=name,
        answers=Counter(status for status, _ in answers),
        seconds=seconds,
        slowest=max((took for _, took in answers), default=0.0),
    )


def _send_all(
    url: str, waiting: "queue.SimpleQueue[tuple[bytes, str]]", answers: list[tuple[str, float]]
) -> None:
    """One connection: sends until nothing waits any more."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(queue.Empty):
        while True:
            body, signature = waiting.get_nowait()
            started = time.monotonic()
            status = _send(connection, address.path, body, signature)
            answers.append((status, time.monotonic() - started))


def _send(connection: HTTPConnection, path: str, body: bytes, signature: str) -> str:
    headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (HTTPException, OSError) as trouble:
        connection.close()
        return type(trouble).__name__
    return str(answer.status)


# --- where it is sent ------------------------------------------------------------------------------


def connected(run: LocalStack, count: int) -> list[Number]:
    """Lets one customer connect some numbers.

    Raises:
        JourneyError: They are not connected in time.
    """
    with run.front_end(TENANT) as front_end:
        signup_id = front_end.open(new_client())["id"]
        popup = run.meta_signup(wabas=[{"numbers": [{} for _ in range(count)]}])
        front_end.send_code(signup_id, popup["code"], popup["session_info"])
        ids = [str(number["id"]) for number in popup["wabas"][0]["numbers"]]
        front_end.submit(signup_id, ids)
        signup = front_end.watch(signup_id, until=is_settled, timeout_seconds=CONNECT_SECONDS)
    check_connected(signup, ids)
    return [(number["phone_number_id"], number["channel_id"]) for number in submitted(signup)]


@contextlib.contextmanager
def echo(run: LocalStack) -> Iterator[str]:
    """A bare function with the receiver's runtime and memory behind an HTTP API; yields its URL."""
    aws = run.aws
    receiver = aws.functions.get_function_configuration(FunctionName=run.deployed.called("webhook_receiver"))
    made = aws.functions.create_function(
        FunctionName=ECHO,
        Runtime=receiver["Runtime"],
        Handler="echo.handler",
        Role=receiver["Role"],
        MemorySize=receiver["MemorySize"],
        Timeout=receiver["Timeout"],
        Code={"ZipFile": _archive("echo.py", _ECHO_HANDLER)},
    )
    try:
        with _api(aws, made["FunctionArn"]) as api_id:
            yield f"{run.emulator.api_url(api_id)}/echo"
    finally:
        aws.functions.delete_function(FunctionName=ECHO)


@contextlib.contextmanager
def _api(aws: Aws, function: str) -> Iterator[str]:
    api_id = aws.apigateway.create_api(Name=ECHO, ProtocolType="HTTP")["ApiId"]
    try:
        integration = aws.apigateway.create_integration(
            ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
        )
        target = f"integrations/{integration['IntegrationId']}"
        aws.apigateway.create_route(ApiId=api_id, RouteKey="POST /echo", Target=target)
        aws.apigateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
        yield api_id
    finally:
        aws.apigateway.delete_api(ApiId=api_id)


def _archive(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, text)
    return packed.getvalue()


@contextlib.contextmanager
def unworked(run: LocalStack) -> Iterator[None]:
    """While this lasts nobody works on the queue of events; what has come stays there."""
    functions = run.aws.functions
    named = run.aws.sqs.get_queue_attributes(QueueUrl=run.queue_url("Events"), AttributeNames=["QueueArn"])
    arn = named["Attributes"]["QueueArn"]
    [source] = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


# --- what became of it -----------------------------------------------------------------------------


def worked_off(run: LocalStack, seconds: float) -> int:
    """Waits until the queues are empty, or the time is up; gives the messages that are left.

    Raises:
        ChildFailedError: The emulator or the simulators have ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        run.check_running()
        left = sum(run.queue_depth(name) for name in QUEUES)
        if left == 0 or time.monotonic() > deadline:
            return left
        time.sleep(LOOK_SECONDS)


def account(run: LocalStack, loads: Sequence[Load], listener: Listener, *, waiting: int = 0) -> Account:
    """Counts what became of the events of some bursts that have been worked off.

    Args:
        run: The run.
        loads: What was sent.
        listener: Who has listened at the bus since before the first of it.
        waiting: Messages that were left in the queues.
    """
    records = read_records(run)
    heard = _heard(listener, frozenset(fact_id for _, fact_id in _facts(records, loads)))
    dead = sum(run.queue_depth(name) for name in DEAD)
    return compare(records, loads, heard, dead=dead, waiting=waiting)


def compare(
    records: Records, loads: Sequence[Load], heard: Mapping[str, int], *, dead: int, waiting: int
) -> Account:
    """Compares what there is with what some bursts should have left.

    Args:
        records: What the table holds.
        loads: What was sent.
        heard: How often each fact has come out of the bus.
        dead: Dead letters.
        waiting: Messages that were left in the queues.
    """
    ids = frozenset[str]().union(*(one.ids for one in loads))
    outcomes = Counter(records.events.get(event_id, "absent") for event_id in ids)
    applied = outcomes.pop(Outcome.APPLIED.value, 0)
    facts, wanted = _facts(records, loads), _wanted(loads)
    told = Counter(key for key, _ in facts)
    times = [heard.get(fact_id, 0) for _, fact_id in facts]
    return Account(
        distinct=len(ids),
        applied=applied,
        others=outcomes,
        missing=(wanted - told).total(),
        surplus=(told - wanted).total(),
        unheard=times.count(0),
        heard_again=sum(one > 1 for one in times),
        dead=dead,
        waiting=waiting,
    )


def _wanted(loads: Sequence[Load]) -> Counter[Told]:
    wanted: Counter[Told] = Counter()
    for one in loads:
        wanted.update(one.facts)
    return wanted


def _facts(records: Records, loads: Sequence[Load]) -> list[tuple[Told, str]]:
    """The facts that the bursts may have left, with their ids."""
    wanted = _wanted(loads)
    facts = (((fact["phone_number_id"], fact["type"]), str(fact["id"])) for fact in records.facts)
    return [(key, fact_id) for key, fact_id in facts if key in wanted]


def _heard(listener: Listener, wanted: frozenset[str]) -> Counter[str]:
    """How often each of some facts has come out of the bus; the last ones may still be on their way."""
    heard: Counter[str] = Counter()
    deadline = time.monotonic() + BUS_SECONDS
    while not wanted <= heard.keys() and time.monotonic() < deadline:
        came = Counter(str(event["detail"]["id"]) for event in listener.heard())
        heard += Counter({fact_id: times for fact_id, times in came.items() if fact_id in wanted})
        if came:
            deadline = time.monotonic() + BUS_SECONDS
        else:
            time.sleep(LOOK_SECONDS)
    return heard


# --- the bench -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Bench:
    """The bursts at one stack; `minutes` is how long what has come may take to act.

    `first` are those that came before the clock of each of `sent` was started.
    """

    run: LocalStack
    terminal: Terminal
    connections: int
    minutes: float
    loads: list[Load] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    first: list[Sent] = field(default_factory=list)
    worked: float = 0.0

    def measure(self, events: int) -> Account:
        """All three bursts, the last one with so many webhooks."""
        run, mark = self.run, f"burst-{secrets.token_hex(4)}"
        beside, events = (count + self.connections * WARMING for count in (events // BESIDE, events))
        with self.terminal.step(f"{NUMBERS} numbers connected"):
            numbers = connected(run, NUMBERS)
        with listening(run) as listener:
            with echo(run) as url:
                self._send("a bare echo", url, load(numbers, beside, mark=f"{mark}-echo"))
            with unworked(run):
                self.loads.append(load(numbers, beside, mark=f"{mark}-alone"))
                self._send("the receiver alone", run.webhook_url, self.loads[-1])
            self._work_off()
            self.loads.append(load(numbers, events, mark=f"{mark}-all"))
            started = time.monotonic()
            self._send("the whole stack", run.webhook_url, self.loads[-1])
            waiting = self._work_off()
            self.worked = time.monotonic() - started
            with self.terminal.step("ledger, facts and bus read"):
                return account(run, self.loads, listener, waiting=waiting)

    def _send(self, name: str, url: str, what: Load) -> None:
        first = self.connections * WARMING
        for into, bodies in ((self.first, what.bodies[:first]), (self.sent, what.bodies[first:])):
            with self.terminal.step(f"{name}: {len(bodies):,} webhooks sent"):
                secret = self.run.options.platform_secret
                into.append(send(name, url, bodies, secret=secret, connections=self.connections))

    def _work_off(self) -> int:
        with self.terminal.step("what has come has acted"):
            return worked_off(self.run, self.minutes * 60)


def table(sent: Sequence[Sent]) -> Iterator[str]:
    """The rates as lines of a Markdown table, beside that of the first."""
    yield "| answered by | webhooks | seconds | in a second | to the echo | slowest answer, s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for one in sent:
        cells = (
            f"{one.count:,}",
            f"{one.seconds:.1f}",
            f"{one.rate:.0f}",
            f"{one.rate / sent[0].rate:.2f}",
            f"{one.slowest:.2f}",
        )
        yield f"| {one.name} | {' | '.join(cells)} |"


def told(bench: Bench, found: Account) -> Iterator[str]:
    """What became of the webhooks as lines of a Markdown table."""
    ours = [*bench.first[1:], *bench.sent[1:]]
    answers: Counter[str] = Counter()
    for one in ours:
        answers.update(one.answers)
    rate = len(bench.loads[-1].ids) / bench.worked
    count = sum(one.count for one in ours)
    rows: Mapping[str, Any] = {
        "webhooks sent to the stack": f"{count:,}",
        "answered": ", ".join(f"{times:,} with {status}" for status, times in sorted(answers.items())),
        "different events, copies": f"{found.distinct:,}, {count - found.distinct:,}",
        "events that have acted": f"{found.applied:,}",
        "otherwise": ", ".join(f"{times} {word}" for word, times in found.others.items()) or "none",
        "facts missing, too many": f"{found.missing}, {found.surplus}",
        "facts that the bus did not give, gave twice": f"{found.unheard}, {found.heard_again}",
        "dead letters, left in the queues": f"{found.dead}, {found.waiting}",
        "the last burst had acted after": f"{bench.worked:.0f} s, {rate:.0f} events a second",
        "lost, doubled": f"{found.lost}, {found.doubled}",
    }
    yield "| | |"
    yield "| --- | ---: |"
    yield from (f"| {name} | {value} |" for name, value in rows.items())


def main() -> int:
    """Measures and prints; gives 1 when a webhook was refused, lost or acted on twice."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.burst",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=5_000, help="webhooks at the whole stack")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=20, help="until all must have acted")
    given = parser.parse_args()
    terminal = Terminal(out=sys.stderr)
    options = RunOptions(step_seconds=0.1, **FAST_BUDGET)
    with local_stack(options, progress=terminal.step) as run:
        bench = Bench(run, terminal, connections=given.connections, minutes=given.minutes)
        found = bench.measure(given.events)
    sys.stdout.write("\n".join([*table(bench.sent), "", *told(bench, found)]) + "\n")
    refused = sum(one.refused for one in (*bench.first, *bench.sent))
    return 0 if found.holds and not refused else 1


if __name__ == "__main__":
    sys.exit(main())
