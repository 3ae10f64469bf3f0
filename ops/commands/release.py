"""``onramp release``: which version of each function answers, and back to those before the last deployment.

Functions are called by an alias. Putting it back to an earlier version takes effect within a second, touches
nothing else, and lasts until a deployment brings another version: it gains the time to deploy the former
commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from ops.console import DONE, FAILED
from ops.running import Failed, Run, command, group, moment
from ops.stage.aws import list_resources, read_functions
from ops.stage.reaching import Reached

KEEP: Final = 10
"""How many versions of a function are kept when nobody says how many."""
LATEST: Final = "$LATEST"
app = group("Versions of functions: which one answers, and back to those before a deployment.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The versions of one function by number, oldest first, with when each was made; and the live one."""

    name: str
    physical: str
    alias: str
    live: str
    made: Mapping[str, datetime]

    def before(self, moment: datetime) -> str | None:
        """The newest version that is older than a moment; never one that is newer than what is live."""
        older = [
            version for version, at in self.made.items() if at < moment and int(version) <= int(self.live)
        ]
        return older[-1] if older else None

    def older_than_newest(self, count: int) -> list[str]:
        """What may go when so many are kept; never what is live."""
        return [version for version in list(self.made)[:-count] if version != self.live]


@command(app, "show")
def show(run: Run) -> None:
    """Say for each function which version is live, when it was made, and which earlier ones are kept."""
    with run.reached() as found:
        kept = list(kept_of(found))
    result = {one.name: {"live": one.live, "made": dict(one.made)} for one in kept}
    run.console.answer(result, "\n".join(map(_line, kept)) or "no function is called by an alias")


def _line(one: Kept) -> str:
    others = [version for version in one.made if version != one.live]
    at = _told(one.made.get(one.live))
    return f"{one.name}: {one.live}, made {at}; kept besides: {', '.join(others) or 'none'}"


@command(
    app,
    "back",
    asks=True,
    epilog="Deploy the former commit afterwards: until then the stack says one thing and does another. "
    "Exit code 1: some function has no such version any more.",
)
def back(
    run: Run,
    *,
    before: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="A time or how long ago (default: the last deployment)."),
    ] = None,
) -> int:
    """Put the functions back to the versions before the last deployment.

    Each function answers again with the newest version that is older than the last deployment (or than
    --before). Nothing else of the stack changes.
    """
    with run.reached() as found:
        at = moment(before) or last_deployment(found)
        kept = list(kept_of(found))
        targets = {one.name: one.before(at) for one in kept}
        moves = [one for one in kept if targets[one.name] not in {None, one.live}]
        gone = [name for name, version in targets.items() if version is None]
        if moves:
            names = ", ".join(f"{one.name} {one.live} -> {targets[one.name]}" for one in moves)
            run.consent(f"{found.stack_name}: {names}")
        for one in moves:
            found.aws.functions.update_alias(
                FunctionName=one.physical,
                Name=one.alias,
                FunctionVersion=str(targets[one.name]),
                # All of it, also while a release is being shifted.
                RoutingConfig={"AdditionalVersionWeights": {}},
            )
    moved = {one.name: {"from": one.live, "to": targets[one.name]} for one in moves}
    lines = [f"{name}: {one['from']} -> {one['to']}" for name, one in moved.items()]
    lines += [
        f"{name}: no version from before {_told(at)} is kept; deploy the former commit" for name in gone
    ]
    nothing = f"nothing to put back: what answers is older than {_told(at)}"
    run.console.answer({"before": at, "moved": moved, "gone": gone}, "\n".join(lines) or nothing)
    return FAILED if gone else DONE


@command(app, "prune", asks=True)
def prune(
    run: Run, keep: Annotated[int, typer.Option(metavar="N", min=1, help="Versions to keep.")] = KEEP
) -> None:
    """Delete old versions; keeps what is live and the newest of each function.

    Each release leaves packages behind, and Lambda stores 75 GB of them in a region.
    """
    with run.reached() as found:
        old = {one.name: (one, one.older_than_newest(keep)) for one in kept_of(found)}
        doomed = {name: versions for name, (_, versions) in old.items() if versions}
        if doomed:
            count = sum(map(len, doomed.values()))
            run.consent(f"{found.stack_name}: {count} versions of {len(doomed)} functions are deleted")
        for name, versions in doomed.items():
            for version in versions:
                found.aws.functions.delete_function(FunctionName=old[name][0].physical, Qualifier=version)
    lines = [f"{name}: deleted {', '.join(versions)}" for name, versions in doomed.items()]
    nothing = f"nothing to delete: no function has more than {keep} versions"
    run.console.answer({"deleted": doomed}, "\n".join(lines) or nothing)


def last_deployment(found: Reached) -> datetime:
    """When the last deployment of a stack began. Raises `Failed` when there was only the first one."""
    [stack] = found.aws.cloudformation.describe_stacks(StackName=found.stack_name)["Stacks"]
    at = stack.get("LastUpdatedTime")
    if at is None:
        raise Failed(f"{found.stack_name} was deployed once only: there is nothing to go back to")
    return at


def kept_of(found: Reached) -> Iterator[Kept]:
    """The versions of each function that is called by an alias. Raises botocore's errors."""
    functions: Any = found.aws.functions
    for name, function in read_functions(found.aws, list_resources(found.aws, found.stack_name)).items():
        if function.alias is None:
            continue
        alias = functions.get_alias(FunctionName=function.physical, Name=function.alias)
        yield Kept(
            name=name,
            physical=function.physical,
            alias=function.alias,
            live=alias["FunctionVersion"],
            made=_versions(functions, function.physical),
        )


def _versions(functions: Any, physical: str) -> dict[str, datetime]:  # noqa: ANN401 - a client
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=physical)
    listed = [one for page in pages for one in page["Versions"] if one["Version"] != LATEST]
    return {
        one["Version"]: datetime.fromisoformat(one["LastModified"])
        for one in sorted(listed, key=lambda one: int(one["Version"]))
    }


def _told(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else "at a time nobody knows"
