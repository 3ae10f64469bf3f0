"""Partner events in DynamoDB: each acts once within 30 days, and waits parked until its signup appears.

    | access                        | how                                        |
    |-------------------------------|--------------------------------------------|
    | an event                      | get    `EVENT#<id>` / `EVENT`              |
    | those parked under a place    | query  `PARKED#<place>`, sort key event id |
    | parked ones that are due      | index `by_due`, see `dynamo_signups`       |

    processing ──► done                 a run has dealt with it; `given_up…` may be claimed anew
        │  ▲
        │  ├───── released              a run gave it back
        ▼  │
       parked                           also written as `PARKED#…`, in the same transaction

`owner` is unique to a claim and stays when the claim ends, so owner and state together tell whether anybody
has written since an item was read.
"""

import contextlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from onramp.adapters.dynamo_table import (
    EXPIRY,
    MISSING,
    Action,
    Item,
    Key,
    OnTable,
    Refused,
    Table,
    Value,
    When,
    expired,
    part,
    unpart,
)
from onramp.domain.errors import LeaseLost, PutOff
from onramp.domain.partner_events import MAX_ID_LENGTH, Channel, PartnerEvent, read_event
from onramp.domain.text import iso
from onramp.ports import Conflict, EventClaim, ParkedEvent

EVENT_LEASE: Final = timedelta(seconds=90)
"""Longer than the workers' timeout of 60 s, so that a holder is dead when it runs out."""
EVENT_KEPT: Final = timedelta(days=30)
"""Longer than 7 days of redelivery and 14 days in a queue together."""
LOOK_SOON: Final = timedelta(minutes=1)
"""When the sweep looks at a parked event again whose run came to nothing."""
GIVEN_UP: Final = "given_up"
LARGE: Final = 32_000
"""Bytes from which an envelope is compressed."""
LARGEST: Final = 350_000
"""Bytes an envelope may take of an item's 400 KB."""
_CLAIM_TRIES: Final = 4


class DynamoEvents(OnTable):
    """`EventStore` on the table."""

    def claim_event(self, event: PartnerEvent, owner: str, now: datetime) -> EventClaim | None:
        """See `EventStore.claim_event`."""
        for tries in range(_CLAIM_TRIES):
            stored = self._table.get(_event_key(event.id))
            living = stored if stored and not expired(stored, now) else None
            if living and living["state"] == "done":
                if not living["outcome"].startswith(GIVEN_UP):
                    return None
                living = None
            if living and _is_held(living, owner, now):
                # Our own write, whose answer was lost on the way.
                return replace(_claim(event.id, owner, living), attempts=living["attempts"])
            claim = _claim(event.id, owner, living)
            attributes = {**(living or _received(event, now)), **_taken(claim, now)}
            try:
                self._table.write(self._table.put(_event_key(event.id), attributes, _unchanged(stored)))
            except (Refused, Conflict):
                self._table.pause(tries)
            else:
                return claim
        raise PutOff(now + EVENT_LEASE, "event lease")

    def release_event(self, claim: EventClaim, *, counted: bool) -> None:
        """See `EventStore.release_event`. A parked event is parked again, and looked at soon."""
        attempts = claim.attempts if counted else claim.attempts - 1
        state = "parked" if claim.place is not None else "released"
        actions = [
            self._table.update(
                _event_key(claim.event_id),
                "SET #state = :state, #attempts = :attempts",
                _ours(claim),
                state=state,
                attempts=attempts,
            )
        ]
        if claim.place is not None:
            now = self._clock.now()
            actions.append(
                self._table.update(
                    _parked_key(claim.place, claim.event_id),
                    f"SET #due_shard = :due, #due_at = :soon, #{EXPIRY} = :forgotten",
                    due="DUE",
                    soon=iso(now + LOOK_SOON),
                    forgotten=_epoch((claim.parked_at or now) + EVENT_KEPT),
                )
            )
        self._write_if_ours(actions)

    def finish_event(self, claim: EventClaim, outcome: str) -> None:
        """See `EventStore.finish_event`."""
        self._write_if_ours(finish_actions(self._table, claim, outcome))

    def _write_if_ours(self, actions: Sequence[Action]) -> None:
        with contextlib.suppress(Refused):
            self._table.write_patiently(*actions)

    def park_event(
        self,
        claim: EventClaim,
        event: PartnerEvent,
        channel: Channel,
        place: str,
        *,
        now: datetime,
        due_at: datetime | None,
    ) -> None:
        """See `EventStore.park_event`. Raises `LeaseLost` when the event is another run's by now.

        Raises `ValueError` for a place that is too long to be read back from a key. While the channel's WABA
        is unknown, no number stands in the way: its digits alone do not say that it is meant.
        """
        unpart(part(place))  # The index of due work gives only keys: a hashed place would be lost.
        key = _parked_key(place, claim.event_id)
        parked_at = claim.parked_at or now
        actions = [
            self._table.update(
                _event_key(claim.event_id),
                "SET #state = :parked, #attempts = :none, #place = :place, #parked_at = :parked_at",
                _ours(claim),
                parked="parked",
                none=0,
                place=part(place),
                parked_at=parked_at.isoformat(),
            ),
            self._table.put(
                key,
                {
                    "name": _readable(event.name),
                    "due_shard": "DUE" if due_at else None,
                    "due_at": iso(due_at) if due_at else None,
                    EXPIRY: _epoch(parked_at + EVENT_KEPT),
                },
            ),
        ]
        if claim.place is not None and claim.place != place:
            actions.append(self._table.delete(_parked_key(claim.place, claim.event_id)))
        if channel.digits and channel.waba_id:
            absent = When.of(f"{MISSING.expression} OR #waba_id <> :waba", waba=_readable(channel.waba_id))
            actions.append(self._table.check((f"DIGITS#{part(channel.digits)}", "POINTER"), absent))
        try:
            self._table.write_patiently(*actions)
        except Refused as refused:
            lost = 0 in refused.indexes
            raise (LeaseLost("the event has another owner") if lost else Conflict()) from refused

    def parked(self, place: str) -> Sequence[ParkedEvent]:
        """See `EventStore.parked`."""
        now = self._clock.now()
        waiting = self._table.query(When.of("#pk = :place", place=_parked_key(place, "")[0]))
        events = [
            self._table.get((f"EVENT#{item['sk']}", "EVENT")) for item in waiting if not expired(item, now)
        ]
        return [
            ParkedEvent(event=_event(item), place=place)
            for item in events
            if item is not None and not expired(item, now) and item["state"] != "done"
        ]


