"""A stage for the rows of `tests/faults/life.py`: one customer, their numbers, and what is done to them.

A row is told in steps, each a function of the stage. What the tenant sees and what 360dialog has is read off
the stage between them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from harness.world import TENANT, WEBHOOK, Options, World
from onramp.domain.errors import PROBLEMS, Problem
from onramp.domain.number import Number
from onramp.domain.records import Fact
from onramp.domain.signup import Signup
from onramp.domain.states import Status
from onramp.inbound.models import NumberView
from onramp.usecases import wishes
from onramp.usecases.exchange_code import exchange_code
from onramp.usecases.submit_numbers import submit_numbers

type Json = dict[str, Any]
type Step = Callable[["Stage"], None]

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
OTHER_TENANT: Final = "tenant-2"
ON_THE_WAY: Final = frozenset(
    f"number.{word}" for word in ("pending", "submitted", "created", "ready", "running", "live")
)
"""Facts that a later one of the same way makes needless to read."""
KEPT_OUT: Final = ON_THE_WAY | {"signup.opened", "signup.authorized", "number.attempt_failed"}


@dataclass(frozen=True)
class Scene:
    """What there is at one moment: `seen` by the tenant, `there` at 360dialog, and whether all is well.

    `there`: living channels of each number, clients of the WABA, our key, our webhook. `channels` counts the
    living channels of each number in its WABA.
    """

    seen: str
    there: tuple[str, ...]
    owner: str
    statuses: tuple[str, ...]
    attentions: tuple[str, ...]
    well: bool
    channels: tuple[int, ...]
    doubled_clients: bool


class Stage:
    """One customer in a world. `number_id` names the number the row is about, `ids` are all submitted."""

    def __init__(self, options: Options) -> None:
        self.world = World(options)
        self.facts: list[Fact] = []
        self.world.store.on_fact = self._fact
        self.customer: Json = {}
        self.wanted: list[str] = []
        self.signup: Signup | None = None
        self.by: Json = {"key": "first"}
        self.problem = ""
        self.second = ""
        self._mark = (0, 0, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.__exit__()

    def _fact(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.world.stream.append(fact)

    # -- what a row does

    def dialog(self, path: str, body: Json, method: str = "POST") -> Json:
        """An admin call to the simulated 360dialog."""
        return self.world.admin("dialog", path, body, method)

    def meta(self, path: str, body: Json, method: str = "POST") -> Json:
        """An admin call to the simulated Meta."""
        return self.world.admin("meta", path, body, method)

    @property
    def number_id(self) -> str:
        """Meta's id of the number the row is about."""
        submitted = self.world.load(self.signup.id).submitted if self.signup else []
        return next(iter([*self.wanted, *submitted]), "")

    @property
    def waba_id(self) -> str:
        """Meta's id of the customer's WABA."""
        return str(self.customer["wabas"][0]["id"])

    @property
    def channel_id(self) -> str:
        """The number's channel, as 360dialog has it: the oldest one that lives, else the newest."""
        own = [item for item in self.channels() if item["phone_number_id"] == self.number_id]
        living = [item for item in own if _lives(item)]
        return str([*living, *reversed(own)][0]["id"])

    def channels(self) -> list[Json]:
        """All channels at 360dialog."""
        return list(self.world.dialog_state()["channels"])

    def submit(self, ids: Sequence[str] | None = None) -> None:
        """Send the code, unless that was done, and then the numbers; a refusal is kept as `problem`."""
        world, by = self.world, dict(self.by)
        self.problem = ""
        wanted = self.wanted if ids is None else ids
        try:
            signup = world.opened(**by)
            self.signup = signup
            code, info = self.customer["code"], self.customer["session_info"]
            world.patiently(lambda: exchange_code(world.ports, world.load(signup.id), code, info))
            self.signup = world.patiently(
                lambda: submit_numbers(world.ports, world.load(signup.id), wanted, None)
            )
        except Problem as problem:
            self.problem = problem.code

    def popup_again(self, **by: Any) -> None:
        """The customer goes through the popup once more, in a signup of its own."""
        fresh = self.meta("codes", {"business_id": self.customer["business_id"]})
        self.customer = {**self.customer, **fresh}
        self.by = {"key": f"popup {fresh['code']}", **by}
        self.submit()

    def ask(self, wish: Callable[..., Number]) -> None:
        """A call of its owner's for the number; a refusal is kept as `problem`."""
        self.problem = ""
        try:
            self.world.ask(wish, self.number_id)
        except Problem as problem:
            self.problem = problem.code

    def settle(self, seconds: float = 3 * HOUR) -> None:
        """Wait until nothing more is to be expected soon, at most so long."""
        self.world.run(5)
        self.world.run(seconds, until=lambda: not any(number.is_under_way for number in self.numbers()))
        self.world.run(5)

    def wait(self, seconds: float) -> None:
        """Let time pass, with a census each day."""
        while seconds > 0:
            self.world.census()
            self.world.run(min(seconds, DAY))
            seconds -= DAY

    # -- what a row is asked

    def numbers(self) -> list[Number]:
        """The records of the numbers, where there are any."""
        ids = dict.fromkeys([self.number_id, *self.wanted])
        found: list[Number] = self.world.store.read_all(Number, [(name,) for name in ids if name])
        return found

    def mark(self) -> None:
        """From here on facts and calls are counted."""
        self._mark = (len(self.facts), *self._calls())

    def calls(self) -> int:
        """Partner API calls since the mark, without the pages of the census."""
        requests, pages = self._calls()
        return requests - self._mark[1] - int(pages - self._mark[2])

    def _calls(self) -> tuple[int, float]:
        requests = int(self.world.dialog_state()["budget"]["requests"])
        return requests, self.world.telemetry.counts.get("CensusPages", 0)

    def told(self) -> str:
        """The facts since the mark, in short."""
        facts = [fact for fact in self.facts[self._mark[0] :] if fact.type not in KEPT_OUT]
        return ", ".join(dict.fromkeys(_short(fact) for fact in facts))

    def scene(self) -> Scene:
        """What there is now."""
        state = self.world.dialog_state()
        numbers = self.numbers()
        views = [NumberView.of(number, self.world.clock.now()) for number in numbers]
        seen = list(dict.fromkeys(_words(view, self) for view in views))
        if self.problem:
            seen.append(f"`{self.problem}` ({PROBLEMS[self.problem].status})")
        emails = [client["email"].lower() for client in state["clients"]]
        keys = list(dict.fromkeys(self._key(number, state) for number in numbers))
        hooks = list(dict.fromkeys(_webhook(number, state) for number in numbers))
        names = [name for name in dict.fromkeys([self.number_id, *self.wanted]) if name]
        living = [_living(name, state, self.waba_id) for name in names]
        clients = {
            item["client_id"] for item in state["channels"] if item["waba_external_id"] == self.waba_id
        }
        channels = " + ".join(str(count) for count in living) or "0"
        return Scene(
            seen="; ".join(seen) or "-",
            there=(channels, str(len(clients)), ", ".join(keys) or "none", ", ".join(hooks) or "none"),
            owner=numbers[0].tenant if numbers else "",
            statuses=tuple(str(view.status) for view in views),
            attentions=tuple(str(view.attention) for view in views if view.attention),
            well=bool(views) and keys == hooks == ["ours"] and all(_is_well(view) for view in views),
            channels=tuple(living),
            doubled_clients=len(set(emails)) < len(emails),
        )

    def _key(self, number: Number, state: Json) -> str:
        channel = _own(number, state)
        if number.key is None:
            return "none"
        made = self.world.stored_key(number).api_key.encode()
        alive = channel is not None and not channel["ended"]
        same = channel is not None and channel["live_key_sha256"] == hashlib.sha256(made).hexdigest()
        return "ours" if alive and same else "dead"


