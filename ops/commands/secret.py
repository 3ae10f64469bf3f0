"""``onramp secret``: the stage's secret is changed without a file, and is never shown.

Values come from a prompt that shows nothing, or from standard input, a line for each. They are merged into
what is there; a secret that would be incomplete is refused and nothing is written.
"""

import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from onramp.domain.records import HUB
from ops.commands.hubs import Hub
from ops.doctor.secret import (
    AT,
    OPTIONAL,
    PLATFORM,
    TEXTS,
    Names,
    hub_names,
    is_placeholder,
    key_problem,
    names_of,
    read_secret,
)
from ops.running import Failed, Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

FIELDS: Final = (*TEXTS, PLATFORM, *OPTIONAL)
KEPT: Final = 2
"""Platform secrets: the new one, and the one before it while 360dialog still sends with that."""
LATER: Final = "functions use it after five minutes at most"
app = group("Change the stage's secret, without a file and without showing it.")


@command(app, "set", epilog="Exit code 2: a value is unusable, or another one missing; nothing is written.")
def set_(
    run: Run,
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help=f"Of {', '.join(FIELDS)}.")
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="The new platform secret in place of all others.")
    ] = False,
) -> None:
    """Put values in: asks for each, or reads them from standard input, a line for each in the order given.

    Without names it asks for all that are missing. A new platform secret is put before the present one, and
    both are accepted until `onramp secret forget`.
    """
    with run.reached() as found:
        content = _content(found)
        needed = names_of(found.values)
        meant = _names(names or (), content, needed)
        changed = dict(content)
        for name in meant:
            value = _value(name)
            changed[name] = (
                _listed(value, content.get(name), only=only) if name in needed.platforms else value
            )
        if meant:
            _write(found, changed)
    told = (
        f"written: {', '.join(meant)}; {LATER}" if meant else "nothing is missing; name what is to be changed"
    )
    run.console.answer({"written": meant}, told)


@command(app, "forget")
def forget(run: Run, hub: Hub = None) -> None:
    """Keep the newest platform secret only: the end of a rotation.

    Webhooks signed with the former platform secret are refused then.
    """
    with run.reached() as found:
        name = _platform_of(found, hub)
        content = _content(found)
        secrets = content.get(name)
        if not isinstance(secrets, list) or len(secrets) < KEPT:
            run.console.answer({"written": []}, "there is one platform secret only; nothing to forget")
            return
        _write(found, {**content, name: secrets[:1]})
    run.console.answer({"written": [name]}, "written: the newest platform secret only")


def _platform_of(found: Reached, hub: str | None) -> str:
    """The name of a hub's platform secrets. Raises `Failed` when the configuration has no such hub."""
    if hub in {None, HUB}:
        return PLATFORM
    hubs = hub_names(found.values)
    if hub not in hubs:
        raise Failed(f"there is no hub {hub}; there are {', '.join((HUB, *hubs))}")
    return f"{PLATFORM}{AT}{hub}"


@command(app, "undo")
def undo(run: Run) -> None:
    """Take the last change back: what Secrets Manager calls AWSPREVIOUS is the current version again."""
    with run.reached() as found:
        _undo(found)
    run.console.answer({"undone": True}, f"the former version is current again; {LATER}")


def _undo(found: Reached) -> None:
    secret_id, secrets = _secret_id(found), found.aws.secrets
    versions = secrets.describe_secret(SecretId=secret_id).get("VersionIdsToStages", {})
    stages = {stage: version for version, listed in versions.items() for stage in listed}
    if "AWSPREVIOUS" not in stages or "AWSCURRENT" not in stages:
        raise Failed("there is no former version to go back to")
    secrets.update_secret_version_stage(
        SecretId=secret_id,
        VersionStage="AWSCURRENT",
        MoveToVersionId=stages["AWSPREVIOUS"],
        RemoveFromVersionId=stages["AWSCURRENT"],
    )


# --- what is there, and what shall be --------------------------------------------------------------------


def _secret_id(found: Reached) -> str:
    try:
        return found.outputs["SecretArn"]
    except KeyError:
        raise UnusableError(f"{found.stack_name} names no secret: deploy it first") from None


def _content(found: Reached) -> Mapping[str, object]:
    """What the secret holds; nothing when it has no value, or none that anybody could use."""
    return read_secret(found.aws, _secret_id(found), datetime.now(UTC)).content


def _names(given: Sequence[str], content: Mapping[str, object], needed: Names) -> list[str]:
    if unknown := sorted(set(given) - set(needed.known)):
        raise UnusableError(f"nobody reads {', '.join(unknown)}; there are {', '.join(needed.known)}")
    return list(dict.fromkeys(given)) or missing(content, needed)


def missing(content: Mapping[str, object], needed: Names) -> list[str]:
    """Names of what cannot be used, or is not there."""
    return [name for name in needed.needed if not _is_usable(content.get(name))]


def _is_usable(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str) and _is_usable(item) for item in value)
    return isinstance(value, str) and bool(value.strip()) and not is_placeholder(value)


def _value(name: str) -> str:
    """One value, from whoever is there. Raises `UnusableError`, which never says what was given."""
    if sys.stdin.isatty():
        text = getpass.getpass(f"{name}: ")
    else:
        line = sys.stdin.readline()
        if not line:
            raise UnusableError(f"standard input ends before {name}; nothing is written")
        text = line
    value = text.rstrip("\r\n")
    if value != value.strip() or not value.isprintable():
        raise UnusableError(f"{name} has blanks around it, or signs that cannot be seen; nothing is written")
    if not _is_usable(value):
        raise UnusableError(f"{name} is empty or a placeholder; nothing is written")
    if problem := key_problem(name, value):
        raise UnusableError(f"{problem}; nothing is written")
    return value


def _listed(value: str, former: object, *, only: bool) -> list[str]:
    """The platform secrets, the new one first."""
    known = [former] if isinstance(former, str) else former if isinstance(former, list) else []
    usable = [item for item in known if isinstance(item, str) and _is_usable(item) and item != value]
    return [value] if only else [value, *usable][:KEPT]


def _write(found: Reached, content: Mapping[str, Any]) -> None:
    if lacking := missing(content, Names()):
        raise UnusableError(
            f"the secret would be incomplete: {', '.join(lacking)}; nothing is written. "
            "Without names, `onramp secret set` asks for all that is missing"
        )
    text = json.dumps(content, ensure_ascii=False)
    found.aws.secrets.put_secret_value(SecretId=_secret_id(found), SecretString=text)
