"""The command's areas, a module each.

An area is `ops/commands/<area>.py` with an `app`, made by `ops.running.group`, and a line in `AREAS` of
`ops/cli.py`. Its commands are functions under `ops.running.command`; one that asks the desk looks like this::

    app = group("What customers have begun.")

    @command(app, "list")
    def listed(run: Run, status: Annotated[str | None, typer.Option(help="Only these.")] = None) -> None:
        \"\"\"List signups, newest first.\"\"\"
        with run.desk() as desk:
            run.console.items(desk.items("signups.list", status=status), ("id", "status"))

`tests/ops/conftest.py` has the fixture `at_desk`, with which such a command is tested.
"""
