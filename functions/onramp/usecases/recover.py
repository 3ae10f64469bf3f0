"""Signups whose code never came: listed by what Meta has told, and fetched back (experimental).

    intent with a signup of its own ──► Meta gives the customer's token ──► stored, encrypted ──► proved

Meta is only read: its answer can be had again. So a run that dies anywhere is gone on with by the same call,
with the same signup, and nothing is lost or doubled. The account is proved as after any code (promise 1).
"""

from collections.abc import Sequence

from onramp.domain.errors import Conflict, Problem, UnavailableError, UpstreamError
from onramp.domain.signup import Exchange, Exchanging, Signup
from onramp.domain.states import SignupStatus
from onramp.domain.witness import CODE_COMES, Recovery, Witness
from onramp.ports import Ports
from onramp.ports.storage import Position
from onramp.usecases.changing import pause
from onramp.usecases.exchange_code import prove
from onramp.usecases.list_numbers import note_refusal, problem_of, token_context
from onramp.usecases.open_signup import Wanted, new_signup

TRIES = 8


def lost_signups(ports: Ports, places: Sequence[Position]) -> Sequence[Witness]:
    """Accounts whose customer came and whose code did not; not those whose code may still come."""
    found = ports.store.read_all(Witness, [(place.id,) for place in places])
    return [witness for witness in found if witness.is_lost and not is_early(ports, witness)]


def is_early(ports: Ports, witness: Witness) -> bool:
    """Whether the code may still come."""
    return witness.added_at is not None and ports.clock.now() < witness.added_at + CODE_COMES


def recover_signup(ports: Ports, waba_id: str, tenant: str, wanted: Wanted) -> Signup:
    """Give a lost signup to a tenant: authorized, with proof. Again goes on, or gives the same one.

    Raises `Problem(not_found)` for an account that is not lost, `Problem(exchange_in_progress)` while its
    code may still come, and what an exchange raises.
    """
    witness = ports.store.read(Witness, waba_id)
    if witness is None:
        raise Problem("not_found", "Meta has told of no customer with this account.")
    done = _recovered(ports, witness, tenant)
    if done is not None:
        return done
    if not witness.is_lost:
        raise Problem("not_found", "The signup of this account is not lost.")
    if is_early(ports, witness):
        wait = int(CODE_COMES.total_seconds())
        raise Problem("exchange_in_progress", "The customer's code may still come.", retry_after=wait)
    signup, witness = _begin(ports, waba_id, tenant, wanted)
    token = _fetch(ports, witness)
    return prove(ports, signup, _keep(ports, signup, waba_id, token), token, waba_id)


def _recovered(ports: Ports, witness: Witness, tenant: str) -> Signup | None:
    """What an earlier call has brought to its end."""
    way = witness.recovery
    if way is None or way.tenant != tenant or witness.is_lost:
        return None
    signup = ports.store.read(Signup, way.signup_id)
    return signup if signup is not None and signup.waba is not None else None


def _begin(ports: Ports, waba_id: str, tenant: str, wanted: Wanted) -> tuple[Signup, Witness]:
    """Write the intent with the signup that it is for; one that was begun for the tenant goes on."""
    for tries in range(TRIES):
        witness = ports.store.read(Witness, waba_id)
        if witness is None:
            raise Problem("not_found", "Meta has told of no customer with this account.")
        begun = _begun(ports, witness, tenant)
        if begun is not None:
            return begun, witness
        signup = new_signup(ports, tenant, wanted)
        witness.recovery = Recovery(signup_id=signup.id, tenant=tenant, at=ports.clock.now())
        try:
            ports.store.commit(witness, signup)
        except Conflict:
            pause(ports, tries)
        else:
            return signup, witness
    raise UnavailableError("the witness is being changed by others")


def _begun(ports: Ports, witness: Witness, tenant: str) -> Signup | None:
    way = witness.recovery
    if way is None or way.tenant != tenant:
        return None
    signup = ports.store.read(Signup, way.signup_id)
    waits = signup is not None and signup.status(ports.clock.now()) is SignupStatus.OPEN
    return signup if waits else None


def _fetch(ports: Ports, witness: Witness) -> str:
    """The customer's token, as Meta gives it to our system user. Raises `Problem`."""
    if witness.business_id is None:
        raise Problem("not_found", "Meta has not told whose account it is; it cannot be recovered.")
    try:
        return ports.meta.fetch_token(witness.business_id, witness.solution_id or ports.rules.solution_id)
    except UpstreamError as trouble:
        note_refusal(ports, trouble)
        raise problem_of(trouble) from trouble


def _keep(ports: Ports, signup: Signup, waba_id: str, token: str) -> Exchange:
    """Store the token, encrypted, as an exchange would have."""
    secret = ports.vault.encrypt(token, token_context(signup.tenant, signup.id))
    now = ports.clock.now()
    for tries in range(TRIES):
        exchange = ports.store.read(Exchange, signup.id) or Exchange(
            signup_id=signup.id, until=signup.forgotten_at
        )
        exchange.done = Exchanging(
            code_sha256="", owner=ports.clock.new_id(), started_at=now, waba_id=waba_id
        )
        exchange.token, exchange.exchanged_at = secret, now
        try:
            ports.store.commit(exchange)
        except Conflict:
            pause(ports, tries)
        else:
            return exchange
    raise UnavailableError("the exchange is being changed by others")
