"""What is known of a person: shown, exported without secrets, erased, also by a run that dies half-way."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.adapters.memory import MemoryStore
from onramp.domain import erasure
from onramp.domain.census import Census
from onramp.domain.clients import ClientRecord
from onramp.domain.erasure import Dossier, Receipt, Salt, Who, values
from onramp.domain.errors import Conflict, Problem
from onramp.domain.facts import FactType
from onramp.domain.ledger import EventRecord
from onramp.domain.link import Link
from onramp.domain.notifications import Delivery
from onramp.domain.number import Number
from onramp.domain.partner_events import read_event
from onramp.domain.records import Stored
from onramp.domain.signup import Client, Remembered, Signup
from onramp.domain.states import Progress as Reached
from onramp.ports import Ports
from onramp.ports.storage import Line
from onramp.usecases.apply_event import apply_event
from onramp.usecases.census import work_on_census
from onramp.usecases.channels import list_page
from onramp.usecases.erase import Progress, erase, export, show
from onramp.usecases.keys import rotate_key
from onramp.usecases.links import WantedLink, make_link
from onramp.usecases.open_signup import Wanted, open_signup
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.wishes import cancel_number, check_number, reactivate_number
from tests.problems import refused
from tests.unit.usecases.bench import TENANT, WABA, Bench, digits, phone

EMAIL = "zoë@secret-bakery.example"
NAME = "Zoë Müller-Secret"
PERSON = Client(name=NAME, email=EMAIL, user_name="zoemueller")
OTHER = Client(name="Another Baker", email="other@example.com", user_name="otherbaker")
BY_EMAIL = Who(email=EMAIL.upper())
HIDDEN = (EMAIL, NAME, "zoemueller", digits("1001"), "token-of-s1", "api-key", "ref", "Secret Bakery")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest that is not slow: nobody tries anything here."""
    monkeypatch.setattr(erasure, "COST", 2)


def world(bench: Bench) -> None:
    """A person with a connected number, a link, an idempotency key, events; and somebody else."""
    bench.submit("s1", client=PERSON)
    bench.give_token("s1")
    bench.live(verified_name="Secret Bakery")
    bench.work()
    bench.store.commit(
        ClientRecord(name="zoë@secret-bakery.example", tenant=TENANT, client_id="1CL"),
        ClientRecord(name="other@example.com", tenant="other", client_id="9CL"),
    )
    wanted = WantedLink(signup=Wanted(client=PERSON, plan_tier="regular"), success_url=None)
    make_link(bench.ports, tenant=TENANT, wanted=wanted, idempotency_key="a-key")
    bench.submit("o1", ["9001"], tenant="other", client=OTHER, waba="2999")
    bench.tell("channel_status_changed", name="c1", status="live")
    hear(bench, "evt-history", "history", {"id": WABA, "contacts": [{"name": NAME}]})
    hear(bench, "evt-escaped", "no_such_event", {"id": "x1CL", "text": f"about {NAME}"})
    hear(bench, "evt-other", "no_such_event", {"id": "y1CL", "text": "about nobody"})


def hear(bench: Bench, event_id: str, name: str, data: dict[str, Any]) -> None:
    event = read_event({"id": event_id, "event": name, "data": data})
    # As a webhook may bring it: every letter that is not plain is escaped.
    apply_event(bench.ports, replace(event, raw=json.dumps(json.loads(event.raw))))


def ended(bench: Bench) -> None:
    """The person's channel has ended."""
    bench.tell("cancellation_processed")
    assert bench.number().cancelled_at is not None


def finished(call: Callable[[str | None], Progress]) -> Progress:
    """All calls of a search, one after the other."""
    cursor = None
    for _ in range(200):
        progress = call(cursor)
        cursor = progress.cursor
        if cursor is None:
            return progress
    raise AssertionError("it has no end")


