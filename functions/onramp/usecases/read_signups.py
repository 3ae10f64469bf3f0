"""Reading: a page of signups, when a reader should come back, and a channel's key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from onramp.domain.errors import Problem
from onramp.domain.signup import Signup
from onramp.ports import Clock, NewKey, Page, SignupStore, Vault
from onramp.usecases.connect_channel import key_context

SOON: Final = 2
LATER: Final = 30
"""Seconds: how soon a reader of something under way should come back, at least and at most."""


@dataclass(frozen=True, slots=True)
class ReadSignups:
    """What reading needs."""

    store: SignupStore
    vault: Vault
    clock: Clock

    def page(self, tenant: str, status: str | None, cursor: str | None, limit: int) -> Page:
        """A page of the tenant's signups. Raises `Problem(invalid_request)` for a cursor that is not ours."""
        try:
            return self.store.list_signups(tenant, status, cursor, limit)
        except ValueError:
            raise Problem(
                "invalid_request",
                "The cursor is not one of ours.",
                errors=[{"field": "cursor", "message": "is not a cursor of this list"}],
            ) from None

    def headers(self, signup: Signup, now: datetime) -> dict[str, str]:
        """`ETag` of what is shown, and `Retry-After` while something is under way."""
        status = signup.status(now)
        headers = {"ETag": f'"{signup.version}-{status}"'}
        if any(number.next_step for number in signup.numbers):
            planned = [number.due_at for number in signup.numbers if number.attempts and number.due_at]
            wait = (min(planned) - now).total_seconds() if planned else SOON
            headers["Retry-After"] = str(max(SOON, min(LATER, int(wait))))
        return headers

    def key(self, channel_id: str) -> NewKey:
        """The channel's key in clear. Raises `Problem(not_found | not_connected)`."""
        pointer = self.store.find_channel(channel_id)
        signup = self.store.load(pointer.signup_id) if pointer else None
        number = signup.number(pointer.phone_number_id) if signup and pointer else None
        if signup is None or number is None or number.channel_id != channel_id:
            raise Problem("not_found", "There is no such channel.")
        if number.key is None or number.key.checked_at is None:
            raise Problem("not_connected", "The channel has no key that was proved by use yet.")
        context = key_context(signup.tenant, signup.id)
        return NewKey(api_key=self.vault.decrypt(number.key.secret, context), address=number.key.address)
