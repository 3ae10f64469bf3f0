"""What the popup is opened with for one customer: a flow of the configuration, and what is known of them.

A flow's extras come from the deployment, the solution's id included. What a caller knows of the customer goes
into their `setup`, in Meta's spelling, so that nobody types it a second time.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from onramp.domain.values import dataclass

STANDARD: Final = "standard"
"""The flow of a signup that names none."""
_IDS: Final[Mapping[str, str]] = {
    "pre_verified_phone_ids": "preVerifiedPhone",
    "waba_ids": "whatsAppBusinessAccount",
}
"""Lists of ids, and the object of Meta's whose `ids` they are."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One login configuration of the Meta app, and the extras that go with it."""

    config_id: str
    extras: Mapping[str, JsonValue]


type Flows = Mapping[str, Flow]
"""What there is, by name."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What `FB.login` is given for one signup."""

    flow: str
    config_id: str
    extras: Mapping[str, JsonValue]


def launch_of(flows: Flows, name: str, prefill: Mapping[str, JsonValue] | None) -> Launch | None:
    """The launch of a signup; None for a flow that the deployment no longer has."""
    flow = flows.get(name)
    if flow is None:
        return None
    setup = setup_of(prefill or {})
    extras = _merged(flow.extras, {"setup": setup}) if setup else dict(flow.extras)
    return Launch(name, flow.config_id, extras)


def setup_of(prefill: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What is known of a customer as the `setup` of Meta's extras."""
    setup: dict[str, JsonValue] = {}
    for name, value in prefill.items():
        if name in _IDS:
            setup[_IDS[name]] = {"ids": value}
        else:
            setup[name] = _spelled(value)
    return setup


def _spelled(value: JsonValue) -> JsonValue:
    """An object with its names as Meta spells them; a country's code is a number there."""
    if not isinstance(value, dict):
        return value
    named = {_camel(name): _spelled(inner) for name, inner in value.items()}
    code = named.get("code")
    return {**named, "code": int(code)} if isinstance(code, str) and code.isdecimal() else named


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _merged(below: Mapping[str, JsonValue], above: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Two objects in one: where both have an object it is merged likewise, else `above` counts."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[name] = _merged(under, value) if both else value  # type: ignore[arg-type] # both are objects
    return merged
