"""Several partners in one stage: each number is worked on at its own hub, and nowhere else."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from onramp.domain.budget import BudgetRule, BudgetState
from onramp.domain.clients import ClientRecord
from onramp.domain.errors import Problem, UnknownHub
from onramp.domain.launch import Flow
from onramp.domain.ledger import EventRecord
from onramp.domain.number import Number
from onramp.domain.signup import Client
from onramp.domain.states import Progress
from onramp.ports import NO_NAMED, Hub, Ports, Webhooks
from onramp.ports.upstreams import ChannelWebhook, NamedWebhook
from onramp.usecases import operating
from onramp.usecases.apply_event import apply_event
from onramp.usecases.open_signup import Wanted, at_hub, open_signup, require_messaging
from onramp.usecases.read import channel_key, launch_for
from onramp.usecases.resolve import hubs_of
from onramp.usecases.submit_numbers import submit_numbers
from onramp.usecases.sweep import sweep
from onramp.usecases.work import work_on_number
from tests.unit.usecases.bench import EMAIL, TENANT, Bench, ScriptedMessaging, ScriptedPartner, digits

CLIENT = Client(name="Acme", email=EMAIL, user_name="Ann")
CRM = ChannelWebhook(url="https://crm.example.com/in", headers={"Authorization": "secret"})


@dataclass
class Hubs(Bench):
    """A stage with the hubs `default`, `emea` and `latam`."""

    def __init__(self, webhooks: Webhooks = NO_NAMED) -> None:
        super().__init__()
        rules = replace(self.ports.rules, webhooks=webhooks, solution_id="1")
        self.others = {"emea": ScriptedPartner(), "latam": ScriptedPartner()}
        hubs = {"default": Hub(rules, self.partner)}
        for place, (name, partner) in enumerate(self.others.items(), start=2):
            budget = BudgetRule(calls=100 + place, window=timedelta(seconds=30))
            own = replace(rules, budget=budget, plan_tier="premium", solution_id=str(place))
            hubs[name] = Hub(own, partner)
        self.ports = replace(self.ports, rules=rules, hubs=hubs)

    def taken(self, hub: str, name: str = "1001", signup: str = "s1", **more: Any) -> Number:
        """A number that is submitted to us for a hub."""
        submit_numbers(self.ports, self.signup(signup, [name], hub=hub, **more), [name], None)
        return self.number(name)

    def at_partner(self, hub: str, name: str = "1001") -> ScriptedPartner:
        """The hub's partner, which has a live channel of the number."""
        partner = self.others[hub]
        partner.channels.append(self.channel(f"c{name}", name, progress=Progress.LIVE))
        return partner


@pytest.fixture
def bench() -> Hubs:
    return Hubs()


def test_ports_are_those_of_the_hub(bench: Hubs) -> None:
    emea = bench.ports.at("emea")
    assert (emea.hub, emea.partner) == ("emea", bench.others["emea"])
    assert emea.at("default").partner is bench.partner
    assert emea.at("emea") is emea
    assert emea.store is bench.ports.store
    assert [at.hub for at in emea.each] == ["default", "emea", "latam"]
    with pytest.raises(UnknownHub):
        bench.ports.at("nowhere")


def test_a_stage_with_one_hub_has_the_default_one_alone() -> None:
    ports = Bench().ports
    assert list(ports.hub_names) == ["default"]
    assert [at.hub for at in ports.each] == ["default"]
    with pytest.raises(UnknownHub):
        ports.at("emea")


def test_a_signup_names_its_hub_or_goes_to_the_default_one(bench: Hubs) -> None:
    assert at_hub(bench.ports, None).hub == "default"
    at = at_hub(bench.ports, "latam")
    wanted = Wanted(client=CLIENT, plan_tier="regular", reference=None)
    assert open_signup(at, tenant=TENANT, wanted=wanted, idempotency_key=None).hub == "latam"
    with pytest.raises(Problem) as refused:
        at_hub(bench.ports, "nowhere")
    assert (refused.value.code, refused.value.errors[0]["field"]) == ("invalid_request", "hub")


def test_the_same_key_of_another_hub_is_another_call(bench: Hubs) -> None:
    wanted = Wanted(client=CLIENT, plan_tier="regular", reference=None)
    open_signup(bench.ports, tenant=TENANT, wanted=wanted, idempotency_key="k")
    with pytest.raises(Problem) as refused:
        open_signup(bench.ports.at("emea"), tenant=TENANT, wanted=wanted, idempotency_key="k")
    assert refused.value.code == "idempotency_key_reused"


