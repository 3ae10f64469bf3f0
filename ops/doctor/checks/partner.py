"""360dialog: the partner key, and where it sends its webhooks."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ops.doctor.findings import Finding, Stop, fail, ok, skipped, together, warn
from ops.doctor.partner import PartnerDesk, WebhookAddress
from ops.doctor.records import of_hub
from ops.doctor.secret import AT
from ops.doctor.stage import Stage

_SERVER_ERROR: Final = 500


def partner_key(stage: Stage) -> Finding:
    """One read of the Partner API with the key of the secret."""
    found = stage.partner.webhook()
    partner_id = stage.value("partner.partner_id")
    if found.answer.is_success:
        note = f"; not counted in the budget ({stage.partner.uncounted})" if stage.partner.uncounted else ""
        return ok(f"the key works for partner {partner_id}{note}")
    return _refusal(found.answer.status_code, partner_id)


def hub_key(stage: Stage, hub: str) -> Finding:
    """The same for a hub beside the one of [partner], under its name."""
    try:
        status = stage.hubs[hub].webhook().answer.status_code
    except Stop as stop:
        return _named(hub, stop.finding)
    if HTTPStatus(status).is_success:
        return ok(f"{hub}: the key works for partner {_partner_of(stage, hub)}")
    return _named(hub, _refusal(status, _partner_of(stage, hub), hub))


def _partner_of(stage: Stage, hub: str) -> str:
    return str(of_hub(stage.values, hub).get("partner_id"))


def _refusal(status: int, partner_id: str, hub: str | None = None) -> Finding:
    table, name = (f"[hubs.{hub}]", f"partner_api_key{AT}{hub}") if hub else ("[partner]", "partner_api_key")
    if status == HTTPStatus.UNAUTHORIZED:
        return fail(
            "360dialog refuses the key (401)",
            f"Make a new key in 360dialog's Partner Hub and put it into the secret as {name}.",
        )
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        return fail(
            f"the key is none of partner {partner_id} ({status})",
            "Compare partner_id in the configuration with the Partner Hub; make the key for that partner.",
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return warn(
            "360dialog's limit of requests is used up (429)",
            "Run it again in a minute. If it stays, somebody else uses the same partner's limit: "
            f"lower {table} budget_calls.",
        )
    if status >= _SERVER_ERROR:
        return warn(f"360dialog has trouble of its own ({status})", "Run it again later.")
    return fail(f"360dialog answers {status}", f"Check {table} base_url.")


def partner_webhook(stage: Stage) -> Finding:
    """Whether 360dialog sends this partner's webhooks to this stage; with ``--fix`` it is told to."""
    ours = stage.output("WebhookUrl")
    found = _answered(stage)
    if found is None:
        return skipped("needs a Partner API that answers: see the check `partner-key`")
    if not found.known:
        return warn(
            "360dialog does not say where it sends webhooks",
            f"Look in the Partner Hub: the partner webhook has to be {ours}",
        )
    if found.url == ours:
        return ok(f"partner webhooks go to {ours}")
    if not stage.fix and found.url == former_webhook(stage):
        return warn(
            f"{_seen(found.url)}, AWS's own address of this API, not to {ours}",
            "They arrive. Run it again with --fix before that address is switched off.",
        )
    if not stage.fix:
        return fail(
            f"{_seen(found.url)}, not to {ours}", "Run it again with --fix, or set it in the Partner Hub."
        )
    return _fixed(stage.partner, found.url, ours)


def hubs(stage: Stage) -> Finding:
    """The same two things of each hub beside the one of [partner]: its key, and where its webhooks go."""
    if not stage.hubs:
        return ok("[partner] is the only hub")
    found = [_of_hub(stage, hub, desk) for hub, desk in stage.hubs.items()]
    bad = [one for one in found if one.level != "ok" or one.changed]
    return together(bad, f"key and webhook are right of {', '.join(stage.hubs)}")


def _of_hub(stage: Stage, hub: str, desk: PartnerDesk) -> Finding:
    ours = f"{stage.output('WebhookUrl')}/{hub}"
    try:
        found = desk.webhook()
        if not found.answer.is_success:
            return _named(hub, _refusal(found.answer.status_code, _partner_of(stage, hub), hub))
        if not found.known:
            told = warn("360dialog does not say where it sends webhooks", f"It has to be {ours}")
        elif found.url == ours:
            told = ok(f"partner webhooks go to {ours}")
        elif stage.fix:
            told = _fixed(desk, found.url, ours)
        else:
            told = fail(f"{_seen(found.url)}, not to {ours}", "Run it again with --fix.")
    except Stop as stop:
        told = stop.finding
    return _named(hub, told)


def _named(hub: str, found: Finding) -> Finding:
    return Finding(
        level=found.level, detail=f"{hub}: {found.detail}", advice=found.advice, changed=found.changed
    )


def addresses(stage: Stage) -> Finding:
    """Which addresses the API answers under, and which of them 360dialog uses."""
    ours, former = stage.output("WebhookUrl"), former_webhook(stage)
    if former is None:
        return ok(f"one address leads to the API: {_host(ours)}")
    told = f"two addresses lead to the API: {_host(ours)} and {_host(former)}"
    found = _answered(stage)
    if found is None or not found.known:
        return warn(told, "Nobody can say here which one 360dialog uses: see the check `partner-webhook`.")
    if found.url == ours:
        return warn(
            f"{told}; 360dialog uses the first",
            "Once pages and servers use it too, set [api] default_endpoint = false and deploy.",
        )
    return warn(
        f"{told}; 360dialog uses {'the second' if found.url == former else 'neither'}",
        "Run `partner-webhook` with --fix; switch AWS's own address off only afterwards.",
    )


def former_webhook(stage: Stage) -> str | None:
    """The webhook's address under AWS's own name; None when that is the only one, or it is off.

    Raises botocore's errors.
    """
    ours = stage.output("WebhookUrl")
    if not stage.values.text("api.domain_name"):
        return None
    api = stage.aws.apis.get_api(ApiId=stage.output("ApiId"))
    endpoint = str(api.get("ApiEndpoint", "")).rstrip("/")
    if api.get("DisableExecuteApiEndpoint") or not endpoint or _host(endpoint) == _host(ours):
        return None
    return f"{endpoint}{urlsplit(ours).path}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _answered(stage: Stage) -> WebhookAddress | None:
    try:
        found = stage.partner.webhook()
    except Stop:
        return None
    return found if found.answer.is_success else None


def _fixed(desk: PartnerDesk, former: str, ours: str) -> Finding:
    answer = desk.set_webhook(ours)
    if answer.answer.is_success and answer.url != ours:
        answer = desk.read_webhook_again()
    if answer.answer.is_success and answer.url == ours:
        done = ok(f"set: partner webhooks go to {ours} now; before, {_seen(former)}")
        return Finding(level=done.level, detail=done.detail, changed=True)
    return fail(
        f"{_seen(former)}, and setting it did not help ({answer.answer.status_code})",
        f"Set it to {ours} in the Partner Hub.",
    )


def _seen(url: str) -> str:
    """Where webhooks go; a query or a password in the address is nobody's business."""
    if not url:
        return "partner webhooks go nowhere"
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "partner webhooks go to an address that cannot be read"
    return f"partner webhooks go to {parts.scheme}://{host}{parts.path}{'?…' if parts.query else ''}"
