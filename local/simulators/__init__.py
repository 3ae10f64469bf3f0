"""Simulators of Meta's Graph API, of 360dialog and of an identity provider.

They follow what is known of the real services, doubts included: each doubt is an option, each way a
network call can fail is a fault that can be switched on. `README.md` beside this file lists both.

In tests build them in one process with `build` and a `ManualClock`; to serve them on ports run
`python -m local.simulators`.
"""

from local.simulators.app import Seams, Simulators, build
from local.simulators.clock import ManualClock
from local.simulators.inprocess import SyncRunner
from local.simulators.settings import OtherPartner, Settings, Urls

__all__ = ["ManualClock", "OtherPartner", "Seams", "Settings", "Simulators", "SyncRunner", "Urls", "build"]
