"""The CDK application.

Runs by itself, ``CDK_OUTDIR=cdk.out python infra/app.py``, or under the CDK's command line; both offline.

Context, from ``-c name=value`` or as JSON in ``CDK_CONTEXT_JSON``:

- ``stage``: which ``config/<stage>.toml`` (else the variable ``ONRAMP_STAGE``)
- ``config``: a file from elsewhere, in its place (else the variable ``ONRAMP_CONFIG``)
- ``local``: ``true`` builds the functions for this machine instead of Lambda's arm64
- ``skip_bundling``: ``true`` puts an empty package in place of the functions' code, to look at a template
- ``<section>.<key>``: any value of the configuration, for this run

A name that looks like one of these and is none is refused: ignored, it would deploy something not meant.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
if sys.path[0] == str(HERE):
    # Run as a file, its own folder comes first on the path, and `infra/constructs` would hide the CDK's own
    # package of that name. Replace it by the project's root.
    sys.path[0] = str(HERE.parent)

from infra.node import use_packaged_node  # noqa: E402

use_packaged_node()

import aws_cdk as cdk  # noqa: E402

from infra.acknowledged import ACKNOWLEDGED, Acknowledged  # noqa: E402
from infra.bundling import Bundle, BundleError, build_bundles, empty_bundles  # noqa: E402
from infra.cards import PackageName  # noqa: E402
from infra.checks import FindingsError, add_rule_packs, synthesize  # noqa: E402
from infra.config import ConfigError, DeploymentConfig, load_config, overridable_values  # noqa: E402
from infra.config_rules import Around  # noqa: E402
from infra.features import FEATURES  # noqa: E402
from infra.mistakes import nearest  # noqa: E402
from infra.paths import CONFIG  # noqa: E402
from infra.stack import OnrampStack  # noqa: E402

SWITCHES = ("stage", "config", "local", "skip_bundling")


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
    app = cdk.App(context={**FEATURES, **(context or {})}, outdir=outdir, analytics_reporting=False)
    config = _config(app)
    OnrampStack(
        app,
        f"Onramp-{config.stage.name}",
        config=config,
        bundles=_bundles(app),
        acknowledged=acknowledged,
        env=_place(config),
    )
    add_rule_packs(app)
    return app


def _config(app: cdk.App) -> DeploymentConfig:
    context: Mapping[str, object] = app.node.get_all_context()
    _refuse_strangers(context)
    stage = context.get("stage") or os.environ.get("ONRAMP_STAGE")
    if not stage:
        raise ConfigError("which stage? Give -c stage=<name> or ONRAMP_STAGE; it names config/<name>.toml")
    path = context.get("config") or os.environ.get("ONRAMP_CONFIG")
    return load_config(
        directory=CONFIG,
        stage=str(stage),
        overrides={name: value for name, value in context.items() if _is_value(name) and value is not None},
        path=Path(str(path)) if path else None,
        # What the CDK's command line says of the credentials in use.
        around=Around(
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
        ),
    )


def _is_value(name: str) -> bool:
    """Whether a name of the context is meant as ``section.key``, or a table such as ``hubs``.

    The CDK's have a colon, a slash or an @.
    """
    return name in overridable_values() or ("." in name and not set(name) & set(":/@"))


def _refuse_strangers(context: Mapping[str, object]) -> None:
    """Raise `ConfigError` for a name without a dot that is nearly one of ours, or half of one."""
    keys = {name.partition(".")[2]: name for name in overridable_values()}
    for name in context:
        if name in SWITCHES or not name.replace("_", "").isalnum():
            continue
        if "_" in name and name in keys:
            raise ConfigError(f"-c {name}: there is no such name; did you mean -c {keys[name]}?")
        if (meant := nearest(name, SWITCHES, alike=0.8)) is not None:
            raise ConfigError(f"-c {name}: there is no such name; did you mean -c {meant}?")


def _place(config: DeploymentConfig) -> cdk.Environment | None:
    """Account and region that the stage belongs to, as far as it says so; the command line refuses others."""
    stage = config.stage
    if stage.account is None and stage.region is None:
        return None
    return cdk.Environment(account=stage.account, region=stage.region)


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
