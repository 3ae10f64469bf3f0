"""One synthesized template for all tests of the stack."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from infra.node import use_packaged_node

use_packaged_node()


NOTIFIED: Mapping[str, object] = MappingProxyType(
    {"notifications.endpoints": '{"crm": {"url": "https://hooks.example.com/onramp"}}'}
)
"""What the example leaves to its reader, so that all there may be is in the template."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The template of the stage ``example``, without the functions' code."""
    return synthesize("example", tmp_path_factory.mktemp("assembly-example"))


@pytest.fixture(scope="session")
def traced_template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The same stage with tracing switched on."""
    return synthesize("example", tmp_path_factory.mktemp("assembly-traced"), {"stage.tracing": "true"})


@pytest.fixture(scope="session")
def local_template(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The template of the local run: an issuer of its own, no tracing."""
    return synthesize("local", tmp_path_factory.mktemp("assembly-local"))


def synthesize(stage: str, folder: Path, values: Mapping[str, object] | None = None) -> Mapping[str, Any]:
    """The template of a stage, checked by the rule packs; `values` override its configuration."""
    # Here, so that tests which need no template do not wait for the CDK to load.
    from infra.app import build_app  # noqa: PLC0415
    from infra.checks import synthesize as checked  # noqa: PLC0415

    context = {"stage": stage, "skip_bundling": "true", **NOTIFIED, **(values or {})}
    assembly = checked(build_app(context=context, outdir=str(folder)))
    template: Mapping[str, Any] = assembly.get_stack_by_name(f"Onramp-{stage}").template
    return template