def _short(fact: Fact) -> str:
    code = fact.detail.get("code")
    name = str(fact.type).removeprefix("number.").replace("_", " ")
    return f"{name} ({code})" if code else name


def _words(view: NumberView, stage: Stage) -> str:
    """What a tenant is shown of one number, in short."""
    words = [str(view.status)]
    if view.failure:
        words.append(f"failure `{view.failure.code}`")
    if view.restriction:
        until = ", with its end" if view.restriction.until else ""
        words.append(f"restriction `{view.restriction.code}`{until}")
    if view.attention:
        code = f" (`{view.attention_code}`)" if view.attention_code else ""
        words.append(f"attention `{view.attention}`{code}")
    if view.ending_at:
        words.append("ending")
    if view.wish:
        words.append(f"wish `{view.wish.action}`" + (f": `{view.wish.refused}`" if view.wish.refused else ""))
    if view.waits_for:
        words.append(f"waits for `{view.waits_for.code}`")
    owner = stage.world.number(view.phone_number_id).tenant
    return ", ".join(words) + ("" if owner == TENANT else ", of the other tenant")


def _is_well(view: NumberView) -> bool:
    plain = not view.attention and not view.ending_at and not view.wish and not view.waits_for
    return view.status == Status.CONNECTED and plain


def _lives(channel: Json) -> bool:
    gone = channel["ended"] or channel["cancelled_at"] or channel["hub_status"] != "active"
    return not gone and channel["waba_status"] == "active"


