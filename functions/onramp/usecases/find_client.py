"""Finding or making the customer's client at 360dialog, which makes a second one if asked twice.

    known to us by email ──► in 360dialog's list ──► made            a client named by its id: asked for once

The record of (hub, email) is one for all tenants, and worked on by attempts like everything else. A create is
written down before it is sent; one without an outcome is settled by looking, and looking again once
360dialog's list must be current.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from onramp.domain.clients import ClientRecord, mailbox
from onramp.domain.errors import (
    Ambiguous,
    Conflict,
    LeaseLost,
    Permanent,
    PutOff,
    Throttled,
    Transient,
    UpstreamError,
)
from onramp.domain.schedule import SETTLE
from onramp.domain.signup import Client, Signup
from onramp.ports.upstreams import Page, RemoteClient
from onramp.usecases.attempt import AgainAt, Done, GivenUp, Outcome, PutOffUntil, attempt
from onramp.usecases.long_lists import is_long, learn_from, whole_list
from onramp.usecases.run import Run

ABSENT_FOR: Final = timedelta(hours=6)
"""How long a full look that found nothing still counts: only we make clients with this email."""
BUSY_PAUSE: Final = timedelta(seconds=5)
THEIRS: Final = "another tenant's create has no outcome yet"
THEIRS_PAUSE: Final = timedelta(seconds=30)


def find_or_make_client(run: Run) -> str:
    """The 360dialog client id of the run's number.

    Side effects: reads and at most one create at 360dialog. Raises `PutOff` while another run is at it or an
    unanswered create may still appear, whoever has sent it; `Permanent(client_taken | client_not_found |
    client_rejected | …)`.
    """
    signup = run.ports.store.read(Signup, run.number.signup_id)
    if signup is None:
        raise Permanent("internal_error")
    work = ClientWork(run, signup.client)
    match attempt(run.ports, work):
        case PutOffUntil(at=at, reason=reason, waits=waits):
            raise PutOff(at, reason, bounded=waits)
        case AgainAt(code=code) | GivenUp(code=code, exhausted=True):
            # How often it is tried is the number's own to say: several numbers may share a client.
            raise Transient(code)
        case GivenUp(code=code, status=status):
            raise Permanent(code, status=status)
        case Done():
            pass
    if work.theirs:
        raise PutOff(run.now + THEIRS_PAUSE, THEIRS, code="client_taken")
    if work.record.client_id is None:
        raise PutOff(run.now + BUSY_PAUSE, "another run has the client")
    return work.record.client_id


class ClientWork:
    """Finding or making one client, as `attempt` wants it."""

    def __init__(self, run: Run, client: Client) -> None:
        self._run = run
        self._client = client
        self._owner = run.ports.clock.new_id()
        self._emails: list[str] = []
        self.theirs = False
        """Whether a create of another tenant's may have made it: that has to come out first."""
        name = client.id or mailbox(client.email or "")
        self.record = ClientRecord(hub=run.ports.hub, name=name, tenant=run.number.tenant)

    @property
    def fields(self) -> dict[str, str | float | None]:
        """For whom it is."""
        return self._run.fields

    def take(self) -> bool:
        """Take the client's lease; False when the client is known already."""
        store, tenant = self._run.ports.store, self._run.number.tenant
        stored = store.read(ClientRecord, *self.record.identity)
        if stored is not None:
            if stored.is_owned_by_other(tenant):
                if stored.client_id is not None:
                    raise Permanent("client_taken")
                # Their create may be refused yet.
                self.theirs = True
                return False
            self.record = stored
            self.record.tenant = tenant
        if self.record.client_id is not None:
            return False
        self.record.lend(self._owner, self._run.now)
        self._save()
        return True

    def do(self) -> None:
        """Look, then make."""
        if self._client.id is not None:
            self._meet(self._client.id)
            return
        if not self._surely_absent():
            self._look()
        if self.record.client_id is None:
            self._make()

    def settle(self, outcome: Outcome) -> Outcome:
        """Give the lease back; whatever the run has learnt is written with it."""
        now = self._run.now
        match outcome:
            case PutOffUntil(waits=waits):
                self.record.give_back(now, counted=False, waits=waits)
            case AgainAt(waits=waits):
                self.record.give_back(now, counted=True, waits=waits)
            case _:
                self.record.begin_anew()
        self._save(*self._other_names() if isinstance(outcome, Done) else ())
        return outcome

    def _other_names(self) -> list[ClientRecord]:
        """The records under which others would look for the client: its emails, or its id."""
        if self._client.id is not None:
            return self._by_email()
        hub, tenant, client_id = self._run.ports.hub, self._run.number.tenant, self.record.client_id
        if client_id is None or self._run.ports.store.read(ClientRecord, hub, client_id) is not None:
            return []
        return [ClientRecord(hub=hub, name=client_id, tenant=tenant, client_id=client_id)]

    def _save(self, *along: ClientRecord) -> None:
        try:
            self._run.ports.store.commit(self.record, *along)
        except Conflict as lost:
            if self.record.lease is None:
                raise LeaseLost(self.record.name) from lost
            raise PutOff(self._run.now + BUSY_PAUSE, "client record changed") from lost

    # -- a client named by its id

    def _meet(self, client_id: str) -> None:
        """Ask 360dialog who it is, before the first use: an id alone proves nothing."""
        found = self._run.ports.partner.read_client(client_id, self._run.gate)
        if found is None:
            raise Permanent("client_not_found")
        asked = mailbox(self._client.email) if self._client.email else None
        if asked is not None and asked not in found.emails:
            raise Permanent("client_taken")
        self._emails = sorted(found.emails)
        for record in self._by_email():
            if record.is_owned_by_other(self._run.number.tenant):
                if record.client_id is not None:
                    raise Permanent("client_taken")
                raise PutOff(self._run.now + THEIRS_PAUSE, THEIRS, code="client_taken")
        self.record.client_id = client_id

    def _by_email(self) -> list[ClientRecord]:
        """The records of the client's emails, naming it from now on where they name none."""
        hub, tenant = self._run.ports.hub, self._run.number.tenant
        records = []
        for email in self._emails:
            record = self._run.ports.store.read(ClientRecord, hub, email)
            record = record or ClientRecord(hub=hub, name=email, tenant=tenant)
            if record.is_owned_by_other(tenant):
                records.append(record)
            elif record.client_id is None and not record.is_held(self._run.now):
                record.tenant = tenant
                record.client_id = self.record.client_id
                record.intent_at = None
                records.append(record)
        return records

    # -- a client by its email

    def _surely_absent(self) -> bool:
        record = self.record
        absent = record.absent_at
        return record.intent_at is None and absent is not None and self._run.now - absent < ABSENT_FOR

    def _look(self) -> None:
        looked_at = self._absent_since()
        found: Sequence[RemoteClient] = ()
        if looked_at is None:
            looked_at = self._run.now
            found = self._search()
        if found:
            if len(found) > 1:
                self._run.ports.telemetry.count("ClientDuplicates", len(found) - 1)
                self._run.ports.telemetry.warn("several clients have one email", **self.fields)
            self._own(min(found, key=_age).id)
            return
        intent_at = self.record.intent_at
        if intent_at is not None and looked_at < intent_at + SETTLE:
            raise PutOff(intent_at + SETTLE, "an unanswered create may still appear")
        self.record.absent_at = looked_at
        self.record.intent_at = None

    def _absent_since(self) -> datetime | None:
        """When a list that was read for all that wait has shown no client with the email."""
        if self.record.intent_at is not None:
            return None
        whole = whole_list(self._run, self._run.ports.lists.clients, "clients", self._page)
        return None if whole is None or self._matching(whole.items) else whole.began_at

    def _search(self) -> list[RemoteClient]:
        """The clients with the email: from the list while it is one page, else by filter, else by pages.

        Up to 200 clients the first page is complete and needs no trust in the filter, whose treatment of case
        is unknown. Where a listing of many has come to is kept in the record.
        """
        record, ports = self.record, self._run.ports
        if not is_long(ports, "clients"):
            asked_at = self._run.now
            first = self._page(0)
            learn_from(ports, ports.lists.clients, "clients", first, asked_at)
            found = self._matching(first.items)
            if found or first.next_offset is None:
                return found
        if not record.paging:
            filtered = self._page(0, email=self._client.email)
            if self._matching(filtered.items) or _is_filtered(filtered, self._email):
                return self._matching(filtered.items)
            record.paging = True
        found = self._page_by_page(record.offset)
        record.offset, record.paging = 0, False
        return found

    def _page_by_page(self, offset: int | None) -> list[RemoteClient]:
        """The clients with the email from the first page that has some; the place is kept in the record."""
        while offset is not None:
            page = self._page(offset)
            if self._matching(page.items):
                return self._matching(page.items)
            offset = page.next_offset
            self.record.offset = offset or 0
        return []

    @property
    def _email(self) -> str:
        return mailbox(self._client.email or "")

    def _page(self, offset: int, email: str | None = None) -> Page[RemoteClient]:
        return self._run.ports.partner.list_clients(offset, self._run.gate, email=email)

    def _matching(self, clients: Sequence[RemoteClient]) -> list[RemoteClient]:
        return [client for client in clients if self._email in client.emails]

    def _own(self, client_id: str) -> None:
        """Take a client that was found: it belongs to whoever has used its id before."""
        by_id = self._run.ports.store.read(ClientRecord, self._run.ports.hub, client_id)
        if by_id is not None and by_id.is_owned_by_other(self._run.number.tenant):
            raise Permanent("client_taken")
        self.record.client_id = client_id
        self.record.intent_at = None

    def _make(self) -> None:
        client, run = self._client, self._run
        email = client.email or self.record.name
        slot = run.gate
        sent = False

        def gate() -> None:
            nonlocal sent
            self.record.intent_at = run.now
            self._save()
            slot()
            sent = True

        try:
            client_id = run.ports.partner.create_client(
                client.name or email, email, client.user_name or client.name or email, gate
            )
        except (Ambiguous, Throttled):
            # 360dialog has answered 429 and 500 although the client was made: the intent stays.
            raise
        except UpstreamError:
            self.record.intent_at = None
            raise
        except PutOff:
            if not sent:
                self.record.intent_at = None
            raise
        run.ports.telemetry.count("ClientsMade")
        self.record.client_id = client_id
        self.record.intent_at = None


def _is_filtered(page: Page[RemoteClient], email: str) -> bool:
    """Whether the filter was obeyed: all that came has the email, and there is no more."""
    return page.next_offset is None and all(email in client.emails for client in page.items)


def _age(client: RemoteClient) -> tuple[str, str]:
    return (client.created_at.isoformat() if client.created_at else "", client.id)
