"""``onramp protect``: what must not be deleted by a slip of the hand is locked, and unlocked again.

A step of its own behind the first deployment. While the template carried these locks, a first deployment that
failed half-way left a table and a user pool that nobody could take away, and the second one found them in its
way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import ClientError

from ops.running import Failed, Run, command, group, only
from ops.stage.aws import Aws, error_code, list_resources
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

app = group("Locks.")
_HINT: Final = (
    "set protected = {value} under [stage] in {place} now, so that the next deployment leaves it so"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One thing that can be locked. `is_on` and `turn` may raise botocore's errors."""

    what: str
    is_on: Callable[[], bool]
    turn: Callable[[bool], None]


def locks_of(found: Reached) -> Iterator[Lock]:
    """What of a stage can be locked. Raises botocore's errors, `Failed`."""
    aws = found.aws
    yield _table(aws, found.outputs.get("TableName", ""))
    pool = only(list_resources(aws, found.stack_name), "AWS::Cognito::UserPool")
    if pool is not None:
        yield Lock(
            what=f"user pool {pool}",
            is_on=lambda: is_pool_protected(aws, pool),
            turn=lambda on: _turn_pool(aws, pool, on=on),
        )
    yield Lock(
        what=f"stack {found.stack_name}",
        is_on=lambda: found.stack is not None and found.stack.protected,
        turn=lambda on: _turn_stack(aws, found.stack_name, on=on),
    )


@command(app, "protect", asks=True)
def protect(
    run: Run,
    *,
    off: Annotated[bool, typer.Option("--off", help="Unlock them, before a stage is deleted.")] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="With --off: empty the stack's own buckets, too.")
    ] = False,
) -> None:
    """Lock table, user pool and stack against deletion.

    Switches on the deletion protection of the table, of the stack's own user pool, and the termination
    protection of the stack. What is locked already stays as it is. A bucket that is not empty cannot be
    deleted with its stack: with --empty all that its buckets hold is thrown away.
    """
    on = not off
    if empty and not off:
        raise UnusableError("--empty goes with --off: only a stage that is to be deleted is emptied")
    with run.reached() as found:
        _require_stack(found)
        if off:
            more = "; all that its buckets hold is thrown away now" if empty else ""
            run.consent(f"table, user pool and stack {found.stack_name} can be deleted then{more}")
        told = []
        # The stack first when they are unlocked, last when they are locked: half-way is the safer then.
        locks = list(locks_of(found))
        for lock in locks if on else reversed(locks):
            changed = lock.is_on() is not on
            if changed:
                lock.turn(on)
            told.append({"what": lock.what, "protected": on, "changed": changed})
        buckets = [emptied(found.aws, name) for name in _buckets(found)] if empty else []
    lines = [*map(_told, told), *(f"bucket {one['bucket']}: {one['gone']} gone" for one in buckets)]
    run.console.answer({"stack": found.stack_name, "locks": told, "buckets": buckets}, "\n".join(lines))
    if bool(found.values.get("stage.protected")) is not on:
        run.console.note(_HINT.format(place=found.values.place, value=str(on).lower()))


def _told(lock: Mapping[str, object]) -> str:
    state = "protected" if lock["protected"] else "not protected"
    return f"{lock['what']}: {state}{'' if lock['changed'] else ', as before'}"


def _buckets(found: Reached) -> list[str]:
    """The stack's own buckets. Raises botocore's errors."""
    return list(list_resources(found.aws, found.stack_name).get("AWS::S3::Bucket", {}).values())


def emptied(aws: Aws, bucket: str) -> dict[str, object]:
    """Delete every version of every object of a bucket, a page at a time. Raises `Failed`."""
    s3, gone = aws.client("s3"), 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        named = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
        if not named:
            continue
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        if refused := answer.get("Errors"):
            raise Failed(f"{len(refused)} objects of {bucket} stay ({refused[0].get('Code')}); say it again")
        gone += len(named)
    return {"bucket": bucket, "gone": gone}


def _require_stack(found: Reached) -> None:
    if found.stack is None:
        raise UnusableError("needs the stack itself: leave --outputs away")
    if not found.outputs.get("TableName"):
        raise UnusableError(f"{found.stack_name} names no table: deploy it first")


def _table(aws: Aws, name: str) -> Lock:
    def is_on() -> bool:
        return is_table_protected(aws.dynamodb.describe_table(TableName=name)["Table"])

    def turn(on: bool) -> None:  # noqa: FBT001 - the only argument
        aws.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=on)

    return Lock(what=f"table {name}", is_on=is_on, turn=turn)


def is_table_protected(described: Any) -> bool:  # noqa: ANN401 - as AWS answers
    """Whether a table refuses to be deleted."""
    return bool(described.get("DeletionProtectionEnabled"))


def is_pool_protected(aws: Aws, pool: str) -> bool:
    """Whether a user pool refuses to be deleted. Raises botocore's errors."""
    described = aws.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
    return bool(described.get("DeletionProtection") == "ACTIVE")


def _turn_stack(aws: Aws, name: str, *, on: bool) -> None:
    aws.cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=on)


# --- the user pool ---------------------------------------------------------------------------------------


def _turn_pool(aws: Aws, pool: str, *, on: bool) -> None:
    """Cognito resets whatever an update leaves out, so all that it tells of the pool is said again."""
    cognito = aws.client("cognito-idp")
    described = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    factors = cognito.get_user_pool_mfa_config(UserPoolId=pool)
    kept = _known(cognito, "UpdateUserPool", described)
    kept |= {"UserPoolId": pool, "DeletionProtection": "ACTIVE" if on else "INACTIVE"}
    _without_twins(kept)
    try:
        cognito.update_user_pool(**kept)
    except ClientError as error:
        if error_code(error) != "InvalidParameterException" or "MfaConfiguration" not in kept:
            raise
        # A pool whose second factor is an app only cannot say so here; below it is set again.
        kept.pop("MfaConfiguration")
        cognito.update_user_pool(**kept)
    _restore_factors(cognito, pool, factors)


def _known(cognito: Any, operation: str, content: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - no stubs
    """What of an answer the operation takes back."""
    members = cognito.meta.service_model.operation_model(operation).input_shape.members
    return {name: value for name, value in content.items() if name in members}


def _without_twins(kept: dict[str, Any]) -> None:
    """One setting that Cognito tells twice and takes once."""
    policy = kept.get("Policies", {}).get("PasswordPolicy", {})
    if "TemporaryPasswordValidityDays" in policy and "AdminCreateUserConfig" in kept:
        invitations = dict(kept["AdminCreateUserConfig"])
        invitations.pop("UnusedAccountValidityDays", None)
        kept["AdminCreateUserConfig"] = invitations


def _restore_factors(cognito: Any, pool: str, before: dict[str, Any]) -> None:  # noqa: ANN401 - no stubs
    wanted = _known(cognito, "SetUserPoolMfaConfig", before)
    if _known(cognito, "SetUserPoolMfaConfig", cognito.get_user_pool_mfa_config(UserPoolId=pool)) != wanted:
        cognito.set_user_pool_mfa_config(UserPoolId=pool, **wanted)
