"""How the checks before a deployment ask AWS."""

from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.doctor.findings import Finding, Stop, ok
from ops.doctor.stage import Stage
from ops.stage.aws import error_code

_ABSENT: Final = frozenset(
    {
        "ValidationError",
        "ResourceNotFoundException",
        "ParameterNotFound",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchHostedZone",
    }
)


def found(ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - as AWS answers
    """An answer, None when AWS says that there is no such thing."""
    try:
        return ask()
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return None
        raise


def stands(stage: Stage) -> bool:
    """Whether there is a stack of that name already."""
    return bool(found(lambda: stage.aws.cloudformation.describe_stacks(StackName=stage.stack_name)))


def guarded(run: Callable[[Stage], Finding]) -> Callable[[Stage], Finding]:
    """Local runs are on an emulator: there is nothing to be found out about an account."""

    def check(stage: Stage) -> Finding:
        if stage.values.is_local:
            raise Stop(ok("a local run needs no account"))
        return run(stage)

    return check
