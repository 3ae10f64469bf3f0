"""What a proven signup leaves for what Meta may tell: its account's witness, and who went through it."""

from onramp.domain.deletion import MetaUser, digest_of
from onramp.domain.signup import Signup
from onramp.domain.witness import Witness
from onramp.ports import Ports


def proved_by(ports: Ports, signup: Signup, waba_id: str) -> list[Witness]:
    """The witness of an account that a signup proves, to be written with it; none where Meta is not heard."""
    if not ports.rules.hears_meta:
        return []
    now = ports.clock.now()
    witness = ports.store.read(Witness, waba_id) or Witness(waba_id=waba_id, heard_at=now)
    witness.proved(signup.id, now)
    return [witness]


def remembered_user(ports: Ports, signup: Signup, user_id: str | None) -> list[MetaUser]:
    """Who went through a signup, to be written with it; nobody where Meta's callbacks are not taken."""
    if user_id is None or not ports.rules.hears_meta:
        return []
    digest = digest_of(user_id)
    user = ports.store.read(MetaUser, digest) or MetaUser(digest=digest)
    if signup.id in user.signup_ids:
        return []
    user.signup_ids = [*user.signup_ids, signup.id][-100:]
    return [user]
