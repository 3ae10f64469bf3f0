"""Onramp for a CDK app of your own.

    from onramp_cdk import Onramp, load_config

    config = load_config(directory=Path("config"), stage="prod")
    onramp = Onramp(stack, "Onramp", config=config)

One Onramp in each stack. Its tools read the stack ``Onramp-<stage>``, so that is the best name for it.
"""

import importlib
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent
# What this package is made of. The names are short, and an app's own modules come first on its path.
_PARTS = ("infra", "contract", "onramp")


def _refuse_namesakes() -> None:
    """Raise `ImportError` when a name of ours leads to a module of somebody else's."""
    for name in _PARTS:
        module = importlib.import_module(name)
        found = module.__file__ or next(iter(module.__path__))
        if not Path(found).resolve().is_relative_to(_HOME):
            raise ImportError(
                f"onramp_cdk needs its own module {name!r}, and finds that of {found}: rename yours, or "
                "synthesize Onramp in an app that stands elsewhere"
            )


_refuse_namesakes()

from infra.node import use_packaged_node  # noqa: E402

use_packaged_node()

from infra.bundling import Bundle, BundleError, build_bundles, empty_bundles  # noqa: E402
from infra.config import ConfigError, DeploymentConfig, load_config  # noqa: E402
from infra.stack import Onramp  # noqa: E402

__all__ = [
    "Bundle",
    "BundleError",
    "ConfigError",
    "DeploymentConfig",
    "Onramp",
    "build_bundles",
    "empty_bundles",
    "load_config",
]
