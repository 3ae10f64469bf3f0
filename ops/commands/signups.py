"""``onramp signups``: what customers have begun."""

from ops.commands import lost
from ops.running import group

app = group("What customers have begun.")

lost.add_to(app)