def erased(bench: Bench, who: Who = BY_EMAIL, **more: Any) -> Receipt:
    receipt = finished(lambda cursor: erase(bench.ports, who, cursor=cursor, **more)).receipt
    assert receipt is not None
    return receipt


def left(bench: Bench) -> str:
    """Everything in the store as text, whatever is text in it read."""
    found, _ = bench.store.browse(None, 10_000)
    return "\n".join(value for one in found for value in values([*one.place, one.content]))


def plain(receipt: Receipt) -> dict[str, Any]:
    return receipt.model_dump(exclude={"version", "late"})


def test_nothing_of_the_person_is_left_and_nothing_of_others_is_touched(bench: Bench) -> None:
    world(bench)
    ended(bench)
    before = left(bench)
    assert all(secret in before for secret in (EMAIL, NAME, digits("1001")))
    others = bench.store.read(Signup, "o1"), bench.number("9001"), bench.told("o1")
    receipt = erased(bench)
    after = left(bench)
    assert [secret for secret in HIDDEN if secret in after and secret != "ref"] == []
    assert (bench.store.read(Signup, "o1"), bench.number("9001"), bench.told("o1")) == others
    assert bench.store.read(ClientRecord, "default", "other@example.com") is not None
    assert bench.record(bench.event("x", event_id="evt-other")).erased_at is None
    assert receipt.removed["SIGNUP"] == 2
    assert receipt.removed["NUMBER"] == receipt.removed["LINK"] == receipt.removed["IDEMPOTENCY"] == 1
    assert receipt.removed["EVENT"] == 4
    assert receipt.removed["FACT"] > 5
    assert bench.store.records(Dossier) == []
    assert bench.store.records(Link) == []
    assert bench.store.records(Remembered) == []
    assert bench.told("s1") == []


def delivery(bench: Bench, subject: str, fact_id: str, **data: str) -> Delivery:
    """What an endpoint was told of something."""
    now = bench.clock.now()
    made = Delivery(
        subject=subject,
        fact_id=fact_id,
        endpoint="crm",
        type="number.connected",
        body=json.dumps({"type": "number.connected", "data": data}),
        created_at=now,
        began_at=now,
        due_at=now,
        expires_at=now + timedelta(days=30),
    )
    bench.store.commit(made)
    return made


def test_what_endpoints_were_told_of_the_person_goes_and_is_not_sent_any_more(bench: Bench) -> None:
    world(bench)
    ended(bench)
    delivery(bench, "s1", "f1", phone_number_id="1001")
    delivery(bench, "HUB#default", "f2", channel_ids="c1")
    others = [delivery(bench, "o1", "f3", reference="c1"), delivery(bench, "HUB#default", "f4", count="1")]
    assert finished(lambda cursor: show(bench.ports, BY_EMAIL, cursor)).counts["DELIVERY"] == 2
    assert erased(bench).removed["DELIVERY"] == 2
    assert {one.identity for one in bench.store.records(Delivery)} == {one.identity for one in others}
    assert len(bench.store.due(bench.clock.now(), 10, line=Line.SEND)) == 2


def test_the_receipt_names_what_billing_keeps_and_nobody(bench: Bench) -> None:
    world(bench)
    ended(bench)
    kept = erased(bench).kept
    assert [(one.channel_id, one.client_id, one.billed) for one in kept] == [("c1", "1CL", False)]
    assert kept[0].since is not None
    assert kept[0].ended_at is not None


def test_it_is_refused_while_360dialog_bills_unless_told(bench: Bench) -> None:
    world(bench)
    before = left(bench)
    problem = refused(lambda: erased(bench))
    assert (problem.code, problem.retryable) == ("still_billed", False)
    assert "c1" in problem.detail
    assert bench.store.read(Signup, "s1") is not None
    assert EMAIL in before
    receipt = erased(bench, although_billed=True)
    assert receipt.although_billed
    assert receipt.kept[0].billed
    assert bench.number().key is None


