"""What a simulator process is started with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Identifiers, secrets and timing of one run. Durations are in seconds."""

    app_secret: str
    partner_key: str
    platform_secret: str
    app_id: str = "1234567890"
    config_id: str = "9876543210"
    partner_id: str = "localPA"
    solution_id: str = "123456789012345"
    audience: str = "onramp-local"
    issuer_name: str | None = None
    seed: int | None = None
    step_seconds: float = 0.4
    code_lifetime_seconds: float = 30.0
    budget_calls: int = 5
    budget_window_seconds: float = 30.0


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
