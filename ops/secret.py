"""``onramp secret``: the stage's secret is changed without a file, and is never shown.

Values come from a prompt that shows nothing, or from standard input, a line for each. They are merged into
what is there; a secret that would be incomplete is refused and nothing is written.
"""

import argparse
import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ops.doctor.secret import OPTIONAL, PLATFORM, TEXTS, is_placeholder, read_secret
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached
from ops.tool import DONE, Description, Failed, actions, run_action, tell

FIELDS: Final = (*TEXTS, PLATFORM, *OPTIONAL)
KEPT: Final = 2
"""Platform secrets: the new one, and the one before it while 360dialog still sends with that."""
DESCRIPTION: Final = Description(
    help="change the stage's secret, without a file and without showing it",
    description="Functions read the secret anew after five minutes at most.",
)
_SET: Final = Description(
    help="put values in",
    description="Asks for each value, or reads them from standard input, a line for each in the order given. "
    "Without names it asks for all that are missing. A new platform secret is put before the present "
    "one, and both are accepted until `onramp secret forget`.",
    epilog="Exit status: 0 written, 1 AWS refused it, 2 a value is unusable, or another one missing.",
)
_FORGET: Final = Description(
    help="keep the newest platform secret only",
    description="The end of a rotation: webhooks signed with the former platform secret are refused then.",
)
_UNDO: Final = Description(
    help="take the last change back",
    description="Makes the version that Secrets Manager calls AWSPREVIOUS the current one again.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to a command line."""
    found = actions(parser, {"set": (_SET, _set), "forget": (_FORGET, _forget), "undo": (_UNDO, _undo)})
    found["set"].add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIELDS)}")
    found["set"].add_argument(
        "--only", action="store_true", help="the new platform secret in place of all others"
    )


def run(given: argparse.Namespace) -> int:
    """Run an action. Returns the exit status."""
    return run_action(given, "secret")


def _set(found: Reached, given: argparse.Namespace) -> int:
    content = _content(found)
    names = _names(given.names, content)
    if not names:
        tell("nothing is missing; name what is to be changed")
        return DONE
    changed = dict(content)
    for name in names:
        value = _value(name)
        changed[name] = _listed(value, content, only=given.only) if name == PLATFORM else value
    _write(found, changed)
    tell(f"written: {', '.join(names)}; functions use it after five minutes at most")
    return DONE


def _forget(found: Reached, _: argparse.Namespace) -> int:
    content = _content(found)
    secrets = content.get(PLATFORM)
    if not isinstance(secrets, list) or len(secrets) < KEPT:
        tell("there is one platform secret only; nothing to forget")
        return DONE
    _write(found, {**content, PLATFORM: secrets[:1]})
    tell("written: the newest platform secret only")
    return DONE


def _undo(found: Reached, _: argparse.Namespace) -> int:
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
    tell("the former version is current again; functions use it after five minutes at most")
    return DONE


# --- what is there, and what shall be --------------------------------------------------------------------


def _secret_id(found: Reached) -> str:
    try:
        return found.outputs["SecretArn"]
    except KeyError:
        raise UnusableError(f"{found.stack_name} names no secret: deploy it first") from None


def _content(found: Reached) -> Mapping[str, object]:
    """What the secret holds; nothing when it has no value, or none that anybody could use."""
    return read_secret(found.aws, _secret_id(found), datetime.now(UTC)).content


def _names(given: Sequence[str], content: Mapping[str, object]) -> list[str]:
    if unknown := sorted(set(given) - set(FIELDS)):
        raise UnusableError(f"nobody reads {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    return list(dict.fromkeys(given)) or missing(content)


def missing(content: Mapping[str, object]) -> list[str]:
    """Names of what cannot be used, or is not there."""
    return [name for name in (*TEXTS, PLATFORM) if not _is_usable(content.get(name))]


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
    return value


def _listed(value: str, content: Mapping[str, object], *, only: bool) -> list[str]:
    """The platform secrets, the new one first."""
    former = content.get(PLATFORM)
    known = [former] if isinstance(former, str) else former if isinstance(former, list) else []
    usable = [item for item in known if isinstance(item, str) and _is_usable(item) and item != value]
    return [value] if only else [value, *usable][:KEPT]


def _write(found: Reached, content: Mapping[str, Any]) -> None:
    if lacking := missing(content):
        raise UnusableError(
            f"the secret would be incomplete: {', '.join(lacking)}; nothing is written. "
            "Without names, `onramp secret set` asks for all that is missing"
        )
    text = json.dumps(content, ensure_ascii=False)
    found.aws.secrets.put_secret_value(SecretId=_secret_id(found), SecretString=text)
