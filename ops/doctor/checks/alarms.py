"""Whether anybody hears when an alarm rings."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.doctor.findings import Finding, fail, skipped, together, warn
from ops.doctor.stage import Stage
from ops.stage.aws import Aws, error_code

type Alarm = Mapping[str, Any]
_PENDING: Final = ("PendingConfirmation", "Deleted")
_NOBODY: Final = "Set [stage] alarm_emails or alarm_topic_arn and deploy."
_DEPLOY: Final = "Run `cdk deploy` for this stage; somebody has changed them by hand."


def alarms_of(aws: Aws, stack_name: str) -> list[Alarm]:
    """The stack's alarms, as CloudWatch tells of them. Raises botocore's errors."""
    pages = aws.metrics.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack_name}-")
    return [alarm for page in pages for alarm in page.get("MetricAlarms", [])]


def alarms(stage: Stage) -> Finding:
    """Each alarm tells a topic, and somebody has confirmed that the topic reaches them."""
    if stage.aws.is_emulated:
        return skipped("a local run has nobody to wake")
    found = alarms_of(stage.aws, stage.stack_name)
    if not found:
        return fail(f"there is no alarm of {stage.stack_name}", "Run `cdk deploy` for this stage.")
    topics = sorted({topic for alarm in found for topic in alarm.get("AlarmActions", [])})
    problems = [*_silent(found), *(item for topic in topics for item in _unheard(stage, topic))]
    return together(problems, f"{len(found)} alarms tell {len(topics)} topic(s), and somebody listens")


def _silent(found: list[Alarm]) -> Iterator[Finding]:
    tables = {
        "tell nobody": [alarm for alarm in found if not alarm.get("AlarmActions")],
        "have their actions switched off": [alarm for alarm in found if not alarm.get("ActionsEnabled")],
    }
    for what, which in tables.items():
        if which:
            yield warn(f"{len(which)} of {len(found)} alarms {what}: {_names(which)}", _DEPLOY)


def _names(which: list[Alarm]) -> str:
    names = [str(alarm.get("AlarmName", "")) for alarm in which]
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004 - as many as fit a line


def _unheard(stage: Stage, topic: str) -> Iterator[Finding]:
    try:
        pages = stage.aws.client("sns").get_paginator("list_subscriptions_by_topic")
        listed = [item for page in pages.paginate(TopicArn=topic) for item in page["Subscriptions"]]
    except ClientError as error:
        yield warn(
            f"who listens to {topic.rpartition(':')[2]} cannot be read ({error_code(error)})",
            "A topic of another account tells only its owner: ring an alarm, `onramp drill alarm`.",
        )
        return
    if not listed:
        yield warn(f"nobody listens to {topic.rpartition(':')[2]}", _NOBODY)
    waiting = [item for item in listed if item.get("SubscriptionArn") in _PENDING]
    if waiting:
        yield warn(
            f"{len(waiting)} of {len(listed)} subscriptions of {topic.rpartition(':')[2]} are not confirmed",
            "Confirm them by the link in AWS's email; was it lost, delete the subscription and deploy again.",
        )
