"""Tools for the person who operates Onramp: the command ``onramp``."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# From a checkout, without being installed: the shared package of the functions has a root of its own.
if importlib.util.find_spec("onramp") is None:
    sys.path.insert(0, str(ROOT / "functions"))
