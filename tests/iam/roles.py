"""Sessions of roles, and their policies."""

import contextlib
import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from local.aws import Aws
from local.run import LocalStack

type Json = dict[str, Any]

POLICY_NAME = "Own"
"""The one policy of each function's role."""


def role_of(run: LocalStack, name: str) -> str:
    """The ARN of a function's role."""
    settings = run.aws.functions.get_function_configuration(FunctionName=run.deployed.functions[name])
    return settings["Role"]


@contextlib.contextmanager
def acting_as(aws: Aws, role: str) -> Iterator[Aws]:
    """Clients that may do what a role may, and nothing else.

    A role of Lambda's trusts no person, but the emulator lets the account's root take Lambda's place.
    """
    taken = aws.sts.assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    session = Aws(
        endpoint=aws.endpoint,
        access_key=taken["AccessKeyId"],
        secret_key=taken["SecretAccessKey"],
        session_token=taken["SessionToken"],
    )
    with contextlib.closing(session):
        yield session


@contextlib.contextmanager
def new_role(aws: Aws, statements: Sequence[Json]) -> Iterator[Aws]:
    """Clients of a role made for the moment, which the account may take."""
    name = f"probe-{secrets.token_hex(4)}"
    owner = {"AWS": "arn:aws:iam::000000000000:root"}
    trust = {"Effect": "Allow", "Principal": owner, "Action": "sts:AssumeRole"}
    made = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document([trust]))["Role"]
    try:
        if statements:
            aws.iam.put_role_policy(
                RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=document(statements)
            )
        with acting_as(aws, made["Arn"]) as session:
            yield session
    finally:
        if statements:
            aws.iam.delete_role_policy(RoleName=name, PolicyName=POLICY_NAME)
        aws.iam.delete_role(RoleName=name)


def statements_of(aws: Aws, role: str) -> list[Json]:
    """The statements of a function's role as deployed."""
    policy = aws.iam.get_role_policy(RoleName=_name(role), PolicyName=POLICY_NAME)["PolicyDocument"]
    found: list[Json] = policy["Statement"]
    return found


@contextlib.contextmanager
def reduced_to(aws: Aws, role: str, statements: Sequence[Json]) -> Iterator[None]:
    """Leaves a function's role some of its statements for a while."""
    whole = statements_of(aws, role)
    _put(aws, role, statements)
    try:
        yield
    finally:
        _put(aws, role, whole)


def document(statements: Sequence[Json]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _put(aws: Aws, role: str, statements: Sequence[Json]) -> None:
    if not statements:  # a policy without a statement is malformed
        aws.iam.delete_role_policy(RoleName=_name(role), PolicyName=POLICY_NAME)
        return
    aws.iam.put_role_policy(RoleName=_name(role), PolicyName=POLICY_NAME, PolicyDocument=document(statements))


def _name(role: str) -> str:
    return role.rpartition("/")[2]