def finish_actions(table: Table, claim: EventClaim, outcome: str) -> list[Action]:
    """What ends an event; the first is refused when the claim is not its owner's any more."""
    done = table.update(
        _event_key(claim.event_id),
        "SET #state = :done, #outcome = :outcome",
        _ours(claim),
        done="done",
        outcome=_readable(outcome),
    )
    if claim.place is None:
        return [done]
    return [done, table.delete(_parked_key(claim.place, claim.event_id))]


def _event_key(event_id: str) -> Key:
    return f"EVENT#{part(event_id)}", "EVENT"


def _parked_key(place: str, event_id: str) -> Key:
    return f"PARKED#{part(place)}", part(event_id)


def _ours(claim: EventClaim) -> When:
    return When.of("#owner = :owner AND #state = :processing", owner=claim.owner, processing="processing")


def _unchanged(stored: Item | None) -> When:
    if stored is None:
        return MISSING
    return When.of(
        "#owner = :seen_owner AND #state = :seen_state",
        seen_owner=stored["owner"],
        seen_state=stored["state"],
    )


def _is_held(stored: Item, owner: str, now: datetime) -> bool:
    """Whether the event is ours already. Raises `PutOff` while it is another's."""
    if stored["state"] != "processing":
        return False
    until = datetime.fromisoformat(stored["lease_until"])
    if stored["owner"] != owner and until > now:
        raise PutOff(until, "event lease")
    return bool(stored["owner"] == owner)


def _claim(event_id: str, owner: str, living: Item | None) -> EventClaim:
    """The claim that comes after what is stored."""
    if living is None:
        return EventClaim(event_id, owner, attempts=1)
    return EventClaim(
        event_id,
        owner,
        attempts=living["attempts"] + 1,
        place=unpart(living["place"]) if "place" in living else None,
        parked_at=datetime.fromisoformat(living["parked_at"]) if "parked_at" in living else None,
    )


def _taken(claim: EventClaim, now: datetime) -> dict[str, Value]:
    return {
        "state": "processing",
        "owner": claim.owner,
        "attempts": claim.attempts,
        "lease_until": (now + EVENT_LEASE).isoformat(),
    }


def _received(event: PartnerEvent, now: datetime) -> dict[str, Value]:
    return {
        "name": _readable(event.name),
        "received_at": iso(now),
        EXPIRY: _epoch(now + EVENT_KEPT),
        **_stored_envelope(event),
    }


def _stored_envelope(event: PartnerEvent) -> dict[str, Value]:
    """The envelope as text, compressed when large, reduced to what is used when it is still too large."""
    encoded = event.raw.encode("utf-8", "surrogatepass")
    if len(encoded) <= LARGE and event.raw == _readable(event.raw):
        return {"raw": event.raw}
    small = zlib.compress(encoded)
    return {"raw_zlib": small if len(small) <= LARGEST else zlib.compress(_reduced(event).encode())}


def _reduced(event: PartnerEvent) -> str:
    """An envelope that reads as the same event, without what nobody looks at."""
    channel = event.channel
    data = {
        "id": _short(channel.id if event.about_channel else channel.waba_id),
        "waba_account": {"external_id": _short(channel.waba_id)},
        "setup_info": {"phone_number": _short(channel.digits)},
        "client_id": _short(channel.client_id),
        "status": channel.progress,
        "cancelled_at": channel.dead,
        "billing_started_at": channel.billed,
        "created_at": iso(channel.created_at) if channel.created_at else None,
        "violation_type": event.detail,
    }
    return json.dumps({"id": event.id, "event": event.name, "data": data}, sort_keys=True)


def _short(value: str | None) -> str | None:
    return value[:MAX_ID_LENGTH] if value else value


def _event(item: Item) -> PartnerEvent:
    raw = item["raw"] if "raw" in item else zlib.decompress(item["raw_zlib"]).decode("utf-8", "surrogatepass")
    return read_event(json.loads(raw))


def _readable(text: str) -> str:
    """Text that UTF-8 can hold: JSON can smuggle in halves of characters."""
    return text.encode("utf-8", "replace").decode()


def _epoch(at: datetime) -> int:
    return int(at.timestamp())