def test_the_popup_is_opened_with_the_solution_of_its_hub(bench: Hubs) -> None:
    def flows(solution: str) -> dict[str, Flow]:
        return {"standard": Flow("1", {"setup": {"solutionID": solution}})}

    hubs = {
        name: replace(hub, rules=replace(hub.rules, flows=flows(name)))
        for name, hub in bench.ports.hubs.items()
    }
    ports = replace(bench.ports, hubs=hubs, rules=hubs["default"].rules)
    wanted = Wanted(client=CLIENT, plan_tier="regular", reference=None)
    signup = open_signup(ports.at("emea"), tenant=TENANT, wanted=wanted, idempotency_key=None)
    launch = launch_for(ports, signup)
    assert launch is not None
    assert launch.extras["setup"] == {"solutionID": "emea"}


def test_a_number_is_brought_through_its_own_hub(bench: Hubs) -> None:
    bench.taken("emea")
    assert bench.work() is not None or bench.number().progress == Progress.SUBMITTED
    emea, latam = bench.others.values()
    assert emea.submitted
    assert not bench.partner.calls
    assert not latam.calls
    assert bench.store.read(ClientRecord, "emea", EMAIL) is not None
    assert bench.store.read(ClientRecord, "default", EMAIL) is None
    assert bench.store.read(BudgetState, "default") is None
    assert bench.store.read(BudgetState, "emea") is not None


def test_one_customer_has_a_client_at_each_hub(bench: Hubs) -> None:
    bench.taken("emea")
    bench.taken("latam", "1002", "s2")
    bench.work("1001")
    bench.work("1002")
    assert [len(partner.clients) for partner in bench.others.values()] == [1, 1]


def test_a_number_of_a_hub_that_is_gone_waits_and_rings(bench: Hubs) -> None:
    bench.taken("emea")
    ports = replace(bench.ports, hubs={})
    assert work_on_number(ports, "1001") is None
    assert bench.count("RecordsCrashed") == 1
    assert bench.number().due_at is not None


def test_a_webhook_acts_on_numbers_of_its_own_hub_alone(bench: Hubs) -> None:
    bench.taken("emea")
    bench.work()
    event = bench.event("channel_running", number="1001")
    apply_event(bench.ports.at("latam"), event)
    assert bench.number().progress == Progress.SUBMITTED
    apply_event(bench.ports.at("emea"), event)
    assert bench.number().progress == Progress.RUNNING
    assert bench.store.read(EventRecord, "emea", event.id) is not None


def test_the_key_of_a_channel_is_found_at_whatever_hub(bench: Hubs) -> None:
    bench.taken("emea")
    partner = bench.at_partner("emea")
    bench.messaging = ScriptedMessaging(partner=partner)
    bench.ports = replace(bench.ports, messaging=bench.messaging)
    bench.change(progress=Progress.LIVE, channel_id="c1001", client_id="1CL", due_at=bench.now)
    assert bench.work() is None
    assert channel_key(bench.ports, "c1001").api_key == "key-1-of-c1001"
    with pytest.raises(Problem):
        channel_key(bench.ports, "c1002")


# --- a number and its hub


def test_a_number_that_lives_at_one_hub_is_not_taken_to_another(bench: Hubs) -> None:
    bench.taken("emea")
    bench.change(progress=Progress.LIVE, channel_id="c1", client_id="1CL")
    with pytest.raises(Problem) as refused:
        bench.taken("latam", signup="s2")
    assert refused.value.code == "number_taken"
    assert "emea" in str(refused.value.detail)
    assert bench.number().hub == "emea"


def test_a_number_that_has_ended_may_begin_anew_at_another_hub(bench: Hubs) -> None:
    bench.taken("emea")
    bench.change(progress=Progress.LIVE, channel_id="c1", client_id="1CL", cancelled_at=bench.now, final=True)
    number = bench.taken("latam", signup="s2")
    assert (number.hub, number.client_id, number.life) == ("latam", None, 2)
    bench.work()
    assert not bench.others["emea"].calls
    assert bench.others["latam"].calls


def test_a_number_of_another_tenant_that_is_free_goes_to_the_hub_of_its_new_owner(bench: Hubs) -> None:
    bench.taken("emea")
    bench.change(channel_id="c1", client_id="1CL", cancelled_at=bench.now, final=True)
    number = bench.taken("latam", signup="s2", tenant="other")
    assert (number.hub, number.tenant, number.client_id) == ("latam", "other", None)


