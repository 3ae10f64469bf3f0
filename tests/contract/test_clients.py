from dataclasses import replace
from datetime import timedelta

import pytest

from onramp.domain.signup import Lease
from onramp.ports import ClientRecord, Conflict
from tests.contract.conftest import Stores
from tests.contract.examples import HOSTILE
from tests.fakes import START


def test_a_new_client_is_an_empty_record(stores: Stores) -> None:
    assert stores.clients.load_client("acme", "jane@example.com") == ClientRecord("acme", "jane@example.com")


def test_a_record_comes_back_as_it_was_saved(stores: Stores) -> None:
    record = ClientRecord(
        "acme",
        "jane@example.com",
        client_id="abcCL",
        absent_at=START,
        intent_at=START + timedelta(microseconds=1),
        lease=Lease(owner="run1", until=START + timedelta(seconds=90)),
    )
    saved = stores.clients.save_client(record)
    assert saved == replace(record, version=1)
    assert stores.clients.load_client("acme", "jane@example.com") == saved
    emptied = stores.clients.save_client(replace(saved, absent_at=None, intent_at=None, lease=None))
    assert emptied.version == 2
    assert stores.clients.load_client("acme", "jane@example.com") == emptied


def test_a_save_upon_an_older_version_is_refused(stores: Stores) -> None:
    empty = stores.clients.load_client("acme", "jane@example.com")
    first = stores.clients.save_client(replace(empty, absent_at=START))
    with pytest.raises(Conflict):
        stores.clients.save_client(replace(empty, intent_at=START))
    second = stores.clients.save_client(replace(first, intent_at=START))
    with pytest.raises(Conflict):
        stores.clients.save_client(replace(first, client_id="abcCL"))
    assert stores.clients.load_client("acme", "jane@example.com") == second
    assert stores.clients.client_owner("abcCL") is None


def test_a_client_id_is_owned_with_the_save(stores: Stores) -> None:
    stores.clients.save_client(ClientRecord("acme", "jane@example.com", client_id="abcCL"))
    assert stores.clients.client_owner("abcCL") == "acme"
    assert not stores.clients.own_client("abcCL", "bravo")


def test_a_client_id_of_another_tenant_is_not_saved(stores: Stores) -> None:
    stores.clients.own_client("abcCL", "bravo")
    with pytest.raises(Conflict):
        stores.clients.save_client(ClientRecord("acme", "jane@example.com", client_id="abcCL"))
    assert stores.clients.load_client("acme", "jane@example.com").version == 0
    assert stores.clients.client_owner("abcCL") == "bravo"


def test_a_client_id_goes_to_the_first_tenant(stores: Stores) -> None:
    assert stores.clients.client_owner("abcCL") is None
    assert stores.clients.own_client("abcCL", "acme")
    assert stores.clients.own_client("abcCL", "acme")
    assert not stores.clients.own_client("abcCL", "bravo")
    assert stores.clients.client_owner("abcCL") == "acme"


def test_hostile_tenants_and_emails_stay_apart(stores: Stores) -> None:
    pairs = [(tenant, email) for tenant in HOSTILE for email in HOSTILE[:6]]
    pairs += [("a", "b#c"), ("a#b", "c"), ("a%23b", "c"), ("t" * 200, "🙂" * 320)]
    for index, (tenant, email) in enumerate(pairs):
        stores.clients.save_client(ClientRecord(tenant, email, client_id=f"{index}CL"))
    for index, (tenant, email) in enumerate(pairs):
        found = stores.clients.load_client(tenant, email)
        assert (found.tenant, found.email, found.client_id) == (tenant, email, f"{index}CL")
        assert stores.clients.client_owner(f"{index}CL") == tenant


def test_hostile_client_ids_have_their_own_owners(stores: Stores) -> None:
    for name in HOSTILE:
        assert stores.clients.own_client(name, name)
    assert [stores.clients.client_owner(name) for name in HOSTILE] == list(HOSTILE)
