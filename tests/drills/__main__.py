"""Write the table of docs/drills.md anew: ``PYTHONPATH=functions python -m tests.drills``."""

from tests.drills.table import DOCUMENT, rewritten

DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
