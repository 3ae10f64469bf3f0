"""``onramp signups lost`` and ``… recover``: customers who came, as Meta tells, and whose code did not."""

from typing import Annotated

import typer

from ops.commands.hubs import Hub
from ops.running import Run, command

Account = Annotated[str, typer.Argument(metavar="WABA", help="Meta's id of the account.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose signup it becomes.")]
Client = Annotated[
    str | None, typer.Option("--client", metavar="ID", help="360dialog's id of a client that is there.")
]
Name = Annotated[str | None, typer.Option("--name", help="Of a new client.")]
Email = Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="Of a new client.")]
Person = Annotated[str | None, typer.Option("--user-name", help="Of a new client.")]
Plan = Annotated[str | None, typer.Option("--plan", help="basic, regular or premium.")]
Reference = Annotated[str | None, typer.Option("--reference", help="Yours, shown with the signup.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the area of signups."""

    @command(app, "lost")
    def lost(run: Run, *, limit: Annotated[int | None, typer.Option(help="At most so many.")] = None) -> None:
        """List customers who let the app in, as Meta tells, and whose code has not come ten minutes later."""
        with run.desk() as desk:
            found = desk.items("signups.lost", limit=limit)
            run.console.items(found, ("added_at", "waba_id", "business_id", "recovery"))

    @command(app, "recover", asks=True)
    def recover(
        run: Run,
        waba: Account,
        *,
        tenant: Tenant,
        client: Client = None,
        name: Name = None,
        email: Email = None,
        user_name: Person = None,
        plan: Plan = None,
        reference: Reference = None,
        hub: Hub = None,
    ) -> None:
        """Fetch a lost signup back from Meta, for a tenant (experimental). Said again it goes on."""
        run.consent(f"the account {waba}, and its numbers, become those of the tenant {tenant}")
        with run.desk() as desk:
            run.console.answer(
                desk.ask(
                    "signups.recover",
                    waba_id=waba,
                    tenant=tenant,
                    client_id=client,
                    name=name,
                    email=email,
                    user_name=user_name,
                    plan_tier=plan,
                    reference=reference,
                    hub=hub,
                )
            )
