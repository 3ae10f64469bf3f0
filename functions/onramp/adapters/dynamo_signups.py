"""Signups in DynamoDB, with the claims and pointers that are written with them.

    | access                      | how                                                                      |
    |-----------------------------|--------------------------------------------------------------------------|
    | a signup                    | get  `SIGNUP#<id>` / `SIGNUP`                                            |
    | a repeated request          | get  `IDEMPOTENCY#<tenant>#<key>` / `KEY`, counts for 24 hours           |
    | who has a phone number id   | get  `PHONE#<phone number id>` / `CLAIM`                                 |
    | the newest with some digits | get  `DIGITS#<digits>` / `POINTER`                                       |
    | a channel's number          | get  `CHANNEL#<channel id>` / `POINTER`                                  |
    | a tenant's, newest first    | query index `by_tenant`: `tenant_key` = `TENANT#<tenant>`, `created_key` |
    | what is due, oldest first   | query index `by_due`: `due_shard` = `DUE`, `due_at`                      |

A signup is one item: `data` holds its JSON, `version` guards it, `due_at` is there only while it has work.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from onramp.adapters.dynamo_events import finish_actions
from onramp.adapters.dynamo_table import (
    EXPIRY,
    MISSING,
    Action,
    Item,
    Key,
    OnTable,
    Refused,
    Value,
    When,
    expired,
    part,
    unpart,
)
from onramp.domain.errors import LeaseLost, Problem
from onramp.domain.signup import Signup
from onramp.domain.text import iso
from onramp.ports import (
    Conflict,
    DueItem,
    EventClaim,
    NumberTaken,
    Page,
    Pointer,
    UnavailableError,
)

IDEMPOTENCY_KEPT: Final = timedelta(hours=24)
MOST_LOOKED_AT: Final = 1_000
"""Signups one call of `list_signups` reads when it filters by status."""
_PAGE: Final = 100
_CURSOR: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#[^#]{1,900}")


class DynamoSignups(OnTable):
    """`SignupStore` on the table."""

    def create_signup(self, signup: Signup, idempotency: tuple[str, str] | None) -> Signup:
        """See `SignupStore.create_signup`."""
        actions = [self._table.put(_signup_key(signup.id), self._attributes(signup, signup.version), MISSING)]
        if idempotency is None:
            try:
                self._table.write_patiently(*actions)
            except Refused as refused:
                raise Conflict from refused
            return signup
        key: Key = (f"IDEMPOTENCY#{part(signup.tenant)}#{part(idempotency[0])}", "KEY")
        now = self._clock.now()
        remembered: dict[str, Value] = {
            "signup_id": signup.id,
            "fingerprint": idempotency[1],
            EXPIRY: int((now + IDEMPOTENCY_KEPT).timestamp()),
        }
        free = When.of(f"{MISSING.expression} OR #{EXPIRY} <= :now", now=int(now.timestamp()))
        try:
            self._table.write_patiently(*actions, self._table.put(key, remembered, free))
        except Refused as refused:
            return self._repeated(key, idempotency[1], now, refused)
        return signup

    def _repeated(self, key: Key, fingerprint: str, now: datetime, refused: Refused) -> Signup:
        first = self._table.get(key)
        if first is None or expired(first, now):
            raise Conflict from refused
        if first["fingerprint"] != fingerprint:
            raise Problem("idempotency_key_reused", "This Idempotency-Key came with another body before.")
        stored = self.load(first["signup_id"])
        if stored is None:
            raise UnavailableError("the signup of an idempotency key is missing")
        return stored

    def load(self, signup_id: str) -> Signup | None:
        """See `SignupStore.load`."""
        item = self._table.get(_signup_key(signup_id))
        return _signup(item) if item else None

    def save(
        self,
        signup: Signup,
        *,
        claims: Sequence[Pointer] = (),
        replaces: Mapping[str, str] | None = None,
        channel: tuple[str, Pointer] | None = None,
        done: EventClaim | None = None,
        outcome: str = "",
    ) -> Signup:
        """See `SignupStore.save`. Raises `LeaseLost` too, when the event `done` is another run's by now.

        A transaction takes 100 actions: at most 48 numbers can be claimed at once.
        """
        version = signup.version + 1
        actions = [
            self._table.put(
                _signup_key(signup.id),
                self._attributes(signup, version),
                When.of("#version = :seen", seen=signup.version),
            )
        ]
        phones = {claim.phone_number_id: claim for claim in claims}
        actions += [self._claim(claim, (replaces or {}).get(phone)) for phone, claim in phones.items()]
        ending = len(actions)
        if done:
            actions += finish_actions(self._table, done, outcome)
        actions += [
            self._table.put((f"DIGITS#{part(digits)}", "POINTER"), _attributes_of(claim))
            for digits, claim in {claim.digits: claim for claim in phones.values()}.items()
            if digits
        ]
        if channel:
            actions.append(
                self._table.put((f"CHANNEL#{part(channel[0])}", "POINTER"), _attributes_of(channel[1]))
            )
        try:
            self._table.write(*actions)
        except Refused as refused:
            raise _meaning(refused, list(phones), ending) from refused
        return signup.model_copy(update={"version": version})

    def _claim(self, claim: Pointer, replaced: str | None) -> Action:
        free = When.of(
            f"{MISSING.expression} OR #signup_id IN (:mine, :replaced)",
            mine=claim.signup_id,
            replaced=replaced or claim.signup_id,
        )
        return self._table.put(_phone_key(claim.phone_number_id), _attributes_of(claim), free)

    def _attributes(self, signup: Signup, version: int) -> dict[str, Value | None]:
        due_at = signup.due_at
        return {
            "version": version,
            "data": signup.model_dump_json(exclude={"version"}),
            "tenant_key": _tenant_key(signup.tenant),
            "created_key": f"{iso(signup.created_at)}#{part(signup.id)}",
            "status": signup.status(self._clock.now()),
            "due_shard": "DUE" if due_at else None,
            "due_at": iso(due_at) if due_at else None,
        }

    def list_signups(self, tenant: str, status: str | None, cursor: str | None, limit: int) -> Page:
        """See `SignupStore.list_signups`. Reads at most `MOST_LOOKED_AT` signups, then gives a cursor."""
        where = When.of("#tenant_key = :tenant", tenant=_tenant_key(tenant))
        if cursor is not None:
            where = When.of(
                "#tenant_key = :tenant AND #created_key < :position",
                tenant=_tenant_key(tenant),
                position=_position(cursor),
            )
        now = self._clock.now()
        found: list[Signup] = []
        position = ""
        page = limit + 1 if status is None else _PAGE
        items = self._table.query(where, index="by_tenant", newest_first=True, page=page)
        for looked_at, item in enumerate(items):
            if looked_at == MOST_LOOKED_AT:
                return Page(found, _cursor(position))
            signup = _signup(item)
            if status is None or signup.status(now) == status:
                if len(found) == limit:
                    return Page(found, _cursor(position))
                found.append(signup)
            position = item["created_key"]
        return Page(found, None)

    def due(self, before: datetime, limit: int) -> Sequence[DueItem]:
        """See `SignupStore.due`."""
        where = When.of("#due_shard = :due AND #due_at <= :before", due="DUE", before=iso(before))
        return [_due(item) for item in islice(self._table.query(where, index="by_due", page=limit), limit)]

    def find_claim(self, phone_number_id: str) -> Pointer | None:
        """See `SignupStore.find_claim`."""
        return self._pointer(_phone_key(phone_number_id))

    def find_digits(self, digits: str) -> Pointer | None:
        """See `SignupStore.find_digits`."""
        return self._pointer((f"DIGITS#{part(digits)}", "POINTER"))

    def find_channel(self, channel_id: str) -> Pointer | None:
        """See `SignupStore.find_channel`."""
        return self._pointer((f"CHANNEL#{part(channel_id)}", "POINTER"))

    def _pointer(self, key: Key) -> Pointer | None:
        item = self._table.get(key)
        if item is None:
            return None
        return Pointer(
            signup_id=item["signup_id"],
            phone_number_id=item["phone_number_id"],
            tenant=item["tenant"],
            waba_id=item["waba_id"],
            digits=item["digits"],
        )


def _signup_key(signup_id: str) -> Key:
    return f"SIGNUP#{part(signup_id)}", "SIGNUP"


def _phone_key(phone_number_id: str) -> Key:
    return f"PHONE#{part(phone_number_id)}", "CLAIM"


def _tenant_key(tenant: str) -> str:
    return f"TENANT#{part(tenant)}"


def _signup(item: Item) -> Signup:
    signup = Signup.model_validate_json(item["data"])
    signup.version = item["version"]
    return signup


def _attributes_of(pointer: Pointer) -> dict[str, Value]:
    return {
        "signup_id": pointer.signup_id,
        "phone_number_id": pointer.phone_number_id,
        "tenant": pointer.tenant,
        "waba_id": pointer.waba_id,
        "digits": pointer.digits,
    }


def _meaning(refused: Refused, phones: Sequence[str], ending: int) -> Exception:
    """What refused conditions mean: a newer version first, for after a reload the others may be well."""
    if 0 in refused.indexes:
        return Conflict()
    taken = [index for index in refused.indexes if index < ending]
    return NumberTaken(phones[min(taken) - 1]) if taken else LeaseLost("the event has another owner")


def _due(item: Item) -> DueItem:
    kind, _, name = item["pk"].partition("#")
    if kind == "PARKED":
        return DueItem(id=unpart(item["sk"]), place=unpart(name))
    return DueItem(id=unpart(name))


def _cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).rstrip(b"=").decode()


def _position(cursor: str) -> str:
    """Where a cursor stands: a time and an id, nothing that names a tenant. Raises `ValueError`."""
    raw = cursor.encode("ascii")
    position = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True).decode()
    if not _CURSOR.fullmatch(position):
        raise ValueError("the cursor is not one of ours")
    return position
