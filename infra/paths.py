"""Where things are in the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
FUNCTIONS = ROOT / "functions"
RUNTIME_LOCK = ROOT / "requirements" / "runtime.txt"
# Work of runs, not for version control.
BUNDLES = ROOT / ".local" / "bundles"
