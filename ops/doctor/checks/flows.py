"""The flows: each popup must be given what Embedded Signup v4 wants, and the solution 360dialog knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infra.config_values import STANDARD_FLOW
from onramp.domain.text import mapping, text
from ops.doctor.findings import Finding, fail, together, warn
from ops.doctor.stage import Stage
from ops.stage.configuration import Values

OLD: Final[Mapping[str, str]] = {
    "version": "the version follows from the login configuration",
    "sessionInfoVersion": "version 4 always sends the session's message",
    "only_waba_sharing": "what is shared is ticked in the login configuration",
    "marketing_messages_lite": "it is a product of the login configuration",
    "featureType": "coexistence and the like are products of the login configuration",
    "feature": "coexistence and the like are products of the login configuration",
    "features": "coexistence and the like are products of the login configuration",
}
"""Names in extras that belong to versions 2 and 3 of Embedded Signup, which ended in October 2026, and what
stands in their place. With a configuration of version 4 Meta ignores them, or falls back without a word."""
COEXISTENCE: Final = "whatsapp_business_app_onboarding"
_EMPTY: Final = (
    "Make the login configuration for version 4 with the products you want (docs/front-end.md), then take it "
    "out of the flow's extras."
)


@dataclass(frozen=True, slots=True)
class Given:
    """A flow as the file has it. `place` is where its extras stand."""

    name: str
    place: str
    config_id: str
    extras: Mapping[str, object]
    solution: bool

    @property
    def is_coexistence(self) -> bool:
        """Whether its customers keep the WhatsApp Business app, as far as name and extras tell."""
        return "coex" in self.name or COEXISTENCE in map(text, self.extras.values())

    @property
    def named_solution(self) -> object:
        """The solution that its extras name, None where they name none."""
        return mapping(self.extras.get("setup")).get("solutionID")


def flows_of(values: Values) -> list[Given]:
    """All flows of a stage, whether their values are right or not."""
    standard = mapping(values.get("meta.extras"))
    found = [Given(STANDARD_FLOW, "[meta.extras]", values.text("meta.config_id"), standard, solution=True)]
    for name, one in mapping(values.get("meta.flows")).items():
        flow = mapping(one)
        found.append(
            Given(
                str(name),
                f"[meta.flows.{name}.extras]",
                text(flow.get("config_id")) or "",
                mapping(flow.get("extras")),
                solution=flow.get("solution", True) is not False,
            )
        )
    return found


def flows(stage: Stage) -> Finding:
    """What every flow hands to the popup."""
    given = flows_of(stage.values)
    findings = [one for flow in given for one in _about(flow, stage.values)]
    names = ", ".join(flow.name for flow in given)
    return together(findings, f"what popups are given fits version 4: {names}")


def _about(flow: Given, values: Values) -> Iterator[Finding]:
    for name in sorted(OLD.keys() & flow.extras.keys()):
        yield warn(f"{flow.place} has {name}, which belongs to versions 2 and 3: {OLD[name]}", _EMPTY)
    yield from _solution(flow, values.text("partner.solution_id"))
    if flow.name != STANDARD_FLOW and flow.config_id == values.text("meta.config_id"):
        yield warn(
            f"[meta.flows.{flow.name}] has the config_id of the flow {STANDARD_FLOW}",
            "A flow of its own needs a login configuration of its own.",
        )


def _solution(flow: Given, solution_id: str) -> Iterator[Finding]:
    named = flow.named_solution
    if flow.solution and named is not None and named != solution_id:
        yield fail(
            f"{flow.place} names another solution than [partner] solution_id ({solution_id})",
            "Leave solutionID out of extras: the server puts the right one in.",
        )
    if flow.is_coexistence and flow.solution:
        yield warn(
            f"the coexistence flow {flow.name} is told the solution, with which Meta may fall back",
            f"Write solution = false below [meta.flows.{flow.name}].",
        )
    if not flow.is_coexistence and not flow.solution:
        yield warn(
            f"customers of the flow {flow.name} come in outside of the solution: 360dialog may not take them",
            f"Leave solution = false out of [meta.flows.{flow.name}], unless it is for coexistence.",
        )
