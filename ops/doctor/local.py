"""A local run's stage: its addresses are those that the run has chosen, not those of the file."""

from collections.abc import Mapping
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra.config import LOCAL_STAGE
from ops.doctor.checks.stack import jwt_settings
from ops.doctor.findings import Stop
from ops.doctor.stage import Stage, local_values
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached


def as_run_here(stage: Stage, overrides: Mapping[str, str]) -> Stage:
    """The stage itself, a local run's with its addresses; what was given with ``-c`` comes first.

    Raises `UnusableError`.
    """
    if not stage.values.is_local:
        return stage
    try:
        found = local_values(stage.values, stage.functions())
        for settings in jwt_settings(stage):
            found |= {"api.jwt_issuer": settings["Issuer"], "api.jwt_audience": settings.get("Audience", [])}
    except (Stop, ClientError, BotoCoreError) as error:
        raise UnusableError(
            f"the {LOCAL_STAGE} run does not tell its addresses ({type(error).__name__})"
        ) from error
    stage.values = stage.values.changed(
        {name: value for name, value in found.items() if name not in overrides}
    )
    return stage


def stage_of(found: Reached, http: httpx.Client, **more: Any) -> Stage:  # noqa: ANN401 - fields of `Stage`
    """A stage that was found, as the checks see it. Raises `UnusableError`."""
    stage = Stage(
        values=found.values,
        stack_name=found.stack_name,
        outputs=found.outputs,
        stack=found.stack,
        aws=found.aws,
        http=http,
        **more,
    )
    return as_run_here(stage, found.overrides)
