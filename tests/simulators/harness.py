"""A bench for the simulators: in one process, without sockets, with a clock moved by hand."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from starlette.types import ASGIApp

from local.simulators import ManualClock, Settings, Simulators, build
from local.simulators.app import Seams

type Json = dict[str, Any]

APP_SECRET = "the-app-secret"
PARTNER_KEY = "the-partner-key"
PLATFORM_SECRET = "the-platform-secret"
WEBHOOK_URL = "http://127.0.0.1/partner-events"
SOLUTION_ID = "123456789012345"


@dataclass(slots=True)
class Letter:
    """One attempt to deliver something."""

    at: float
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Inbox:
    """Stands for the partner's server. Answers the queued statuses first, then 200."""

    clock: ManualClock
    letters: list[Letter] = field(default_factory=list)
    answers: list[int | Exception] = field(default_factory=list)

    async def deliver(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        self.letters.append(Letter(self.clock(), url, body, headers))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """The simulators with a client for each and the steps that tests repeat."""

    def __init__(self, *, seed: int = 7, budget_calls: int = 1000) -> None:
        self.clock = ManualClock()
        self.inbox = Inbox(self.clock)
        self.simulators: Simulators = build(
            Settings(
                app_secret=APP_SECRET,
                partner_key=PARTNER_KEY,
                platform_secret=PLATFORM_SECRET,
                seed=seed,
                step_seconds=1.0,
                budget_calls=budget_calls,
            ),
            seams=Seams(now=self.clock, sleep=self.clock.sleep, deliver=self.inbox.deliver),
        )
        self.simulators.hub.webhook_url = WEBHOOK_URL
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        simulators, urls = self.simulators, self.simulators.urls
        self.meta = await self._client(simulators.meta, urls.meta)
        self.dialog = await self._client(simulators.dialog, urls.dialog)
        self.issuer = await self._client(simulators.issuer, urls.issuer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def _client(self, app: ASGIApp, base_url: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base_url)
        return await self._exits.enter_async_context(client)

    # -- Meta

    async def signup(self, **fields: object) -> Json:
        return await self.meta_admin("signups", **fields)

    async def meta_admin(self, path: str, **fields: object) -> Json:
        answer = await self.meta.post(f"/admin/{path}", json=fields)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def exchange(self, good_code: str, **changes: str) -> httpx.Response:
        fields = {"client_id": "1234567890", "client_secret": APP_SECRET, "code": good_code} | changes
        return await self.meta.post("/v26.0/oauth/access_token", data=fields)

    async def token(self, **fields: object) -> tuple[str, Json]:
        signup = await self.signup(**fields)
        answer = await self.exchange(signup["code"])
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"]), signup

    async def graph(self, path: str, token: str, **params: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        return await self.meta.get(f"/v26.0/{path}", params=params, headers=headers)

    async def debug(self, token: str) -> Json:
        answer = await self.graph("debug_token", f"1234567890|{APP_SECRET}", input_token=token)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    # -- 360dialog

    async def partner(
        self, method: str, path: str, *, json: object = None, params: dict[str, str] | None = None
    ) -> httpx.Response:
        url = f"/api/v2/partners/localPA{path}"
        headers = {"x-api-key": PARTNER_KEY}
        return await self.dialog.request(method, url, headers=headers, json=json, params=params)

    async def option(self, **options: object) -> None:
        answer = await self.dialog.patch("/admin/options", json=options)
        assert answer.status_code == 200, answer.text

    async def fault(self, kind: str, path: str, **more: object) -> None:
        record = {"kind": kind, "match": {"method": "POST", "path": path}, "times": 1} | more
        answer = await self.dialog.post("/admin/faults", json=record)
        assert answer.status_code == 200, answer.text

    async def state(self) -> Json:
        return dict((await self.dialog.get("/admin/state")).json())

    async def new_client(self, email: str = "owner@example.com") -> httpx.Response:
        body = {"name": "Example Bakery", "email": email, "user_name": "Alex Example"}
        return await self.partner("POST", "/account_sharing/clients", json=body)

    async def submit(self, signup: Json, to_client: str, **changes: object) -> httpx.Response:
        waba = signup["wabas"][0]
        body = {
            "solution_id": SOLUTION_ID,
            "waba_external_id": waba["id"],
            "client_id": to_client,
            "channel_external_id": waba["numbers"][0]["id"],
        } | changes
        given = {name: value for name, value in body.items() if value is not None}
        return await self.partner("POST", "/account_sharing/numbers", json=given)

    async def live_channel(self) -> str:
        signup = await self.signup()
        client_id = (await self.new_client()).json()["id"]
        assert (await self.submit(signup, client_id)).status_code == 200
        await self.simulators.advance(4)
        return str(list(self.simulators.hub.channels)[-1])

    async def key(self, channel_id: str) -> httpx.Response:
        return await self.partner("POST", f"/channels/{channel_id}/api_keys", json={})

    async def messaging(self, method: str, path: str, key: str, json: object = None) -> httpx.Response:
        headers = {"d360-api-key": key}
        return await self.dialog.request(method, f"/messaging{path}", headers=headers, json=json)
