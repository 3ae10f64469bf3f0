"""The command line of ``onramp preflight``."""

from contextlib import closing
from typing import Final

from ops.doctor.command import (
    Listing,
    More,
    Only,
    Skip,
    Strict,
    Timeout,
    chosen,
    examine_and_tell,
    list_checks,
    positive,
)
from ops.doctor.http import new_client
from ops.doctor.stage import Stage
from ops.preflight.checks import CHECKS
from ops.running import Run, command, group
from ops.stage.configuration import UnusableError
from ops.stage.reaching import locate

DEFAULT_PATIENCE: Final = 20.0
app = group("Checks.")


@command(
    app,
    "preflight",
    epilog="Exit code 0: all well or warnings only; 1: something failed.",
    spends="one for each hub beside that of [partner], if there are some",
)
def preflight(
    run: Run,
    *,
    names: More = None,
    only: Only = None,
    skip: Skip = None,
    list_: Listing = False,
    strict: Strict = False,
    timeout: Timeout = DEFAULT_PATIENCE,
) -> int:
    """Say what would make a deployment fail, before it is tried.

    Looks at the account, the region and what the configuration names. Changes nothing, and needs no stack.
    """
    if list_:
        return list_checks(run, CHECKS)
    where = locate(run.where)
    checks = chosen(CHECKS, [*(only or ()), *(names or ())], skip or ())
    if not checks:
        raise UnusableError("no check is left to run")
    with new_client() as http, closing(where.aws):
        stage = Stage(
            values=where.values,
            stack_name=where.stack_name,
            outputs={},
            aws=where.aws,
            http=http,
            patience=positive(timeout),
        )
        return examine_and_tell(run, stage, checks, strict=strict)
