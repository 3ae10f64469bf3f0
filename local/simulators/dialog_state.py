"""A channel as admin answers show it: everything but its keys."""

import hashlib
from dataclasses import asdict

from local.simulators.clock import iso
from local.simulators.hub import Channel
from local.simulators.web import Json


def channel_state(channel: Channel) -> Json:
    """Return a channel with the traces of its keys, but without the keys."""
    key = channel.live_key()
    view = {name: value for name, value in asdict(channel).items() if name not in ("keys", "webhook")}
    return view | {
        "phone_number": channel.phone_number,
        "created_at": iso(channel.created_at),
        "live_at": iso(channel.live_at),
        "terminated_at": iso(channel.terminated_at),
        "restricted_until": iso(channel.restricted_until),
        "ended": channel.ended,
        "keys_made": len(channel.keys),
        "keys_made_in_hub": sum(item.made_by == "hub" for item in channel.keys),
        "key_times": [item.made_at for item in channel.keys],
        "live_key_sha256": None if key is None else hashlib.sha256(key.secret.encode()).hexdigest(),
        "webhook_url": None if channel.webhook is None else channel.webhook["url"],
        "webhook_header_names": [] if channel.webhook is None else sorted(channel.webhook["headers"]),
    }
