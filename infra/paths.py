"""Where things are: in a checkout of the project, or in the package that `setup.py` makes of one."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Installed, this is what stands in for the checkout: code to bundle and the lock of what it needs.
_PACKED = ROOT / "onramp_cdk" / "project"
_PROJECT = _PACKED if _PACKED.is_dir() else ROOT
CONFIG = _PROJECT / "config"
FUNCTIONS = _PROJECT / "functions"
RUNTIME_LOCK = _PROJECT / "requirements" / "runtime.txt"
SENDER_LOCK = _PROJECT / "requirements" / "sender.txt"
PAGE = _PROJECT / "web" / "page"
BROWSER_MODULE = _PROJECT / "web" / "dist" / "onramp.js"


def _bundles() -> Path:
    """Where finished bundles are kept: beside the checkout's other work of runs, else in the user's cache."""
    if _PROJECT is ROOT:
        return ROOT / ".local" / "bundles"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onramp" / "bundles"


# Work of runs, not for version control.
BUNDLES = _bundles()
