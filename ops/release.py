"""``onramp release``: which version of each function answers, and back to those before the last deployment.

Functions are called by an alias. Putting it back to an earlier version takes effect within a second, touches
nothing else, and lasts until a deployment brings another version: it gains the time to deploy the former
commit.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ops.stage.aws import list_resources, read_functions
from ops.stage.reaching import Reached
from ops.times import when
from ops.tool import (
    DONE,
    FAILED,
    Action,
    Description,
    Failed,
    actions,
    add_consent,
    require_consent,
    run_action,
    tell,
    tell_json,
)

DESCRIPTION: Final = Description(
    help="which versions answer, and back to the former ones",
    description="Versions of functions: which one answers, and back to those before a deployment.",
)
SHOW: Final = Description(
    help="the version of each function that answers, and those that are kept",
    description="Lists for each function the version that is live, when it was made, and earlier ones.",
)
BACK: Final = Description(
    help="put the functions back to the versions before the last deployment",
    description="Each function answers again with the newest version that is older than the last deployment "
    "(or than --before). Nothing else of the stack changes.",
    epilog="Exit status: 0 done, 1 some function has no such version any more, or AWS refused; 2 could not "
    "begin. Deploy the former commit afterwards: until then the stack says one thing and does another.",
)
PRUNE: Final = Description(
    help="delete old versions",
    description="Keeps what is live and the newest versions of each function. Each release leaves packages "
    "behind, and Lambda stores 75 GB of them in a region.",
    epilog="Exit status: 0 done, 1 AWS refused, 2 could not begin.",
)
KEEP: Final = 10
"""How many versions of a function are kept when nobody says how many."""
LATEST: Final = "$LATEST"


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add actions and options to a command line."""
    table: Mapping[str, tuple[Description, Action]] = {
        "show": (SHOW, _show),
        "back": (BACK, _back),
        "prune": (PRUNE, _prune),
    }
    commands = actions(parser, table)
    for command in commands.values():
        command.add_argument("--json", action="store_true", help="the result as JSON")
    commands["back"].add_argument(
        "--before", type=when, metavar="TIME", help="a time or how long ago (default: the last deployment)"
    )
    commands["prune"].add_argument(
        "--keep", type=_at_least_one, default=KEEP, metavar="N", help=f"versions to keep (default: {KEEP})"
    )
    add_consent(commands["back"])
    add_consent(commands["prune"])


def run(given: argparse.Namespace) -> int:
    """Run the action that a command line names. Returns the exit status."""
    return run_action(given, "release")


def _show(found: Reached, given: argparse.Namespace) -> int:
    kept = list(kept_of(found))
    if given.json:
        tell_json({one.name: {"live": one.live, "made": dict(one.made)} for one in kept})
        return DONE
    for one in kept:
        at = one.made.get(one.live)
        others = [version for version in one.made if version != one.live]
        tell(f"{one.name}: {one.live}, made {_told(at)}; kept besides: {', '.join(others) or 'none'}")
    return DONE


def _back(found: Reached, given: argparse.Namespace) -> int:
    moment = given.before(datetime.now(UTC)) if given.before else last_deployment(found)
    kept = list(kept_of(found))
    targets = {one.name: one.before(moment) for one in kept}
    moves = [one for one in kept if targets[one.name] not in {None, one.live}]
    gone = [name for name, version in targets.items() if version is None]
    if moves:
        names = ", ".join(f"{one.name} {one.live} -> {targets[one.name]}" for one in moves)
        require_consent(given, f"{found.stack_name}: {names}")
    for one in moves:
        found.aws.functions.update_alias(
            FunctionName=one.physical,
            Name=one.alias,
            FunctionVersion=str(targets[one.name]),
            # All of it, also while a release is being shifted.
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
    _tell_moves(given, moves, targets, gone, moment)
    return FAILED if gone else DONE


def _tell_moves(
    given: argparse.Namespace,
    moves: Sequence[Kept],
    targets: Mapping[str, str | None],
    gone: Sequence[str],
    moment: datetime,
) -> None:
    if given.json:
        moved = {one.name: {"from": one.live, "to": targets[one.name]} for one in moves}
        tell_json({"before": moment, "moved": moved, "gone": gone})
        return
    for one in moves:
        tell(f"{one.name}: {one.live} -> {targets[one.name]}")
    for name in gone:
        tell(f"{name}: no version from before {_told(moment)} is kept; deploy the former commit")
    if not moves and not gone:
        tell(f"nothing to put back: what answers is older than {_told(moment)}")


def _prune(found: Reached, given: argparse.Namespace) -> int:
    old = {one.name: (one, one.older_than_newest(given.keep)) for one in kept_of(found)}
    doomed = {name: versions for name, (_, versions) in old.items() if versions}
    if doomed:
        count = sum(map(len, doomed.values()))
        require_consent(given, f"{found.stack_name}: {count} versions of {len(doomed)} functions are deleted")
    for name, versions in doomed.items():
        for version in versions:
            found.aws.functions.delete_function(FunctionName=old[name][0].physical, Qualifier=version)
        if not given.json:
            tell(f"{name}: deleted {', '.join(versions)}")
    if given.json:
        tell_json({"deleted": doomed})
    elif not doomed:
        tell(f"nothing to delete: no function has more than {given.keep} versions")
    return DONE


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


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
