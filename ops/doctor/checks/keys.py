"""Some stored channel keys, tried as the partner's own servers use them."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from onramp.adapters.aws import KmsVault
from onramp.adapters.messaging_api import MessagingApi
from onramp.domain.errors import UpstreamError
from onramp.domain.number import Number
from onramp.ports.storage import Line, Store
from onramp.ports.upstreams import NewKey
from onramp.usecases.connect import key_context
from ops.doctor.findings import Finding, fail, skipped, together, warn
from ops.doctor.records import ports_of
from ops.doctor.stage import Stage
from ops.stage.translated import translated

SAMPLE: Final = 3
"""Keys that are tried; the daily check tries them all."""
POOL: Final = 100
"""Connected numbers among which they are drawn: those whose daily check is next."""
_YEAR: Final = timedelta(days=366)


def channel_keys(stage: Stage) -> Finding:
    """Read the webhook of some connected channels with the stored key; needs no Partner API call."""
    numbers = _sample(stage)
    if not numbers and stage.number:
        return skipped(f"{stage.number} has no key: it is not connected, or not known")
    if not numbers:
        return skipped("no number is connected yet")
    problems = [problem for number in numbers for problem in _try(stage, number)]
    return together(problems, f"{len(numbers)} of the stored keys tried, all work")


def _sample(stage: Stage) -> list[Number]:
    store = ports_of(stage).store
    return [number for number in _wanted(stage, store) if number.key and number.cancelled_at is None]


def _wanted(stage: Stage, store: Store) -> Sequence[Number]:
    if stage.number:
        named = store.read(Number, stage.number)
        return [named] if named else []
    hits = store.due(stage.clock.now() + _YEAR, POOL, line=Line.CHECK)
    drawn = random.Random(stage.clock.now().timestamp()).sample(list(hits), min(SAMPLE, len(hits)))  # noqa: S311 - a sample, no secret
    return store.read_all(Number, [hit.identity for hit in drawn])


def _try(stage: Stage, number: Number) -> Iterator[Finding]:
    if number.key is None:
        return
    vault = KmsVault(translated(stage.aws.client("kms")), stage.output("EnvelopeKeyArn"))
    context = key_context(number.tenant, number.phone_number_id)
    key = NewKey(api_key=vault.decrypt(number.key.secret, context), address=number.key.address)
    try:
        MessagingApi(stage.http).read_webhook(key)
    except UpstreamError as refusal:
        yield _refused(number, refusal)


def _refused(number: Number, refusal: UpstreamError) -> Finding:
    channel = number.channel_id or number.phone_number_id
    if refusal.code == "key_rejected":
        return fail(
            f"the stored key of channel {channel} is dead ({refusal.status})",
            "Somebody has made another one. `POST /v1/numbers/{phone_number_id}/retry` makes a new key; find "
            "out first who else makes keys, for each new one kills the one before.",
        )
    return warn(f"the key of channel {channel} cannot be tried ({refusal.code})", "Run it again later.")
