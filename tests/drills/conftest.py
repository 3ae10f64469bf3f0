"""One local run for all drills, told of in a file of its own as `make local` does."""

from collections.abc import Iterator

import pytest

from local.published import published
from local.run import local_stack
from local.serve import describe
from tests.drills.stage import OPTIONS, Drill, Stage, drill_on, stage_of


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with local_stack(OPTIONS) as run, published(describe(run, ""), run.folder / "serve.json") as file:
        yield stage_of(run, file)


@pytest.fixture
def drill(stage: Stage) -> Iterator[Drill]:
    with drill_on(stage) as drill:
        yield drill