def _living(phone_number_id: str, state: Json, waba_id: str) -> int:
    """Living channels of a number; one that it has left behind in another WABA is no second one."""
    own = [item for item in state["channels"] if item["phone_number_id"] == phone_number_id]
    return sum(_lives(item) and item["waba_external_id"] == waba_id for item in own)


def _own(number: Number, state: Json) -> Json | None:
    return next((item for item in state["channels"] if item["id"] == number.channel_id), None)


def _webhook(number: Number, state: Json) -> str:
    channel = _own(number, state)
    if channel is None or channel["ended"] or not channel["webhook_url"]:
        return "none"
    return "ours" if channel["webhook_url"] == WEBHOOK.url else "elsewhere"


# --- steps -------------------------------------------------------------------------------------------------


def customer(numbers: int = 1, *, only: int | None = None, **fields: Any) -> Step:
    """A customer finishes the popup. `only`: so many of the numbers are wanted."""

    def step(stage: Stage) -> None:
        stage.customer = stage.world.customer(numbers, **fields)
        listed = [number["id"] for number in stage.customer["wabas"][0]["numbers"]]
        stage.wanted = listed[:only]

    return step


def submit(stage: Stage) -> None:
    """Their tenant sends code and numbers, and waits."""
    stage.submit()
    stage.settle()


def send(stage: Stage) -> None:
    """Their tenant sends code and numbers, and nothing of ours has run yet."""
    stage.submit()


def popup_again(stage: Stage) -> None:
    """The customer goes through the popup once more, and their tenant waits."""
    stage.popup_again()
    stage.settle()


def other_tenant(stage: Stage) -> None:
    """The same customer goes through the popup of another tenant."""
    stage.popup_again(tenant=OTHER_TENANT, email="other@example.com")
    stage.settle()


def same_email_of_other_tenant(stage: Stage) -> None:
    """Another tenant sends the customer's code and numbers, with the email that the first one has."""
    stage.by = {"key": "other", "tenant": OTHER_TENANT}
    submit(stage)


def retry_all(stage: Stage) -> None:
    """`retry` of the whole signup."""
    assert stage.signup is not None
    stage.world.retry(stage.signup.id)
    stage.settle()


def same_call(stage: Stage) -> None:
    """The tenant sends the last call again."""
    stage.submit()
    stage.settle()


def ask(name: str) -> Step:
    """`cancel`, `reactivate`, `check` or `retry` of the number, and the wait for what comes of it."""
    wish = getattr(wishes, f"{name}_number")

    def step(stage: Stage) -> None:
        stage.ask(wish)
        stage.settle()

    return step


def hub(action: str, **more: Any) -> Step:
    """What somebody does in the Hub to the number's channel, and a moment."""
    return _press(lambda stage: stage.channel_id, action, more)


def hub_second(action: str, **more: Any) -> Step:
    """The same to the second channel."""
    return _press(lambda stage: stage.second, action, more)


def _press(which: Callable[[Stage], str], action: str, more: Json) -> Step:
    def step(stage: Stage) -> None:
        stage.dialog(f"channels/{which(stage)}/hub", {"action": action, **more})
        stage.settle()

    return step


def second(stage: Stage) -> None:
    """Somebody makes a second channel of the number in the Hub."""
    stage.second = str(stage.dialog(f"channels/{stage.channel_id}/second", {})["id"])


def keep_second(stage: Stage) -> None:
    """Remember the channel that there is now, so that later steps can do something to it."""
    stage.second = stage.channel_id


def at_channel(path: str, **body: Any) -> Step:
    """An admin route of the number's channel: `restrict`, `forgive`, `grant-permission`."""

    def step(stage: Stage) -> None:
        stage.dialog(f"channels/{stage.channel_id}/{path}", body)
        stage.settle()

    return step


