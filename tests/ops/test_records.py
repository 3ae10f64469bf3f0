"""`onramp table`: records of a stage that has run, copied; and the keys that the doctor tries."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.table import make_table
from harness.world import World
from onramp.adapters.dynamo import DynamoStore
from onramp.domain.number import Number
from onramp.domain.signup import Signup
from onramp.domain.states import Step
from ops.commands import table
from ops.doctor.findings import Level
from ops.running import Failed
from ops.stage.translated import translated
from tests.ops.conftest import PARTNER_KEY, TABLE, Case, Desk, pretend, refused


@pytest.fixture
def world(case: Case) -> Iterator[World]:
    client = translated(case.stage.aws.dynamodb)
    with World(store=lambda clock: DynamoStore(client, TABLE, clock)) as world:
        yield world


@pytest.fixture
def connected(world: World) -> tuple[Signup, Number]:
    """A signup whose number is connected."""
    signup = world.submitted(world.customer())
    world.run(until=world.settled(signup.id))
    (number,) = world.numbers(signup.id)
    return signup, number


SECRET_HALF = "cut-off-cipher-text"
HALVES: dict[str, dict[str, Any]] = {
    "no JSON": {"data": {"S": f'{{"tenant": "t", "key": {{"secret": "{SECRET_HALF}'}},
    "no object": {"data": {"S": f'["{SECRET_HALF}"]'}},
    "not packed": {"data_zlib": {"B": SECRET_HALF.encode()}},
    "no text": {"data": {"N": "7"}},
}


def damage(case: Case, pk: str, sk: str, half: str) -> None:
    """Somebody has changed a record by hand."""
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    item = case.stage.aws.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    kept = {name: value for name, value in item.items() if name not in {"data", "data_zlib"}}
    case.stage.aws.dynamodb.put_item(TableName=TABLE, Item=kept | HALVES[half])


# --- table -----------------------------------------------------------------------------------------------


def keys_of(case: Case, name: str) -> Counter[str]:
    return Counter(item["pk"]["S"] for item in case.stage.aws.dynamodb.scan(TableName=name)["Items"])


def test_a_copy_has_everything_but_the_budget(
    desk: Desk, case: Case, connected: tuple[Signup, Number]
) -> None:
    make_table(case.stage.aws.dynamodb, "restored")
    case.stage.outputs = {**case.stage.outputs, "TableName": "restored"}
    assert desk.run("table", "copy", TABLE) == 0
    assert keys_of(case, TABLE) - keys_of(case, "restored") == Counter({"BUDGET#default": 1})
    assert desk.run("table", "copy", TABLE) == 0


def test_some_records_are_copied_alone(desk: Desk, case: Case, connected: tuple[Signup, Number]) -> None:
    signup, number = connected
    make_table(case.stage.aws.dynamodb, "restored")
    case.stage.outputs = {**case.stage.outputs, "TableName": "restored"}
    chosen = [f"SIGNUP#{signup.id}", f"NUMBER#{number.phone_number_id}"]
    assert desk.run("table", "copy", TABLE, "--key", chosen[0], "--key", chosen[1]) == 0
    assert set(keys_of(case, "restored")) == set(chosen)


@pytest.mark.parametrize("half", HALVES)
def test_a_damaged_number_is_copied_as_it_is(case: Case, connected: tuple[Signup, Number], half: str) -> None:
    _, number = connected
    damage(case, f"NUMBER#{number.phone_number_id}", "NUMBER", half)
    key = {"pk": {"S": f"NUMBER#{number.phone_number_id}"}, "sk": {"S": "NUMBER"}}
    item = case.stage.aws.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    assert table.without_key(item) == item


def test_a_copy_with_new_keys_connects_its_numbers_anew(
    desk: Desk, case: Case, world: World, connected: tuple[Signup, Number]
) -> None:
    signup, number = connected
    assert desk.run("table", "copy", TABLE) == 2
    assert desk.run("table", "copy", TABLE, "--new-keys") == 0
    moved = world.number(number.phone_number_id)
    assert (moved.key, moved.next_step) == (None, Step.CONNECT)
    world.clock.sleep(600)
    world.run(until=lambda: world.number(number.phone_number_id).key is not None, seconds=3600)
    world.run(seconds=60)
    world.assert_connected(signup.id)
    after = world.number(number.phone_number_id)
    assert after.key is not None
    assert number.key is not None
    assert after.key.secret != number.key.secret


def test_a_table_that_takes_nothing_ends_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - as boto3 names it
            return {"UnprocessedItems": RequestItems}

    slept: list[float] = []
    with pytest.raises(Failed, match="takes no more records"):
        table._write(Full(), "t", [{}], slept.append)  # type: ignore[arg-type]
    assert len(slept) == table.TRIES - 1


def test_an_emptied_table_is_empty(desk: Desk, case: Case, connected: tuple[Signup, Number]) -> None:
    assert desk.run("table", "empty") == 2
    assert keys_of(case, TABLE)
    assert desk.run("table", "empty", "--yes") == 0
    assert not keys_of(case, TABLE)


AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Restoring:
    """DynamoDB while it restores a table: it is there after some looks."""

    def __init__(self, looks: int) -> None:
        self.looks, self.asked = looks, 0
        self.at: datetime | None = None

    def describe(self, request: dict[str, Any]) -> Any:
        if request["TableName"] == TABLE:
            return {"Table": {"TableStatus": "ACTIVE", "SSEDescription": {"KMSMasterKeyArn": "arn:key"}}}
        if self.at is None:
            raise NotThere({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeTable")
        self.asked += 1
        status = "ACTIVE" if self.asked > self.looks else "CREATING"
        return {"Table": {"TableStatus": status, "RestoreSummary": {"RestoreDateTime": self.at}}}

    def restore(self, request: dict[str, Any]) -> Any:
        assert request["SSESpecificationOverride"]["KMSMasterKeyId"] == "arn:key"
        self.at = request["RestoreDateTime"]
        return {}


NotThere = type("NotThere", (type(refused("x")),), {})


@pytest.fixture
def restoring(case: Case, monkeypatch: pytest.MonkeyPatch) -> Restoring:
    found = Restoring(looks=400)
    monkeypatch.setattr(table._wait_for, "__defaults__", (lambda _: None,))
    client = pretend(
        case, "dynamodb", describe_table=found.describe, restore_table_to_point_in_time=found.restore
    )
    client.__dict__["exceptions"] = type("E", (), {"ResourceNotFoundException": NotThere})
    return found


def test_a_restore_waits_for_as_long_as_it_takes(desk: Desk, restoring: Restoring) -> None:
    assert desk.run("table", "restore", "--at", AT.isoformat()) == 0
    assert f"Onramp-dev-restored holds {TABLE} as of 2026-11-23T09:00:00" in desk.out
    assert restoring.asked > restoring.looks


def test_a_restore_that_was_stopped_goes_on(desk: Desk, restoring: Restoring) -> None:
    desk.run("table", "restore", "--at", AT.isoformat())
    assert desk.run("table", "restore", "--at", AT.isoformat()) == 0
    assert desk.run("table", "restore", "--at", (AT + timedelta(hours=1)).isoformat()) == 2
    assert "there is a table Onramp-dev-restored already, of 2026-11-23T09:00:00" in desk.err


# --- the doctor tries some keys --------------------------------------------------------------------------


def test_without_connected_numbers_no_key_is_tried(case: Case) -> None:
    assert case.find("channel-keys").level is Level.SKIPPED


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, (Level.OK, "1 of the stored keys tried, all work")),
        (401, (Level.FAIL, "the stored key of channel {} is dead (401)")),
        (503, (Level.WARN, "the key of channel {} cannot be tried (partner_unavailable)")),
    ],
)
def test_stored_keys_are_tried_as_servers_use_them(
    case: Case,
    connected: tuple[Signup, Number],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    found: tuple[Level, str],
) -> None:
    _, number = connected
    assert number.key is not None

    def decrypt(vault: Any, secret: str, context: Mapping[str, str]) -> str:
        assert vault._key_id == case.stage.outputs["EnvelopeKeyArn"]
        assert (secret, context["number"]) == (stored, number.phone_number_id)
        return PARTNER_KEY

    stored = number.key.secret
    monkeypatch.setattr("ops.doctor.checks.keys.KmsVault.decrypt", decrypt)
    case.time.at = datetime(2030, 1, 1, tzinfo=UTC)
    case.web.on("GET", f"{number.key.address}/v1/configs/webhook", status, {"url": "https://x.test"})
    finding = case.find("channel-keys")
    assert (finding.level, finding.detail) == (found[0], found[1].format(number.channel_id))


@pytest.mark.parametrize(
    ("status", "level"), [(200, Level.OK), (401, Level.FAIL)], ids=["is good", "is dead"]
)
def test_the_key_of_one_number_is_tried_by_its_id(
    case: Case,
    connected: tuple[Signup, Number],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    level: Level,
) -> None:
    _, number = connected
    assert number.key is not None
    monkeypatch.setattr("ops.doctor.checks.keys.KmsVault.decrypt", lambda *_: PARTNER_KEY)
    case.web.on("GET", f"{number.key.address}/v1/configs/webhook", status, {"url": "https://x.test"})
    case.stage.number = number.phone_number_id
    assert case.find("channel-keys").level is level
    case.stage.number = "106000000000000"
    found = case.find("channel-keys")
    assert (found.level, found.detail.partition(" has no key")[0]) == (Level.SKIPPED, case.stage.number)


def test_a_role_that_may_not_open_keys_is_a_warning(case: Case, connected: tuple[Signup, Number]) -> None:
    case.time.at = datetime(2030, 1, 1, tzinfo=UTC)
    pretend(case, "kms", decrypt=refused("AccessDeniedException", "Decrypt"))
    found = case.find("channel-keys")
    assert (found.level, "may not Decrypt" in found.detail) == (Level.WARN, True)
