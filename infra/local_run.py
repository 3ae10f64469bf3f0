"""Where a local run says what it runs on: `local/` writes it, `ops/` reads it, also without `local/`."""

import os
from pathlib import Path
from typing import Final

RUN_FILE_VARIABLE: Final = "ONRAMP_LOCAL_RUN"
"""Names that file, so that several local runs can be up at one time."""


def run_file(root: Path) -> Path:
    """The file of the local run that is meant: ``$ONRAMP_LOCAL_RUN``, else the usual one below a root."""
    named = os.environ.get(RUN_FILE_VARIABLE)
    return Path(named) if named else root / ".local" / "serve.json"
