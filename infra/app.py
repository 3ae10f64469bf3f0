"""The CDK application.

Runs by itself, ``CDK_OUTDIR=cdk.out python infra/app.py``, or under the CDK's command line; both offline.

Context, from ``-c name=value`` or as JSON in ``CDK_CONTEXT_JSON``:

- ``stage``: which ``config/<stage>.toml`` (else the variable ``ONRAMP_STAGE``)
- ``local``: ``true`` builds the functions for this machine instead of Lambda's arm64
- ``skip_bundling``: ``true`` puts an empty package in place of the functions' code, to look at a template
- ``<section>.<key>``: any value of the configuration, for this run
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
if sys.path[0] == str(HERE):
    # Run as a file, its own folder comes first on the path, and `infra/constructs` would hide the CDK's own
    # package of that name. Replace it by the project's root.
    sys.path[0] = str(HERE.parent)

from infra.node import use_packaged_node  # noqa: E402

use_packaged_node()

import aws_cdk as cdk  # noqa: E402

from infra.acknowledged import ACKNOWLEDGED, Acknowledged, acknowledge  # noqa: E402
from infra.bundling import Bundle, BundleError, build_bundles, empty_bundles  # noqa: E402
from infra.cards import PackageName  # noqa: E402
from infra.checks import FindingsError, add_rule_packs, synthesize  # noqa: E402
from infra.config import ConfigError, DeploymentConfig, load_config, overridable_values  # noqa: E402
from infra.paths import CONFIG  # noqa: E402
from infra.stack import OnrampStack  # noqa: E402

# In code rather than in cdk.json, so that the template is the same with and without the CDK's command line.
FEATURES: dict[str, object] = {
    "@aws-cdk/aws-iam:minimizePolicies": False,  # one statement for each grant of a card
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/core:target-partitions": ["aws", "aws-cn", "aws-us-gov"],
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
    "@aws-cdk/aws-kms:reduceCrossAccountRegionPolicyScope": True,
    # Where each function's code is, for tools that run the template on a laptop.
    "aws:cdk:enable-asset-metadata": True,
}


def build_app(
    *,
    context: dict[str, object] | None = None,
    outdir: str | None = None,
    acknowledged: Iterable[Acknowledged] = ACKNOWLEDGED,
) -> cdk.App:
    """The application with its checks, not yet synthesized.

    Args:
        context: values as from ``-c``; those of the command line and of the environment come first.
        outdir: where the cloud assembly goes; else ``CDK_OUTDIR``, else a temporary folder.
        acknowledged: the findings of the checks that do not count.

    Raises:
        ConfigError: the configuration cannot be used.
        BundleError: the functions' code cannot be packaged.
    """
    app = cdk.App(context=FEATURES | (context or {}), outdir=outdir, analytics_reporting=False)
    config = _config(app)
    stack = OnrampStack(app, f"Onramp-{config.stage.name}", config=config, bundles=_bundles(app))
    acknowledge(stack, acknowledged)
    add_rule_packs(app)
    return app


def _config(app: cdk.App) -> DeploymentConfig:
    stage = app.node.try_get_context("stage") or os.environ.get("ONRAMP_STAGE")
    if not stage:
        raise ConfigError("which stage? Give -c stage=<name> or ONRAMP_STAGE; it names config/<name>.toml")
    overrides = {name: app.node.try_get_context(name) for name in overridable_values()}
    return load_config(
        directory=CONFIG,
        stage=str(stage),
        overrides={name: value for name, value in overrides.items() if value is not None},
    )


def _bundles(app: cdk.App) -> dict[PackageName, Bundle]:
    local = _flag(app, "local")
    return empty_bundles(local=local) if _flag(app, "skip_bundling") else build_bundles(local=local)


def _flag(app: cdk.App, name: str) -> bool:
    return str(app.node.try_get_context(name)).lower() == "true"


def main() -> None:
    """Synthesize; a mistake of the person who deploys is told in plain words, and ends with status 1."""
    try:
        synthesize(build_app())
    except (ConfigError, BundleError, FindingsError) as error:
        sys.exit(f"onramp: {error}")


if __name__ == "__main__":
    main()
