"""The way of a channel from submission to live, one event a step."""

from collections.abc import Callable
from dataclasses import dataclass

from local.simulators.clock import Agenda, Now
from local.simulators.hub import STATES, Channel, Hub, channel_view
from local.simulators.web import Json
from local.simulators.webhooks import WebhookSender, channel_data


@dataclass(slots=True, kw_only=True)
class Lifecycle:
    """Moves channels on and tells the partner."""

    hub: Hub
    agenda: Agenda
    now: Now
    sender: WebhookSender

    def start(self, channel: Channel) -> None:
        """Let a submitted channel go its way, one state every `step_seconds`."""
        self._later(channel)

    async def step(self, channel: Channel) -> None:
        """Move a channel one state on and put the event on its way."""
        if self._advance(channel):
            self.emit(f"channel_{channel.state}", channel)

    async def step_now(self, channel: Channel) -> None:
        """Move a channel one state on and deliver the event before returning."""
        if self._advance(channel):
            event = f"channel_{channel.state}"
            await self.sender.send_now(event, self.event_data(event, channel))

    def emit(self, event: str, channel: Channel) -> None:
        """Put a channel event on its way."""
        self.sender.send(event, self.event_data(event, channel))

    def event_data(self, event: str, channel: Channel) -> Json:
        """Make an event's `data`, with the gaps that the webhook faults ask for."""
        faults = self.hub.webhook_faults
        covered = faults.covers(event)
        view = channel_view(
            channel,
            self.hub.clients.get(channel.client_id),
            self.hub.options,
            blank_phone=covered and faults.empty_phone_at_live and event == "channel_live",
            hide_waba_id=covered and faults.missing_external_id,
        )
        return channel_data(view, channel, self.hub)

    def ask_for_end(self, channel: Channel, *, enabled: bool) -> None:
        """Ask for the end of a channel, or take that back. It works on until it is ended."""
        shows = self.hub.options.cancellation_shows if enabled else "nothing"
        channel.cancellation_requested_at = self.now() if enabled else None
        channel.cancelled_at = self.now() if shows in ("cancelled_at", "both") else None
        channel.hub_status = "pending_deletion" if shows in ("pending_deletion", "both") else "active"
        self.emit("cancellation_request" if enabled else "cancellation_revoke", channel)

    def end(self, channel: Channel) -> None:
        """End a channel for good, its key with it."""
        channel.cancelled_at = channel.cancelled_at or self.now()
        channel.terminated_at = self.now()
        channel.hub_status = "terminated"
        self.emit("cancellation_processed", channel)

    def restriction_ends_in(self, seconds: float) -> None:
        """Let the restrictions that are over by then end by themselves, without an event."""

        def forgive() -> None:
            for channel in self.hub.channels.values():
                if channel.restricted_until is not None and channel.restricted_until <= self.now():
                    channel.fb_account_status, channel.restricted_until = "approved", None

        self._after(seconds, forgive)

    def grant(self, channel: Channel) -> None:
        """Give the client's permission to make the channel's key."""
        channel.permission_granted = True
        self.emit("channel_permission_granted", channel)

    def _advance(self, channel: Channel) -> bool:
        if channel.dead or channel.state in ("live", self.hub.options.stop_at):
            return False
        channel.state = STATES[STATES.index(channel.state) + 1]
        channel.status = channel.state
        if channel.state == "created" and self.hub.options.send_channel_submitted:
            self._after(self.hub.options.step_seconds / 2, lambda: self.emit("channel_submitted", channel))
        if channel.state == "live":
            self._live(channel)
        else:
            self._later(channel)
        return True

    def _live(self, channel: Channel) -> None:
        channel.live_at = self.now()
        wait = self.hub.options.permission_after_seconds
        if self.hub.options.client_pays and wait is not None:
            self._after(wait, lambda: self.grant(channel))

    def _later(self, channel: Channel) -> None:
        self.agenda.after(self.hub.options.step_seconds, lambda: self.step(channel))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        async def job() -> None:
            act()

        self.agenda.after(seconds, job)
