"""Clients in DynamoDB: what we know of a tenant's client by email, and who owns a client id.

| access                       | how                                     |
|------------------------------|-----------------------------------------|
| a tenant's client by email   | get  `CLIENT#<tenant>#<email>` / `CLIENT` |
| the owner of a client id     | get  `CLIENTID#<client id>` / `OWNER`     |
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from onramp.adapters.dynamo_table import MISSING, Action, Key, OnTable, Refused, When, part
from onramp.domain.signup import Lease
from onramp.ports import ClientRecord, Conflict

_MOMENTS: Final = ("absent_at", "intent_at")


class DynamoClients(OnTable):
    """`ClientStore` on the table."""

    def load_client(self, tenant: str, email: str) -> ClientRecord:
        """See `ClientStore.load_client`."""
        item = self._table.get(_client_key(tenant, email))
        if item is None:
            return ClientRecord(tenant, email)
        moments = {name: datetime.fromisoformat(item[name]) for name in _MOMENTS if name in item}
        return ClientRecord(
            tenant,
            email,
            client_id=item.get("client_id"),
            lease=Lease.model_validate_json(item["lease"]) if "lease" in item else None,
            many="many" in item,
            version=item["version"],
            **moments,
        )

    def save_client(self, record: ClientRecord) -> ClientRecord:
        """See `ClientStore.save_client`. `Conflict` also when the client id is another tenant's."""
        saved = replace(record, version=record.version + 1)
        attributes = {
            "version": saved.version,
            "client_id": record.client_id,
            "absent_at": record.absent_at.isoformat() if record.absent_at else None,
            "intent_at": record.intent_at.isoformat() if record.intent_at else None,
            "lease": record.lease.model_dump_json() if record.lease else None,
            "many": 1 if record.many else None,
        }
        seen = When.of("#version = :seen", seen=record.version) if record.version else MISSING
        actions = [self._table.put(_client_key(record.tenant, record.email), attributes, seen)]
        if record.client_id is not None:
            actions.append(self._own(record.client_id, record.tenant))
        try:
            self._table.write(*actions)
        except Refused as refused:
            raise Conflict from refused
        return saved

    def client_owner(self, client_id: str) -> str | None:
        """See `ClientStore.client_owner`."""
        item = self._table.get(_owner_key(client_id))
        return str(item["tenant"]) if item else None

    def own_client(self, client_id: str, tenant: str) -> bool:
        """See `ClientStore.own_client`."""
        try:
            self._table.write_patiently(self._own(client_id, tenant))
        except Refused:
            return False
        return True

    def _own(self, client_id: str, tenant: str) -> Action:
        free = When.of(f"{MISSING.expression} OR #tenant = :tenant", tenant=tenant)
        return self._table.put(_owner_key(client_id), {"tenant": tenant}, free)


def _client_key(tenant: str, email: str) -> Key:
    return f"CLIENT#{part(tenant)}#{part(email)}", "CLIENT"


def _owner_key(client_id: str) -> Key:
    return f"CLIENTID#{part(client_id)}", "OWNER"
