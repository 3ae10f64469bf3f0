"""``onramp encryption``: the two keys that encrypt a stage, looked at, and taken back from deletion."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ops.console import DONE, FAILED
from ops.running import Run, command, group, output_of
from ops.stage.reaching import Reached

type Json = dict[str, Any]

KEYS: Final[Mapping[str, str]] = MappingProxyType({"envelope": "EnvelopeKeyArn", "table": "TableKeyArn"})
"""Outputs of the stack: what tokens and channel keys are encrypted with, and what the table is."""
USABLE: Final = "Enabled"

app = group("The two keys that encrypt a stage: tokens and channel keys, and the table.")


@command(app, "show")
def show(run: Run) -> int:
    """Show both keys, whether they can be used, and when one is to be deleted. Exit code 1: one cannot."""
    with run.reached() as found:
        keys = [_described(found, name) for name in KEYS]
    run.console.items(keys, ("key", "state", "deleted_at", "arn"))
    return DONE if all(key["state"] == USABLE for key in keys) else FAILED


@command(app, "enable")
def enable(run: Run) -> None:
    """Take both keys back: one that waits for its deletion stays, one that is disabled can be used again."""
    with run.reached() as found:
        kms = found.aws.client("kms")
        changed = []
        for name in KEYS:
            key = _described(found, name)
            if key["state"] == "PendingDeletion":
                kms.cancel_key_deletion(KeyId=key["arn"])
                # What is taken back from its deletion is disabled.
                key["state"] = "Disabled"
            if key["state"] != USABLE:
                kms.enable_key(KeyId=key["arn"])
                changed.append(name)
    told = ", ".join(changed)
    run.console.answer({"enabled": changed}, f"enabled: {told}" if changed else "both keys can be used")


def _described(found: Reached, name: str) -> Json:
    arn = output_of(found, KEYS[name])
    about = found.aws.client("kms").describe_key(KeyId=arn)["KeyMetadata"]
    deleted = about.get("DeletionDate")
    return {
        "key": name,
        "arn": arn,
        "state": str(about.get("KeyState", "")),
        "deleted_at": deleted.isoformat() if deleted else None,
    }
