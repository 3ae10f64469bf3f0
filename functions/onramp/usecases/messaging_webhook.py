"""Where a number's messages go: chosen by its signup, else its tenant's, else its hub's, else the stage's."""

from onramp.domain.errors import Permanent
from onramp.domain.number import Number
from onramp.ports import Ports
from onramp.ports.upstreams import ChannelWebhook


def webhook_of(ports: Ports, number: Number) -> ChannelWebhook:
    """The webhook of a number's channel, as the configuration has it now.

    A name that is no longer there leads nowhere else: messages of one customer would come to another's
    application. Raises `Permanent(messaging_unknown)`; `UnavailableError` when its headers cannot be read.
    """
    rules = ports.rules
    name = number.messaging or rules.webhooks.tenants.get(number.tenant) or rules.webhooks.hub
    if name is None:
        return rules.webhook
    chosen = rules.webhooks.named.get(name)
    if chosen is None:
        raise Permanent("messaging_unknown")
    return ChannelWebhook(url=chosen.url, headers=chosen.headers())
