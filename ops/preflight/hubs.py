"""The hubs beside the one of [partner], each by itself: what the stage's secret has for it, and its key.

The stack makes the secret: before the first deployment there is nothing to look at. Before one that adds a
hub the secret can hold what it needs, so that its first signup finds it.
"""

from ops.doctor.checks.partner import hub_key
from ops.doctor.checks.secret import needed_problems
from ops.doctor.findings import Finding, ok, together
from ops.doctor.secret import names_of_hub
from ops.doctor.stage import Stage
from ops.preflight.asking import found
from ops.stage.aws import describe_stack


def hubs(stage: Stage) -> Finding:
    """Whether the secret has what each further hub needs, and 360dialog takes its key."""
    if not stage.hubs:
        return ok("[partner] is the only hub")
    stack = found(lambda: describe_stack(stage.aws, stage.stack_name))
    if stack is None or not stack.outputs:
        return ok("the stack makes the secret: fill in what its hubs need once it stands")
    stage.outputs = stack.outputs
    secret = stage.secret()
    if secret.problem is not None:
        return secret.problem
    bad = [one for hub in stage.hubs for one in _of_hub(stage, hub) if one.level != "ok"]
    return together(bad, f"secret and key are right of {', '.join(stage.hubs)}")


def _of_hub(stage: Stage, hub: str) -> list[Finding]:
    names = names_of_hub(hub)
    missing = list(needed_problems(stage.secret().content, names))
    if not missing:
        return [hub_key(stage, hub)]
    told = together(missing, "")
    advice = (
        f"`onramp secret set {' '.join(names.needed)} --stage {stage.name}`: the stack need not know of it."
    )
    return [Finding(level=told.level, detail=f"{hub}: {told.detail}", advice=advice)]