def test_a_channel_that_is_billed_on_is_reported_as_nobody_s(bench: Bench) -> None:
    world(bench)
    erased(bench, although_billed=True)
    bench.partner.channels = [bench.channel(billed=True, progress=Reached.LIVE)]
    work_on_census(bench.ports)
    census = bench.store.read(Census, "default")
    assert census is not None
    assert census.unknown == ["c1"]
    assert [one.is_orphan for one in list_page(bench.ports, 0).items] == [True]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (cancel_number, "nothing_to_cancel"),
        (reactivate_number, "nothing_to_reactivate"),
        (check_number, "not_connected"),
        (rotate_key, "not_connected"),
    ],
)
def test_nothing_can_be_wished_for_a_number_that_is_erased(
    bench: Bench, wish: Callable[[Ports, Number], Number], code: str
) -> None:
    world(bench)
    erased(bench, although_billed=True)
    assert refused(lambda: wish(bench.ports, bench.number())).code == code
    assert (bench.number().wish, bench.number().due_at) == (None, None)


def test_a_number_under_lease_is_waited_for(bench: Bench) -> None:
    world(bench)
    ended(bench)
    number = bench.number()
    number.lend("a-run", bench.now)
    bench.store.commit(number)
    problem = refused(lambda: erased(bench))
    assert (problem.code, problem.retryable, problem.retry_after) == ("number_busy", True, 91)
    assert bench.store.read(Signup, "s1") is not None
    bench.wait(91)
    erased(bench)


def test_again_gives_the_same_receipt_and_finds_what_came_late(bench: Bench) -> None:
    world(bench)
    ended(bench)
    first = erased(bench)
    hear(bench, "evt-late", "no_such_event", {"id": "c1", "setup_info": {"phone_number": phone("1001")}})
    hear(bench, "evt-late-2", "history", {"id": WABA, "contacts": []})
    bench.wait(60)
    second = erased(bench)
    assert plain(second) == plain(first)
    assert second.late == {"EVENT": 2}
    assert digits("1001") not in left(bench)
    third = erased(bench)
    assert third.late == {"EVENT": 2}


@pytest.mark.parametrize(
    "who",
    [Who(signup_id="s1"), Who(phone_number_id="1001"), Who(digits="+49 151 1001"), BY_EMAIL],
    ids=["signup", "number", "digits", "email"],
)
def test_a_person_is_found_by_each_of_their_names_also_afterwards(bench: Bench, who: Who) -> None:
    world(bench)
    ended(bench)
    first = erased(bench, who)
    assert EMAIL not in left(bench)
    for other in (Who(signup_id="s1"), Who(phone_number_id="1001"), Who(digits="49151 1001"), BY_EMAIL):
        assert plain(erased(bench, other)) == plain(first)


def test_nobody_is_not_found(bench: Bench) -> None:
    world(bench)
    who = Who(email="nobody@example.com")
    for call in (
        lambda: erase(bench.ports, who),
        lambda: show(bench.ports, who),
        lambda: export(bench.ports, who),
    ):
        assert refused(call).code == "not_found"


def test_a_signup_of_the_same_email_at_another_tenant_is_touched_only_by_the_email(bench: Bench) -> None:
    for tenant in (TENANT, "other"):
        open_signup(
            bench.ports, tenant=tenant, wanted=Wanted(client=PERSON, plan_tier="r"), idempotency_key=None
        )
    mine, theirs = bench.store.records(Signup)
    assert (mine.tenant, theirs.tenant) == (TENANT, "other")
    erased(bench, Who(signup_id=mine.id))
    assert [signup.id for signup in bench.store.records(Signup)] == [theirs.id]
    erased(bench, Who(email=EMAIL, tenant="other"))
    assert bench.store.records(Signup) == []


