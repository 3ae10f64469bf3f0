"""One synthesized template for all tests of the stack."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.node import use_packaged_node

use_packaged_node()

type Resource = Mapping[str, Any]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The template of the stage ``example``, without the functions' code."""
    return _synthesize("example", tmp_path_factory)


@pytest.fixture(scope="session")
def local_template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The template of the local run: an issuer of its own, no tracing."""
    return _synthesize("local", tmp_path_factory)


def _synthesize(stage: str, folders: pytest.TempPathFactory) -> Mapping[str, Any]:
    # Here, so that tests which need no template do not wait for the CDK to load.
    from infra.app import build_app  # noqa: PLC0415

    app = build_app(
        context={"stage": stage, "skip_bundling": "true"}, outdir=str(folders.mktemp(f"assembly-{stage}"))
    )
    template: Mapping[str, Any] = app.synth().get_stack_by_name(f"Onramp-{stage}").template
    return template
