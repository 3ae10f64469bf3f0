"""What cdk-nag finds and we leave as it is: one table, each line with its reason.

A finding that is not here fails the synthesis; a line that matches no finding fails a test.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from constructs import IConstruct

from infra.cards import CARDS, Schedule

RUNTIME = "All tests run on Python 3.13, and bundles hold bytecode for exactly that; both move up together."
NO_DEAD_LETTERS = (
    "Nobody calls it asynchronously: the caller, or the queue or stream in front of it, sees its failure."
)
TRACES = "X-Ray knows no resources: PutTraceSegments and PutTelemetryRecords can only be allowed on all."
LAST_QUEUE = "It is the dead-letter queue itself; an alarm watches it."


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One finding: the rule, the constructs below the Onramp, and why it stays.

    A path that ends in ``*`` means all constructs beside each other whose names begin so. ``{key_route}`` in
    a rule is the ARN of the route for keys, as cdk-nag spells it; ``{link_routes}`` stands for each of those
    for makers of links, ``{bodies}`` for the objects of the bucket of large bodies.
    """

    rule: str
    paths: tuple[str, ...]
    reason: str


_FUNCTIONS = tuple(f"Functions/{card.logical_id}" for card in CARDS.values())
_SCHEDULED = tuple(
    f"Functions/{card.logical_id}" for card in CARDS.values() if isinstance(card.trigger, Schedule)
)
_ROLES = tuple(f"{path}Role" for path in _FUNCTIONS)
_QUEUES = ("Jobs", "Events", "Relay", "Notifications")
_DEAD_LETTERS = tuple(f"Messaging/{name}Dlq" for name in (*_QUEUES, "Schedules", "Stream"))

ACKNOWLEDGED = (
    Acknowledged("AwsSolutions-IAM5[Resource::*]", _ROLES, TRACES),
    Acknowledged("Serverless-LambdaStarPermissions", _ROLES, TRACES),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::*]",
        ("Releases/Role",),
        "CodeDeploy reads the alarms it is bound to: DescribeAlarms is allowed on all or on none.",
    ),
    Acknowledged(
        "Serverless-LambdaTracing",
        _FUNCTIONS,
        "A stage switches it on where it is wanted: it shows a run, and none of the calls it makes.",
    ),
    Acknowledged("AwsSolutions-L1", _FUNCTIONS, RUNTIME),
    Acknowledged("Serverless-LambdaLatestVersion", _FUNCTIONS, RUNTIME),
    Acknowledged(
        "Serverless-LambdaDLQ",
        tuple(path for path in _FUNCTIONS if path not in _SCHEDULED),
        NO_DEAD_LETTERS,
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        _SCHEDULED,
        "Its asynchronous invocations have a failure destination, the newer form: Messaging/SchedulesDlq.",
    ),
    Acknowledged(
        "Serverless-LambdaEventSourceMappingDestination",
        tuple(f"{name}Consumer/Source" for name in _QUEUES),
        "Destinations are for streams: a queue keeps failed messages itself and has a redrive policy.",
    ),
    Acknowledged("AwsSolutions-SQS3", ("Messaging/SchedulesDlq", "Messaging/StreamDlq"), LAST_QUEUE),
    Acknowledged("Serverless-SQSRedrivePolicy", _DEAD_LETTERS, LAST_QUEUE),
    Acknowledged(
        "Serverless-SNSRedrivePolicy",
        ("Alarms/Email*",),
        "An email that cannot be delivered is no work to do later: the alarm stays on in CloudWatch.",
    ),
    Acknowledged(
        "AwsSolutions-S1",
        ("Bodies/Bucket",),
        "Bodies live some days and are named in each event handed on; a log would need a bucket of its own.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::{bodies}]",
        ("Functions/EventRelayRole", "Functions/PartnerEventWorkerRole"),
        "The wildcard is the body: one bucket of the stack's own holds nothing else.",
    ),
    Acknowledged(
        "AwsSolutions-SMG4",
        ("Secrets/Secret",),
        "Meta and 360dialog issue what is in it; a person rotates it there and here, without a deployment.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        ("Api/Http/GET--v1--config",),
        "It gives what every visitor's browser is told anyway: app id, configuration id, Graph version.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        ("Api/Http/GET--signup", "Api/Http/GET--signup--{file}"),
        "The hosted page's own files, the same for everybody; its function can read nothing else.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        ("Api/Http/POST--v1--webhooks--360dialog", "Api/Http/POST--v1--webhooks--360dialog--{hub}"),
        "360dialog has no token of ours: the function checks the signature over the raw bytes.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        (
            "Api/Http/GET--v1--webhooks--meta",
            "Api/Http/POST--v1--webhooks--meta",
            "Api/Http/POST--v1--webhooks--meta--data-deletion",
            "Api/Http/POST--v1--webhooks--meta--deauthorize",
        ),
        "Nor has Meta: the function checks its signatures, and at the handshake the verify token.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        ("Api/Http/GET--v1--deletions--{code}",),
        "Who asked for deletion has a code that nobody guesses, and is told how far it is, nothing else.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        (
            "Api/Http/GET--v1--linked-signup",
            "Api/Http/POST--v1--linked-signup--code",
            "Api/Http/POST--v1--linked-signup--numbers",
            "Api/Http/POST--v1--linked-signup--outcome",
            "Api/Http/POST--v1--linked-signup--retry",
        ),
        "A customer with a signup link has no token of the partner's: the function checks the link's own.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::{link_routes}]",
        ("Api/LinkMaker",),
        "The wildcard is the tenant, and the link: a partner's own server makes links for all its customers.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::{key_route}]",
        ("Api/KeyReader",),
        "The wildcard is the channel: whoever sends for all customers fetches the keys of all channels.",
    ),
    Acknowledged(
        "AwsSolutions-COG2",
        ("Users/Pool",),
        "Each user may switch TOTP on. Who must have it is the deployer's choice, whose users they are.",
    ),
    Acknowledged(
        "AwsSolutions-COG8",
        ("Users/Pool",),
        "The plus plan is charged by the user; this pool is for invited operators behind a long password.",
    ),
)


