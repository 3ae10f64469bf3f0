"""The CDK application: a typed configuration, a card for each function, and one stack of constructs.

It reads what is deployed where both have to agree (`onramp.settings`), so `functions/` joins the path here.
"""

import sys
from pathlib import Path

_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
