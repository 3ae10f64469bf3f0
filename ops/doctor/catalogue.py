"""All checks, in the order of the report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops.doctor.checks import (
    alarms,
    api,
    capacity,
    clock,
    data,
    flows,
    identity,
    keys,
    meta,
    partner,
    queues,
    schedules,
    secret,
    stack,
    token,
    webhooks,
)
from ops.doctor.findings import Finding
from ops.doctor.stage import Stage


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what it looks at, and how.

    `run` may raise `Stop`, botocore's errors and httpx's; whatever it raises is a finding.
    """

    name: str
    about: str
    run: Callable[[Stage], Finding]


CHECKS: Final = (
    Check("stack", "the stack stands and has its outputs", stack.stack),
    Check("configuration", "the configuration file can be used", stack.configuration),
    Check("deployed-settings", "the deployment runs with the file's values", stack.deployed_settings),
    Check("secret", "the secret is filled, in the right shape", secret.secret),
    Check("clock", "this machine's clock is right", clock.clock_skew),
    Check("meta-app", "app id and app secret work together", meta.meta_app),
    Check("graph-version", "Meta serves the Graph version, and goes on for a while", meta.graph_version),
    Check("solution", "the multi-partner solution is active", meta.solution),
    Check("config-id", "the login configuration's id is there", meta.login_configuration),
    Check("flows", "what popups are given fits version 4 and the solution", flows.flows),
    Check("partner-key", "the Partner API takes the key", partner.partner_key),
    Check("partner-webhook", "360dialog sends its webhooks here (--fix)", partner.partner_webhook),
    Check("hubs", "the key and the webhook of each further hub are right (--fix)", partner.hubs),
    Check("addresses", "one address leads to the API, and 360dialog uses it", partner.addresses),
    Check("webhook-event", "a signed event arrives and is counted", webhooks.webhook_event),
    Check("webhook-unsigned", "an unsigned event is refused", webhooks.webhook_unsigned),
    Check("webhook-wrong-signature", "a wrongly signed event is refused", webhooks.webhook_wrong_signature),
    Check("messaging-webhook", "360dialog takes the channels' webhook", identity.messaging_webhook),
    Check("public-config", "browsers are told the right app", api.public_config),
    Check("token-required", "front-end routes want a token", api.token_required),
    Check("jwt-issuer", "the identity provider's keys can be read", identity.jwt_issuer),
    Check("token", "why a token is refused (--token)", token.token),
    Check("allowed-origins", "pages are named exactly, over https", identity.allowed_origins),
    Check("dead-letters", "nothing has been given up", queues.dead_letters),
    Check("consumers", "queues and stream are handed to their functions", queues.consumers),
    Check("capacity", "the functions may run, enough at once", capacity.capacity),
    Check("queue-age", "nothing waits too long", queues.queue_age),
    Check("table", "indexes and stream are there, the data is protected", data.table),
    Check("protection", "what is to be kept cannot be deleted (onramp protect)", data.protection),
    Check("channel-keys", "some of the stored channel keys work", keys.channel_keys),
    Check("reconciler", "the schedules are on and run", schedules.schedules),
    Check("alarms", "alarms tell somebody who listens (onramp drill)", alarms.alarms),
)
