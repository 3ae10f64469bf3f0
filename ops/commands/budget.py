"""``onramp budget``: what the partner budget has left."""

from ops.running import Run, command, group

app = group("The partner budget.")


@command(app, "budget")
def budget(run: Run) -> None:
    """Show the partner budget: calls that are free now, and spare ones, which live signups do not need."""
    with run.desk() as desk:
        run.console.answer(desk.ask("budget.show"))
