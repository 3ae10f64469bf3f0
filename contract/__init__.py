"""What others rely on, one table for each kind: routes, operations, bus events, sample events.

`python -m contract` writes what is made from the tables (`openapi.json`, `bus.json`, `events/`), with
``--check`` it compares. It reads what is deployed, so `functions/` joins the path here.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# In a checkout, and where `setup.py` packs it.
for _functions in (_ROOT / "functions", _ROOT / "onramp_cdk" / "project" / "functions"):
    if _functions.is_dir() and str(_functions) not in sys.path:
        sys.path.append(str(_functions))
