"""``onramp links``: signup links of any tenant, made, listed and taken back."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from ops.console import DONE, FAILED
from ops.running import Limit, Run, command, group

type Json = dict[str, Any]

PAGE: Final = "/signup"
"""Where the page behind a link is, below the API's address."""
COLUMNS: Final = ("expires_at", "id", "status", "signup_id", "reference")

app = group("Signup links of any tenant: a customer without a login follows one through their signup.")


class Plan(StrEnum):
    """360dialog's plans."""

    BASIC = "basic"
    REGULAR = "regular"
    PREMIUM = "premium"


class Status(StrEnum):
    """What becomes of a link."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


Tenant = Annotated[str, typer.Option("--tenant", metavar="TENANT", help="Whose they are.")]
Days = Annotated[int | None, typer.Option(min=1, max=30, metavar="N", help="How long it lives.")]


@command(app, "create")
def create(
    run: Run,
    *,
    tenant: Tenant,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="360dialog's id of a client that is there.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of a new client.")] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of a new client.")] = None,
    user_name: Annotated[str | None, typer.Option(help="Of a new client's person.")] = None,
    plan: Annotated[Plan | None, typer.Option(help="Without it, that of the stage.")] = None,
    reference: Annotated[str | None, typer.Option(help="Yours, shown with the signup.")] = None,
    language: Annotated[str | None, typer.Option(help="Of its page: en, es, pt, de.")] = None,
    success_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where it leads when all is well.")
    ] = None,
    failure_url: Annotated[str | None, typer.Option(metavar="URL", help="Where else.")] = None,
    days: Days = None,
    hub: Annotated[str | None, typer.Option(metavar="NAME", help="At this hub; else the first.")] = None,
    messaging: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the allow-list: where messages go.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Said again within a day, the link is the same.")
    ] = None,
) -> int:
    """Open a signup and make a link to it. Its address is shown here alone: keep it as a password.

    Exit code 1: with that --key a link was made before, and it has ended.
    """
    with run.desk() as desk:
        made = desk.ask(
            "links.create",
            tenant=tenant,
            client_id=client,
            name=name,
            email=email,
            user_name=user_name,
            plan_tier=plan,
            reference=reference,
            language=language,
            success_url=success_url,
            failure_url=failure_url,
            days=days,
            hub=hub,
            messaging=messaging,
            key=key,
        )
    token = made["token"]
    link = {**made["link"], "url": f"{desk.api}{PAGE}#{token}" if token else None}
    run.console.answer(link, link["url"] or f"link {link['id']} is {link['status']}")
    return DONE if token else FAILED


@command(app, "list")
def listed(
    run: Run,
    *,
    tenant: Tenant,
    status: Annotated[Status | None, typer.Option(help="In this state alone.")] = None,
    limit: Limit = 50,
) -> None:
    """List a tenant's links, the last to end first; addresses are not kept."""
    with run.desk() as desk:
        found = desk.items("links.list", limit=limit, tenant=tenant, status=status)
        run.console.items(found, COLUMNS, none="no links")


@command(app, "revoke", asks=True)
def revoke(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="LINK_ID", help="Our own id of it.")],
    *,
    tenant: Tenant,
) -> None:
    """Take a link back, also one that was used: nobody goes on with it."""
    run.consent(f"link {name} lets nobody in any more")
    with run.desk() as desk:
        link = desk.ask("links.revoke", tenant=tenant, link_id=name)["link"]
    run.console.answer(link, f"link {link['id']} is {link['status']}")
