"""Composition: the simulators as ASGI apps, over one shared world."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from local.simulators.clock import Agenda, ManualClock, Now, Sleep
from local.simulators.dialog360 import DialogServer, first_options
from local.simulators.dialog_admin import DialogAdmin
from local.simulators.faults import FaultBook, FaultLayer
from local.simulators.hub import Hub, WebhookFaults, WebhookOptions
from local.simulators.issuer import Issuer
from local.simulators.lifecycle import Lifecycle
from local.simulators.meta import MetaServer
from local.simulators.meta_admin import MetaAdmin
from local.simulators.meta_webhooks import MetaSender
from local.simulators.partners import Switchboard
from local.simulators.sdk import BrowserSide, is_for_browsers
from local.simulators.settings import Settings, Urls
from local.simulators.traffic import TrafficLayer
from local.simulators.webhooks import Deliver, WebhookSender
from local.simulators.world import World


@dataclass(slots=True, kw_only=True)
class Front:
    """Sends admin calls and what browsers get past log, budget and faults; everything else through them."""

    admin: ASGIApp
    api: ASGIApp
    browser: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app_for(scope["path"])(scope, receive, send)

    def _app_for(self, path: str) -> ASGIApp:
        if path.startswith("/admin"):
            return self.admin
        return self.browser if self.browser is not None and is_for_browsers(path) else self.api


@dataclass(slots=True, kw_only=True)
class Simulators:
    """Three ASGI apps and the parts behind them, for tests that look inside."""

    meta: ASGIApp
    dialog: ASGIApp
    issuer: ASGIApp
    urls: Urls
    settings: Settings
    now: Now
    agenda: Agenda
    world: World
    hub: Hub
    meta_server: MetaServer
    dialog_server: DialogServer
    sender: WebhookSender
    meta_sender: MetaSender
    meta_faults: FaultBook
    dialog_faults: FaultBook
    partners: Mapping[str, DialogServer]
    """360dialog's side of each partner, by id; `dialog_server` is the first."""

    async def advance(self, seconds: float) -> None:
        """Move a ManualClock on by `seconds`, doing everything that falls due on the way, in order.

        Raises TypeError with any other clock.
        """
        if not isinstance(self.now, ManualClock):
            raise TypeError("advance needs a ManualClock")
        end = self.now() + seconds
        await self.agenda.run_due()
        while (due := self.agenda.next_due()) is not None and due <= end:
            self.now.move_to(due)
            await self.agenda.run_due()
        self.now.move_to(end)


async def _unreachable(url: str, _body: bytes, _headers: dict[str, str]) -> int:
    raise httpx.ConnectError(f"no deliver was given to reach {url}")


@dataclass(slots=True, kw_only=True)
class Seams:
    """What a test replaces. `sleep` serves `delay` faults, `deliver` posts webhooks.

    `in_process`: raise httpx's own errors where a server would hang or cut a connection.
    """

    now: Now = time.time
    sleep: Sleep = asyncio.sleep
    deliver: Deliver = _unreachable
    in_process: bool = True


def build(settings: Settings, *, urls: Urls | None = None, seams: Seams | None = None) -> Simulators:
    """Wire the simulators. Nothing runs until a request comes or the agenda is run."""
    return _Builder(settings=settings, urls=urls or Urls(), seams=seams or Seams()).build()


