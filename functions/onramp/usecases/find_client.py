"""Finding or making the customer's client at 360dialog, which makes a second one if asked twice.

    known to the signup → known to us by email → in 360dialog's list → made

The record of (tenant, email) is leased while looking and making. A create is written down before it is
sent; one without an outcome is settled by looking, and looking again once 360dialog's list must be current.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from onramp.domain.errors import Ambiguous, Permanent, PutOff, Throttled, UpstreamError
from onramp.domain.schedule import SETTLE
from onramp.domain.signup import Lease, Number, Signup
from onramp.ports import ClientRecord, Conflict
from onramp.usecases.onboarding import LEASE, Run

ABSENT_FOR: Final = timedelta(hours=6)
"""How long a full look that found nothing still counts: only we make clients for this tenant's email."""
BUSY_PAUSE: Final = timedelta(seconds=5)


def find_or_make_client(run: Run) -> str:
    """The 360dialog client id of the run's signup, stored with it.

    Side effects: at most one look and one create at 360dialog. Raises `PutOff` while another run is at it
    or an unanswered create may still appear, `Permanent(client_taken | client_rejected | …)`.
    """
    client = run.signup.client
    if client.id is not None:
        if not run.ports.clients.own_client(client.id, run.signup.tenant):
            raise Permanent("client_taken")
        return client.id
    email = (client.email or "").casefold()
    record = run.ports.clients.load_client(run.signup.tenant, email)
    if record.client_id is None:
        record = _settle(run, _lease(run, record))
    client_id = record.client_id
    if client_id is None:  # pragma: no cover - _settle gives a client or raises
        raise AssertionError("no client")

    def keep(signup: Signup, _: Number) -> None:
        signup.client.id = client_id

    run.write(keep)
    return client_id


def _lease(run: Run, record: ClientRecord) -> ClientRecord:
    now = run.now
    if record.lease and record.lease.owner != run.owner and record.lease.until > now:
        raise PutOff(min(record.lease.until, now + BUSY_PAUSE), "client lease")
    return _save(run, replace(record, lease=Lease(owner=run.owner, until=now + LEASE)))


def _save(run: Run, record: ClientRecord) -> ClientRecord:
    try:
        return run.ports.clients.save_client(record)
    except Conflict as lost:
        raise PutOff(run.now + BUSY_PAUSE, "client record changed") from lost


def _settle(run: Run, record: ClientRecord) -> ClientRecord:
    """Look, then make; the lease is given back whatever happens, unless the process dies."""
    try:
        if not _surely_absent(run, record):
            record = _look(run, record)
        if record.client_id is None:
            record = _make(run, record)
    except Exception:
        _give_back(run, record)
        raise
    return record


def _surely_absent(run: Run, record: ClientRecord) -> bool:
    return (
        record.intent_at is None and record.absent_at is not None and run.now - record.absent_at < ABSENT_FOR
    )


def _look(run: Run, record: ClientRecord) -> ClientRecord:
    looked_at = run.now

    def remember_many() -> None:
        nonlocal record
        record = _save(run, replace(record, many=True))

    found = run.ports.follow.partner.find_clients(
        run.signup.client.email or record.email, run.gate, many=record.many, on_many=remember_many
    )
    if found:
        if len(found) > 1:
            run.ports.follow.telemetry.count("ClientDuplicates", len(found) - 1)
            run.ports.follow.telemetry.warn("several clients have one email", signup_id=run.signup.id)
        oldest = found[0].id
        if not run.ports.clients.own_client(oldest, run.signup.tenant):
            raise Permanent("client_taken")
        return _save(run, replace(record, client_id=oldest, intent_at=None, lease=None))
    if record.intent_at is not None and looked_at < record.intent_at + SETTLE:
        raise PutOff(record.intent_at + SETTLE, "an unanswered create may still appear")
    return _save(run, replace(record, absent_at=looked_at, intent_at=None))


def _make(run: Run, record: ClientRecord) -> ClientRecord:
    client = run.signup.client
    email = client.email or record.email
    current = record

    def gate() -> None:
        nonlocal current
        run.gate()
        current = _save(run, replace(current, intent_at=run.now))

    try:
        client_id = run.ports.follow.partner.create_client(
            client.name or email, email, client.user_name or client.name or email, gate
        )
    except (Ambiguous, Throttled):
        # 360dialog has answered 429 and 500 although the client was made: the intent stays.
        _give_back(run, current)
        raise
    except UpstreamError:
        _give_back(run, replace(current, intent_at=None))
        raise
    run.ports.follow.telemetry.count("ClientsMade")
    run.ports.clients.own_client(client_id, run.signup.tenant)
    return _save(run, replace(current, client_id=client_id, intent_at=None, lease=None))


def _give_back(run: Run, record: ClientRecord) -> None:
    """Free the lease for the next run; when even that fails it runs out by itself."""
    stored = run.ports.clients.load_client(record.tenant, record.email)
    if stored.lease is None or stored.lease.owner != run.owner:
        return
    intent_at = record.intent_at if record.version == stored.version else stored.intent_at
    try:
        run.ports.clients.save_client(replace(stored, lease=None, intent_at=intent_at))
    except Conflict:
        run.ports.follow.telemetry.info("client lease was taken over", signup_id=run.signup.id)
