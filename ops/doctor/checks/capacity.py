"""Whether functions may run at all: the account's limit, and nobody's concurrency of zero."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from infra.cards import CARDS
from ops.doctor.findings import Finding, fail, ok, skipped, together, warn
from ops.doctor.stage import Stage

ENOUGH: Final = 50
"""Runs at once that leave room for a burst of webhooks beside workers and API."""
UNRESERVED: Final = 100
"""Of the account's limit Lambda lets nobody reserve the last hundred."""
_QUOTA: Final = (
    "Ask for 1000 in Service Quotas (Lambda, Concurrent executions, L-B99A9384): free, takes a day."
)
_RESUME: Final = "`onramp resume --stage {stage}`, or deploy again."


def capacity(stage: Stage) -> Finding:
    """No function is switched off by a concurrency of 0; the account lets enough of them run."""
    if stage.aws.is_emulated:
        return _switched_off_only(stage)
    problems = list(_switched_off(stage))
    limit = account_limit(stage.aws.functions.get_account_settings(), stage.values.get)
    # What is well needs no word beside what is not.
    problems += [] if limit.level == "ok" else [limit]
    return together(problems, f"no function is switched off; {limit.detail}")


def _switched_off_only(stage: Stage) -> Finding:
    return together(_switched_off(stage), "no function is switched off")


def account_limit(settings: Any, value: Callable[[str], object]) -> Finding:  # noqa: ANN401 - as AWS answers
    """How many functions the account may run at once.

    Args:
        settings: Lambda's answer to GetAccountSettings.
        value: gives a value of the configuration by its name.
    """
    limit = int(settings["AccountLimit"]["ConcurrentExecutions"])
    told = f"the account may run {limit} functions at once"
    reserved = value("stage.receiver_concurrency")
    if isinstance(reserved, int) and limit - reserved < UNRESERVED:
        return fail(
            f"{told}: too few to reserve {reserved} for the receiver, for {UNRESERVED} have to stay free",
            f"{_QUOTA} Until then leave [stage] receiver_concurrency away.",
        )
    if limit < ENOUGH:
        return warn(f"{told}: webhooks, API and workers share them", _QUOTA)
    return ok(told)


def _switched_off(stage: Stage) -> Iterator[Finding]:
    functions = stage.functions()
    if not functions:
        yield skipped("the stack names no functions: see the check `stack`")
        return
    off = [name for name in CARDS if name in functions and _is_off(stage, functions[name].physical)]
    if off:
        yield fail(f"switched off by a concurrency of 0: {', '.join(off)}", _RESUME.format(stage=stage.name))


def _is_off(stage: Stage, physical: str) -> bool:
    answer: Any = stage.aws.functions.get_function_concurrency(FunctionName=physical)
    return bool(answer.get("ReservedConcurrentExecutions") == 0)
