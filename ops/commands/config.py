"""``onramp config check``: the configuration file as a deployment reads it, without making anything."""

from ops.console import DONE, FAILED
from ops.running import Run, command, group
from ops.stage.options import File
from ops.stage.reaching import locate_values

app = group("Look at a configuration file.")


@command(app, "check", of=File, epilog="Exit code 1: a deployment would refuse it.")
def check(run: Run) -> int:
    """Say what a deployment would refuse, all problems at once. Needs no AWS account."""
    values, _ = locate_values(run.where)
    problems = [f"{name}: {why}" for name, why in values.problems()]
    told = [f"{values.place}: {problem}" for problem in problems] or [f"{values.place}: can be used"]
    run.console.answer({"file": values.place, "problems": problems}, "\n".join(told))
    return FAILED if problems else DONE
