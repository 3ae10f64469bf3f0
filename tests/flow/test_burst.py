"""A small burst of webhooks through the deployed stack; `python -m bench.burst` is the large one."""

import secrets

from bench import burst
from harness.waiting import eventually
from local.bus import listening
from local.journey import submitted
from local.soak_records import Records, read_records
from tests.flow.walks import Tenant

COUNT = 100
CONNECTIONS = 4


def has_acted(ids: frozenset[str], records: Records) -> bool:
    return all(records.events.get(one) == "applied" for one in ids)


def test_no_webhook_of_a_burst_is_lost_refused_or_acts_twice(tenant: Tenant) -> None:
    run = tenant.run
    [number] = submitted(tenant.connected())
    about = (number["phone_number_id"], number["channel_id"])
    load = burst.load([about], COUNT, mark=f"burst-{secrets.token_hex(4)}")
    with listening(run) as listener:
        sent = burst.send(
            "small",
            run.webhook_url,
            load.bodies,
            secret=run.options.platform_secret,
            connections=CONNECTIONS,
        )
        assert sent.answers == {"200": COUNT}
        # Others share the queues, so their emptiness tells nothing here.
        eventually(lambda: has_acted(load.ids, read_records(run)), "all events have acted")
        found = burst.account(run, [load], listener)
    assert (found.applied, found.lost, found.doubled) == (len(load.ids), 0, 0), found