def acknowledge(
    onramp: IConstruct,
    lines: Iterable[Acknowledged],
    *,
    key_route: str,
    link_routes: Sequence[str],
    bodies: str | None,
) -> None:
    """Write the table into an Onramp. Lines for what a stage does not have (its user pool) are left out.

    Args:
        onramp: the construct that the paths are below.
        lines: the table.
        key_route: the ARN of the route for keys, with what only CloudFormation knows as tokens.
        link_routes: the same of the routes for makers of links.
        bodies: the ARN of all objects in the bucket of large bodies, None where there is none.
    """
    stack = cdk.Stack.of(onramp)
    spelled = {
        name: [_as_nag_spells(stack.resolve(arn)) for arn in arns]
        for name, arns in (
            ("{key_route}", [key_route]),
            ("{link_routes}", link_routes),
            ("{bodies}", [bodies] if bodies else []),
        )
    }
    for line in lines:
        for path in line.paths:
            for construct in _find(onramp, path):
                for rule in _spelled(line.rule, spelled):
                    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=rule, reason=line.reason))


def _spelled(rule: str, arns: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """A rule as cdk-nag spells it, once for each ARN that it stands for."""
    name = next((name for name in arns if name in rule), None)
    return [rule] if name is None else [rule.replace(name, arn) for arn in arns[name]]


def _find(onramp: IConstruct, path: str) -> Sequence[IConstruct]:
    found: IConstruct | None = onramp
    *above, last = path.split("/")
    for name in above:
        found = found.node.try_find_child(name) if found is not None else None
    if found is None:
        return ()
    if last.endswith("*"):
        return [child for child in found.node.children if child.node.id.startswith(last[:-1])]
    child = found.node.try_find_child(last)
    return () if child is None else (child,)


def _as_nag_spells(value: object) -> str:
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, [*parts]]}:
            return str(separator).join(map(_as_nag_spells, parts))
    return str(value)