@dataclass(slots=True, kw_only=True)
class _Builder:
    settings: Settings
    urls: Urls
    seams: Seams
    rng: random.Random = field(init=False)
    agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.settings.seed)  # noqa: S311 - repeatable runs, no secrets
        self.agenda = Agenda(self.seams.now)

    def build(self) -> Simulators:
        world = World(now=self.seams.now, rng=self.rng)
        meta = MetaServer(world=world, settings=self.settings, urls=self.urls)
        meta_book = FaultBook(self.rng)
        meta_traffic = self._traffic(meta.app(), meta_book, meta, self.urls.meta)
        partners = [self._partner(own, world) for own in self.settings.of_partners().values()]
        first = partners[0]

        meta_sender = MetaSender(server=meta, agenda=self.agenda, deliver=self.seams.deliver)

        def reset() -> None:
            meta_sender.clear()
            _reset_meta(meta, meta_book, meta_traffic)
            for one in partners:
                _reset(one)

        meta_admin = MetaAdmin(
            server=meta, book=meta_book, traffic=meta_traffic, sender=meta_sender, reset_all=reset
        )
        fronts = {
            one.server.settings.partner_id: Front(
                admin=DialogAdmin(
                    server=one.server, meta=meta, book=one.book, traffic=one.traffic, reset_all=reset
                ).app(),
                api=one.traffic,
            )
            for one in partners
        }
        servers = {name: one.server for name, one in zip(fronts, partners, strict=True)}
        issuer = Issuer(settings=self.settings, urls=self.urls, now=self.seams.now)
        return Simulators(
            meta=Front(
                admin=meta_admin.app(),
                api=meta_traffic,
                browser=BrowserSide(server=meta, sleep=self.seams.sleep).app(),
            ),
            dialog=Switchboard(fronts=fronts, hubs={name: server.hub for name, server in servers.items()}),
            issuer=issuer.app(),
            urls=self.urls,
            settings=self.settings,
            now=self.seams.now,
            agenda=self.agenda,
            world=world,
            hub=first.server.hub,
            meta_server=meta,
            dialog_server=first.server,
            sender=first.server.lifecycle.sender,
            meta_sender=meta_sender,
            meta_faults=meta_book,
            dialog_faults=first.book,
            partners=servers,
        )

    def _partner(self, settings: Settings, world: World) -> "_Partner":
        now, hub = self.seams.now, _fresh_hub(settings)
        sender = WebhookSender(hub=hub, agenda=self.agenda, now=now, rng=self.rng, deliver=self.seams.deliver)
        server = DialogServer(
            hub=hub,
            world=world,
            lifecycle=Lifecycle(hub=hub, agenda=self.agenda, now=now, sender=sender),
            settings=settings,
            urls=self.urls,
            now=now,
            rng=self.rng,
        )
        book = FaultBook(self.rng)
        traffic = self._traffic(server.app(), book, server, self.urls.dialog)
        traffic.guard = server.guard
        return _Partner(server, book, traffic)

    def _traffic(
        self, app: ASGIApp, book: FaultBook, server: MetaServer | DialogServer, base_url: str
    ) -> TrafficLayer:
        faults = FaultLayer(
            app=app,
            book=book,
            error_body=server.error_body,
            sleep=self.seams.sleep,
            base_url=base_url,
            in_process=self.seams.in_process,
        )
        return TrafficLayer(app=faults, now=self.seams.now)


def _fresh_hub(settings: Settings) -> Hub:
    return Hub(
        options=first_options(settings),
        webhook_options=WebhookOptions(),
        webhook_faults=WebhookFaults(),
        platform_secret=settings.platform_secret,
    )


@dataclass(frozen=True, slots=True)
class _Partner:
    """360dialog's side of one partner, with its faults and its log."""

    server: DialogServer
    book: FaultBook
    traffic: TrafficLayer


def _reset_meta(meta: MetaServer, book: FaultBook, traffic: TrafficLayer) -> None:
    """Forget customers, faults and the log; put the options back."""
    meta.world.clear()
    meta.options = meta.first_options()
    meta.trap_hits = 0
    book.clear()
    traffic.log.clear()


def _reset(partner: _Partner) -> None:
    """Forget clients, channels, faults and the log; put the options back."""
    dialog = partner.server
    fresh = _fresh_hub(dialog.settings)
    hub = dialog.hub
    hub.options = fresh.options
    hub.webhook_options = fresh.webhook_options
    hub.webhook_faults = fresh.webhook_faults
    hub.clear()
    dialog.budget.clear()
    dialog.lifecycle.agenda.clear()
    dialog.lifecycle.sender.clear()
    partner.book.clear()
    partner.traffic.log.clear()
