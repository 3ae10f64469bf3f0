"""Before the first event: what can be ready by then, and what two copies of a snapshot must not share.

Standard library only, see `onramp.adapters.wire`.
"""

import gc
import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType

PLUGINS = "pydantic.plugin._loader"
"""The module in which pydantic looks for plugins."""


def on_lambda() -> bool:
    """Whether this process is a function's, and no test's that imports one."""
    return "AWS_LAMBDA_RUNTIME_API" in os.environ


def without_plugins() -> None:
    """Put something in the place of what looks for pydantic's plugins: there are none.

    It would load importlib.metadata, zipfile and email before it asks whether it shall look at all, and that
    is a twentieth of a cold start.
    """
    none = ModuleType(PLUGINS)
    vars(none)["get_plugins"] = tuple
    sys.modules.setdefault(PLUGINS, none)


def started() -> None:
    """Everything is loaded and stays: garbage is looked for among what comes from now on."""
    gc.freeze()
    gc.enable()


def around_snapshots(before: Callable[[], None], after: Callable[[], None]) -> None:
    """With SnapStart: call `before` a snapshot is taken, and `after` each time it is restored.

    Elsewhere this does nothing, and loads nothing.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    try:
        # Brought along by Lambda, and only there.
        snapshots = importlib.import_module("snapshot_restore_py")
    except ImportError:
        return
    snapshots.register_before_snapshot(before)
    snapshots.register_after_restore(after)
