"""What a running `serve` tells tools: a file that is there as long as the run."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import local_run
from local.children import PROJECT_ROOT


def run_file() -> Path:
    """The file of this project's local run, see `infra.local_run`."""
    return local_run.run_file(PROJECT_ROOT)


@contextlib.contextmanager
def published(facts: Mapping[str, Any], file: Path | None = None) -> Iterator[Path]:
    """Writes the facts of a run to its file while the context lasts.

    Args:
        facts: What ``local.serve.describe`` gives.
        file: Where to; by default what ``run_file`` says.

    Yields:
        The file, which only its owner may read.

    Raises:
        OSError: It cannot be written.
    """
    file = file or run_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(facts, out, indent=2)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
