"""What we know of a client at 360dialog: one record for a hub and email, whichever tenant asks."""

from datetime import datetime
from typing import ClassVar

from onramp.domain.records import Worked


class ClientRecord(Worked):
    """A client by its email, or by its id (then `name` is the id, which has no `@`).

    `tenant` owns it once there is a client, or once one may have been made. `absent_at`: 360dialog's list was
    read in full then and had no such client. `intent_at`: a create was sent then and its outcome is not
    known. `offset`: where a listing goes on that the budget has cut; `paging`: it goes page by page, for the
    filter was of no use.
    """

    KIND: ClassVar[str] = "CLIENT"

    name: str
    tenant: str
    client_id: str | None = None
    absent_at: datetime | None = None
    intent_at: datetime | None = None
    offset: int = 0
    paging: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """Hub and email (or id)."""
        return (self.hub, self.name)

    def is_owned_by_other(self, tenant: str) -> bool:
        """Whether another tenant has this client, or may have made it."""
        return self.tenant != tenant and (self.client_id is not None or self.intent_at is not None)

    def forget(self, client_id: str) -> None:
        """360dialog does not know the client any more: it is looked up, or made, once more."""
        if self.client_id == client_id:
            self.client_id = self.absent_at = self.intent_at = None


def mailbox(email: str) -> str:
    """An email in the form in which two of them are compared: case does not count, nothing else is folded."""
    return email.strip().lower()
