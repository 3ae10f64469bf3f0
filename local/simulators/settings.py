"""What a simulator process is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPartner:
    """A further partner at 360dialog, with clients, channels, budget and webhooks of its own."""

    partner_key: str
    platform_secret: str
    solution_id: str = "223456789012345"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Identifiers, secrets and timing of one run. Durations are in seconds.

    `other_flows`: further login configurations, ids by name; `config_id` is the standard one.
    `other_partners`: further partners of 360dialog's, by id.
    """

    app_secret: str
    partner_key: str
    platform_secret: str
    system_user_token: str = "EAAlocalSystemUser"
    app_id: str = "1234567890"
    config_id: str = "9876543210"
    other_flows: Mapping[str, str] = field(default_factory=dict)
    partner_id: str = "localPA"
    solution_id: str = "123456789012345"
    other_partners: Mapping[str, OtherPartner] = field(default_factory=dict)
    audience: str = "onramp-local"
    issuer_name: str | None = None
    seed: int | None = None
    step_seconds: float = 0.4
    code_lifetime_seconds: float = 30.0
    budget_calls: int = 5
    budget_window_seconds: float = 30.0

    def of_partners(self) -> "Mapping[str, Settings]":
        """Return the settings of each partner, by id; this run's own is the first."""
        others = {
            name: replace(
                self,
                partner_id=name,
                partner_key=other.partner_key,
                platform_secret=other.platform_secret,
                solution_id=other.solution_id,
            )
            for name, other in self.other_partners.items()
        }
        return {self.partner_id: self, **others}

    def login_configurations(self) -> dict[str, str]:
        """Return the ids of the login configurations that the app has, by name."""
        return {"standard": self.config_id, **self.other_flows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where the three servers are reached, without a trailing slash."""

    meta: str = "http://meta.test"
    dialog: str = "http://dialog.test"
    issuer: str = "http://issuer.test"

    @property
    def partner(self) -> str:
        """Base URL of 360dialog's Partner API."""
        return f"{self.dialog}/api/v2"

    @property
    def messaging(self) -> str:
        """Base URL of 360dialog's messaging host."""
        return f"{self.dialog}/messaging"