def test_an_event_of_an_account_that_others_use_too_is_theirs(bench: Bench) -> None:
    world(bench)
    bench.submit("o2", ["9002"], tenant="other", client=OTHER)
    hear(bench, "evt-shared", "history", {"id": WABA, "contacts": ["somebody"]})
    ended(bench)
    erased(bench)
    assert bench.record(bench.event("x", event_id="evt-shared")).erased_at is None
    assert bench.record(bench.event("x", event_id="evt-escaped")).erased_at is not None


def test_an_erased_event_is_known_by_its_id_and_neither_acts_nor_is_kept_again(bench: Bench) -> None:
    world(bench)
    ended(bench)
    erased(bench)
    hear(bench, "evt-history", "history", {"id": WABA, "contacts": [{"name": NAME}]})
    record = bench.record(bench.event("x", event_id="evt-history"))
    assert (record.outcome, record.may_act) == ("erased", False)
    assert NAME not in record.raw
    assert record.event.name == "history"


def test_what_an_event_says_of_an_erased_number_is_not_kept(bench: Bench) -> None:
    world(bench)
    erased(bench, although_billed=True)
    bench.tell("account_restriction", event_id="evt-new")
    record = bench.record(bench.event("x", event_id="evt-new"))
    assert record.erased_at is not None
    assert digits("1001") not in left(bench)


def test_an_erased_number_is_nobodys_and_nothing_is_done_with_it(bench: Bench) -> None:
    world(bench)
    erased(bench, although_billed=True)
    number = bench.number()
    assert (number.tenant, number.next_step, number.due_at) == ("", None, None)
    assert number.erased_at is not None
    told = len(bench.store.all_facts())
    bench.tell("account_restriction", event_id="evt-after")
    bench.work()
    assert bench.number().erased_at == number.erased_at
    assert len(bench.store.all_facts()) == told


@pytest.mark.parametrize("tenant", [TENANT, "other"])
def test_who_comes_back_is_onboarded_like_somebody_new(bench: Bench, tenant: str) -> None:
    world(bench)
    ended(bench)
    erased(bench)
    signup = submit_numbers(bench.ports, bench.signup("s9", tenant=tenant), ["1001"], None)
    number = bench.number()
    assert (number.tenant, number.signup_id, number.erased_at) == (tenant, signup.id, None)
    assert number.status in {"pending", "submitting"}
    assert number.ended_channels == ["c1"]
    assert FactType.NUMBER_RELEASED not in bench.told("s1")


def test_what_is_known_is_counted_and_given_without_secrets(bench: Bench) -> None:
    world(bench)
    shown = finished(lambda cursor: show(bench.ports, BY_EMAIL, cursor))
    assert shown.counts["SIGNUP"] == 2
    assert shown.counts["EVENT"] == 3
    assert shown.person is not None
    assert shown.person.channels == ["c1"]
    items: list[Any] = []
    cursor = None
    while True:
        page = export(bench.ports, BY_EMAIL, cursor)
        items += page.items
        cursor = page.cursor
        if cursor is None:
            break
    text = json.dumps(items, ensure_ascii=False)
    assert {item["kind"] for item in items} >= {
        "signup",
        "number",
        "client",
        "link",
        "event",
        "fact",
        "exchange",
    }
    assert EMAIL in text
    assert not [secret for secret in ("token-of", "api-key", 'secret"') if secret in text]
    assert bench.store.records(Dossier) == []


def test_a_search_that_was_left_alone_has_to_begin_anew(bench: Bench) -> None:
    world(bench)
    problem = refused(lambda: show(bench.ports, BY_EMAIL, "rest:3"))
    assert problem.code == "not_found"


def test_an_unreadable_item_is_counted_and_harms_nothing(bench: Bench) -> None:
    world(bench)
    ended(bench)
    bench.store.spoil(bench.number("9001"))
    progress = finished(lambda cursor: erase(bench.ports, BY_EMAIL, cursor=cursor))
    assert progress.counts["unreadable"] == 1


class Died(Exception):
    """The process is gone."""