def channel_is(**fields: Any) -> Step:
    """The channel changes at 360dialog, and no event tells of it."""

    def step(stage: Stage) -> None:
        stage.dialog(f"channels/{stage.channel_id}", fields, "PATCH")

    return step


def earlier(number: int = 0, **fields: Any) -> Step:
    """A channel of one of the customer's numbers that was there before; fields may name it otherwise."""

    def step(stage: Stage) -> None:
        name = stage.customer["wabas"][0]["numbers"][number]["id"]
        body = {"phone_number_id": name, "email": "owner@example.com", **fields}
        stage.dialog("channels", {key: value for key, value in body.items() if value is not None})

    return step


def channel_shows_number(stage: Stage) -> None:
    """The stray channel shows at last that it is the first number's."""
    digits = "".join(filter(str.isdecimal, stage.numbers()[0].display_phone_number))
    stage.dialog(f"channels/{stage.channel_id}", {"phone_digits": digits}, "PATCH")


def foreign(count: int) -> Step:
    """So many channels of the partner's that are nobody's here."""

    def step(stage: Stage) -> None:
        for index in range(count):
            stage.dialog("channels", {"phone_number": f"4915{index:08d}", "email": "others@example.com"})

    return step


def dialog_options(**options: Any) -> Step:
    """360dialog behaves like that."""
    return lambda stage: _ignore(stage.dialog("options", options, "PATCH"))


def meta_says(index: int = 0, **words: Any) -> Step:
    """What Meta says of a number from now on."""

    def step(stage: Stage) -> None:
        name = stage.customer["wabas"][0]["numbers"][index]["id"]
        stage.meta(f"numbers/{name}", words, "PATCH")

    return step


def customer_is(**fields: Any) -> Step:
    """What the customer's business is like from now on."""
    return lambda stage: _ignore(stage.meta(f"customers/{stage.customer['business_id']}", fields, "PATCH"))


def client_there(email: str) -> Step:
    """A client of that email is at 360dialog, and we have heard of it: a number of it was connected."""

    def step(stage: Stage) -> None:
        stage.world.partner.create_client("Before", email, "Before", lambda: None)

    return step


def known_client(stage: Stage) -> None:
    """The tenant has had a number of the same email before: the client is in our records."""
    stage.world.run(0)
    before = stage.world.submitted(stage.world.customer(), key="earlier")
    stage.world.run(HOUR, until=stage.world.settled(before.id))


def remove_client(stage: Stage) -> None:
    """360dialog forgets the client."""
    (client,) = stage.world.dialog_state()["clients"]
    stage.dialog(f"clients/{client['id']}", {}, "DELETE")


def add_number(stage: Stage) -> None:
    """The customer adds a number to the WABA at Meta."""
    stage.meta(f"wabas/{stage.waba_id}/numbers", {})


def move_number(stage: Stage) -> None:
    """The customer moves the number to a new WABA, whose popup is the next one."""
    number_id = stage.number_id
    stage.customer = stage.world.customer(wabas=[{"numbers": []}], finish="FINISH_ONLY_WABA")
    stage.meta(f"numbers/{number_id}", {"waba_id": stage.waba_id}, "PATCH")
    stage.wanted = [number_id]


def popup_of_new_waba(stage: Stage) -> None:
    """The customer moves the number to a new WABA, and shares that one in a popup."""
    move_number(stage)
    stage.meta(f"numbers/{stage.number_id}", {"status": "CONNECTED"}, "PATCH")
    popup_again(stage)


def wait(hours: float) -> Step:
    """Time passes, with a census each day."""
    return lambda stage: stage.wait(hours * HOUR)


def seconds(count: float) -> Step:
    """Seconds pass."""
    return lambda stage: stage.world.run(count)


def fault(kind: str, path: str, **more: Any) -> Step:
    """One call to 360dialog meets a fault."""
    return lambda stage: stage.world.fault(kind, path, **more)


def unheard(*steps: Step) -> Step:
    """No webhook arrives while this happens."""

    def step(stage: Stage) -> None:
        stage.world.lose_webhook = lambda _: True
        for inner in steps:
            inner(stage)
        stage.world.run(5)
        stage.world.lose_webhook = lambda _: False

    return step


def _ignore(_answer: object) -> None:
    return
