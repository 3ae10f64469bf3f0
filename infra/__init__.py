"""The CDK application: a typed configuration, a card for each function, and one stack of constructs.

It reads what is deployed where both have to agree (`onramp.settings`), so `functions/` joins the path here.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# In a checkout, and where `setup.py` packs it.
for _functions in (_ROOT / "functions", _ROOT / "onramp_cdk" / "project" / "functions"):
    if _functions.is_dir() and str(_functions) not in sys.path:
        sys.path.append(str(_functions))
