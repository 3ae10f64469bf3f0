"""What others rely on, one table for each kind: routes, operations, bus events, sample events.

`python -m contract` writes what is made from the tables (`openapi.json`, `bus.json`, `events/`), with
``--check`` it compares. It reads what is deployed, so `functions/` joins the path here.
"""

import sys
from pathlib import Path

_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