class Killing:
    """A store whose owner dies at one of its writes: before it, or after it has worked."""

    def __init__(self, store: MemoryStore, at: int, *, after: bool) -> None:
        self._commit = store.commit
        self.left = at
        self.after = after
        store.commit = self.commit  # type: ignore[method-assign]

    def commit(self, *records: Stored, **more: Any) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Died
        self._commit(*records, **more)
        if self.left == 0:
            raise Died


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_dies_at_any_write_is_taken_up_and_counts_the_same(after: bool) -> None:
    def run(at: int) -> tuple[dict[str, Any], bool]:
        bench = Bench()
        world(bench)
        ended(bench)
        killing = Killing(bench.store, at, after=after)
        try:
            receipt = erased(bench)
        except Died:
            # Perhaps by another of the person's names.
            receipt = erased(bench, Who(email=EMAIL) if at % 2 else BY_EMAIL)
        text = left(bench)
        assert [secret for secret in HIDDEN if secret in text and secret != "ref"] == []
        assert bench.store.records(Dossier) == []
        (stored,) = bench.store.records(Receipt)
        assert stored.late == {}
        return receipt.removed, killing.left > 0

    whole, _ = run(10_000)
    at, survived = 1, False
    while not survived:
        removed, survived = run(at)
        assert removed == whole, at
        at += 1
    assert at > 5


def test_taken_up_by_another_name_it_is_the_same_erasure(bench: Bench) -> None:
    world(bench)
    ended(bench)
    Killing(bench.store, 6, after=True)
    with pytest.raises(Died):
        erased(bench)
    erased(bench, Who(phone_number_id="1001"))
    assert bench.store.records(Dossier) == []
    text = left(bench)
    assert [secret for secret in HIDDEN if secret in text and secret != "ref"] == []


def test_what_changes_meanwhile_is_read_again(bench: Bench) -> None:
    world(bench)
    ended(bench)
    commit, lost = bench.store.commit, [2]

    def meanwhile(*records: Stored, **more: Any) -> None:
        if lost and any(isinstance(record, EventRecord) for record in records):
            lost[0] -= 1
            if lost[0] == 0:
                lost.clear()
            raise Conflict
        commit(*records, **more)

    bench.store.commit = meanwhile  # type: ignore[method-assign]
    assert erased(bench).removed["EVENT"] == 4


def test_the_salt_is_made_once_and_a_name_is_slow_to_try(bench: Bench) -> None:
    world(bench)
    ended(bench)
    erased(bench)
    assert len(bench.store.records(Salt)) == 1
    (receipt,) = bench.store.records(Receipt)
    assert all(len(digest) == 64 for digest in receipt.found_by)


def test_a_search_of_others_is_forgotten_with_the_person(bench: Bench) -> None:
    world(bench)
    ended(bench)
    bench.store.commit()
    export(bench.ports, Who(signup_id="s1"))
    erased(bench)
    assert bench.store.records(Dossier) == []


def test_a_search_nobody_goes_on_with_ends_by_itself(bench: Bench) -> None:
    world(bench)
    page = export(bench.ports, BY_EMAIL)
    if page.cursor is not None:
        bench.clock.advance(timedelta(hours=3))
        assert bench.store.records(Dossier) == []


def test_no_line_names_anybody(bench: Bench) -> None:
    world(bench)
    ended(bench)
    erased(bench)
    lines = json.dumps([str(line) for line in bench.telemetry.lines], ensure_ascii=False)
    assert EMAIL not in lines
    assert NAME not in lines


def test_the_numbers_of_an_erased_person_are_in_nobodys_list(bench: Bench) -> None:
    world(bench)
    ended(bench)
    erased(bench)
    assert bench.store.numbers_of(TENANT, None, None, 10) == []
    assert bench.store.read(Number, "1001") is not None


def test_a_problem_of_the_desk_is_a_problem() -> None:
    assert Problem("still_billed", "x").kind.status == 409