# --- what wakes, and what is looked for


def test_the_sweep_wakes_the_census_of_every_hub(bench: Hubs) -> None:
    names = [str(1000 + index) for index in range(40)]
    bench.submit("s1", names)
    for name in names:
        bench.change(name, progress=Progress.SUBMITTED, due_at=bench.now)
    bench.wait(3600)
    sweep(bench.ports)
    assert {"default", "emea", "latam"} <= set(bench.queue.censuses)


def test_an_operator_finds_numbers_and_events_at_whatever_hub(bench: Hubs) -> None:
    bench.taken("emea")
    bench.change(channel_id="c1")
    number = operating.numbers_at(bench.ports, digits=digits("1001"), waba_id=None, channel_id=None)
    assert [found.phone_number_id for found in number] == ["1001"]
    assert operating.number_with(bench.ports, "c1") == bench.number()
    event = bench.event("channel_running")
    apply_event(bench.ports.at("emea"), event)
    record = operating.event_of(bench.ports, event.id)
    assert record.hub == "emea"
    operating.replay(bench.ports, record, again=False)
    assert bench.queue.hubs == ["emea"]


def test_metas_events_go_to_the_hub_of_the_number_or_wait_at_each(bench: Hubs) -> None:
    def heard(ports: Ports) -> list[str]:
        return [at.hub for at in hubs_of(ports, bench.event("channel_running", name=None))]

    assert heard(bench.ports) == ["default", "emea", "latam"]
    bench.taken("latam")
    assert heard(bench.ports) == ["latam"]
    assert heard(replace(bench.ports, hubs={})) == ["default"]


# --- where messages go


def allowed(**more: Any) -> Webhooks:
    named = {"crm": NamedWebhook(CRM.url, tenants=(TENANT,), headers=lambda: CRM.headers)}
    return Webhooks(named=named, **more)


@pytest.mark.parametrize(
    ("webhooks", "messaging", "expected"),
    [
        (allowed(), None, "stage"),
        (allowed(), "crm", "crm"),
        (allowed(hub="crm"), None, "crm"),
        (allowed(tenants={TENANT: "crm"}), None, "crm"),
        (allowed(tenants={"another": "crm"}), None, "stage"),
    ],
)
def test_messages_go_where_the_signup_the_tenant_the_hub_or_the_stage_says(
    webhooks: Webhooks, messaging: str | None, expected: str
) -> None:
    bench = Bench()
    bench.rule(webhooks=webhooks)
    bench.submit(messaging=messaging)
    bench.live()
    assert bench.work() is None
    wanted = CRM if expected == "crm" else bench.ports.rules.webhook
    assert bench.messaging.webhook == wanted


def test_a_webhook_that_is_no_longer_there_fails_with_a_way_out() -> None:
    bench = Bench()
    bench.submit(messaging="crm")
    bench.live()
    bench.work()
    failure = bench.number().failure
    assert failure is not None
    assert (failure.code, failure.retryable, bench.partner.keys) == ("messaging_unknown", True, [])
    bench.rule(webhooks=allowed())
    assert bench.work(retry=True) is None
    assert bench.messaging.webhook == CRM


def test_the_daily_check_compares_with_the_numbers_own_webhook() -> None:
    bench = Bench()
    bench.rule(webhooks=allowed())
    bench.submit(messaging="crm")
    bench.live()
    bench.work()
    bench.work_when_due()
    assert bench.number().status == "connected"
    bench.messaging.webhook = bench.ports.rules.webhook
    bench.work_when_due()
    assert bench.messaging.webhook == CRM


@pytest.mark.parametrize(
    ("name", "tenant", "allowed_"),
    [
        (None, "anybody", True),
        ("crm", TENANT, True),
        ("crm", None, True),
        ("crm", "another", False),
        ("nothing", None, False),
    ],
)
def test_a_tenant_chooses_from_those_it_is_given_and_a_server_from_all(
    name: str | None, tenant: str | None, allowed_: bool
) -> None:
    bench = Bench()
    bench.rule(webhooks=allowed())
    if allowed_:
        require_messaging(bench.ports, name, tenant)
        return
    with pytest.raises(Problem) as refused:
        require_messaging(bench.ports, name, tenant)
    assert refused.value.code == "invalid_request"
