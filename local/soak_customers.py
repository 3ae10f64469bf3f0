"""The soak's customers, and the browsers with which they go through their signups."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.journey import FrontEnd, JourneyError, expect, pause_of, resource_of
from local.run import LocalStack

type Json = dict[str, Any]

CODE_LOST = frozenset({"code_already_used", "code_expired", "code_invalid"})
"""Answers after which only another visit to Meta's popup helps."""

_KINDS = (
    *("plain",) * 7,
    *("shared client",) * 4,
    *("two numbers",) * 3,
    *("code alone",) * 2,
    *("scopes only",) * 2,
    "several accounts",
    "not shared",
)
"""Twenty customers as they come; the mix repeats."""
_CHAIN_OF = 100
"""So many signups in a row have their shared clients in one tenant."""
_POLLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer and how its signup goes.

    Attributes:
        kind: What is special about it.
        tenant: Whose customer it is.
        email: Address of the client; some tenants open several signups for one client.
        numbers: Phone numbers of its account, all of them submitted.
        tells: Whether the browser hands in the popup's message beside the code.
        grants: How Meta tells what the token grants: ``target_ids`` or ``scopes_only``.
        decoys: Accounts granted earlier, so that the code alone does not say which is meant.
        shared: Whether the account is shared under our solution; if not, 360dialog refuses it for good.
    """

    kind: str
    tenant: str
    email: str
    numbers: int = 1
    tells: bool = True
    grants: str = "target_ids"
    decoys: int = 0
    shared: bool = True


def customers(count: int, chance: random.Random) -> list[Customer]:
    """Makes up customers in the usual mix, in a random order.

    Args:
        count: How many.
        chance: Where the order comes from.
    """
    made = [_customer(index, _KINDS[index % len(_KINDS)]) for index in range(count)]
    chance.shuffle(made)
    return made


def _customer(index: int, kind: str) -> Customer:
    tenant, email = f"tenant-{index:03d}", f"owner-{index:03d}@example.com"
    if kind == "shared client":
        chain = index // _CHAIN_OF
        # One mailbox, however it is written.
        tenant, email = f"chain-{chain}", f"{'Owner' if index % 2 else 'owner'}@chain-{chain}.example.com"
    return Customer(
        kind=kind,
        tenant=tenant,
        email=email,
        numbers=2 if kind == "two numbers" else 1,
        tells=kind not in {"code alone", "several accounts"},
        grants="scopes_only" if kind == "scopes only" else "target_ids",
        decoys=2 if kind == "several accounts" else 0,
        shared=kind != "not shared",
    )


@dataclass(slots=True, kw_only=True)
class Visit:
    """What became of one customer's visit.

    Attributes:
        customer: Who came.
        signup_id: The signup, once it is open.
        waba_id: Meta's id of the account.
        phone_number_ids: Meta's ids of the numbers to connect.
        codes: How often the customer went through the popup.
        repeats: How often a call was sent again, as its answer asked for.
        gave_up: Why the visit did not come to its end; empty when it did.
        done: Whether the visit is over.
    """

    customer: Customer
    signup_id: str = ""
    waba_id: str = ""
    phone_number_ids: list[str] = field(default_factory=list)
    codes: int = 0
    repeats: int = 0
    gave_up: str = ""
    done: bool = False


class Browser:
    """Walks customers through their signups; used by several threads at once."""

    def __init__(
        self,
        run: LocalStack,
        *,
        http: httpx.Client,
        over: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepares the visits.

        Args:
            run: The local run.
            http: The connections that all visits share.
            over: Says that nobody has patience any more.
            sleep: Waits.
        """
        self._run = run
        self._http = http
        self._over = over
        self._sleep = sleep

    def visit(self, visit: Visit) -> None:
        """Opens the signup, brings the code, submits the numbers, looks at the page for a moment, leaves."""
        try:
            self._walk(visit)
        except (JourneyError, httpx.HTTPError, KeyError, ValueError) as error:
            visit.gave_up = f"{type(error).__name__}: {error}"
        finally:
            visit.done = True

    def retry(self, visit: Visit) -> None:
        """Asks for the failed numbers of a visit to be run again. Raises ``JourneyError``."""
        front_end = self._front_end(visit.customer.tenant)
        self._post(visit, front_end, f"/v1/signups/{visit.signup_id}/retry", {}, httpx.codes.ACCEPTED)

    def read(self, visit: Visit) -> Json:
        """Reads a signup as its tenant. Raises ``JourneyError``."""
        front_end = self._front_end(visit.customer.tenant)
        answer = self._repeat(visit, lambda: front_end.call("GET", f"/v1/signups/{visit.signup_id}"))
        return resource_of(answer, httpx.codes.OK)

    def _front_end(self, tenant: str) -> FrontEnd:
        return FrontEnd(self._run.api_url, self._run.token(tenant), http=self._http)

    def _walk(self, visit: Visit) -> None:
        front_end = self._front_end(visit.customer.tenant)
        client = {"name": "Example Bakery", "email": visit.customer.email, "user_name": "Alex Example"}
        # A browser that is not answered sends the same again, and must not open a second signup.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"client": client, "reference": visit.customer.kind}
        path = "/v1/signups"
        answer = self._repeat(visit, lambda: front_end.call("POST", path, body=body, headers=headers))
        visit.signup_id = resource_of(answer, httpx.codes.CREATED)["id"]
        self._authorize(visit, front_end)
        several = {"phone_number_ids": visit.phone_number_ids} if visit.customer.numbers > 1 else {}
        self._post(visit, front_end, f"{path}/{visit.signup_id}/numbers", several, httpx.codes.ACCEPTED)
        self._look(visit, front_end)

    def _authorize(self, visit: Visit, front_end: FrontEnd) -> None:
        """Brings codes until one is taken, and says which account is meant when it is asked."""
        popup = self._first_popup(visit)
        path = f"/v1/signups/{visit.signup_id}/code"
        body = self._code_body(visit, popup)
        while True:
            answer = self._repeat(visit, lambda body=body: front_end.call("POST", path, body=body))  # type: ignore[misc]
            if answer.is_success:
                return
            code = _problem(answer)
            if code in CODE_LOST:
                body = self._code_body(visit, self._another_popup(popup["business_id"]))
            elif code == "waba_ambiguous":
                body = {"waba_id": visit.waba_id}
            else:
                expect(answer, httpx.codes.OK)

    def _first_popup(self, visit: Visit) -> Json:
        customer = visit.customer
        popup = self._run.meta_signup(
            wabas=[{"numbers": [{} for _ in range(customer.numbers)]}],
            grants=customer.grants,
            decoys=customer.decoys,
            solution=customer.shared,
        )
        [waba] = popup["wabas"]
        visit.waba_id = waba["id"]
        visit.phone_number_ids = [number["id"] for number in waba["numbers"]]
        return popup

    def _another_popup(self, business_id: str) -> Json:
        answer = self._run.http.post(
            f"{self._run.upstreams.meta_admin}/admin/codes", json={"business_id": business_id}
        )
        popup: Json = answer.raise_for_status().json()
        return popup

    def _code_body(self, visit: Visit, popup: Json) -> Json:
        visit.codes += 1
        told = {"session_info": popup["session_info"]} if visit.customer.tells else {}
        return {"code": popup["code"], **told}

    def _look(self, visit: Visit, front_end: FrontEnd) -> None:
        for _ in range(_POLLS):
            answer = self._repeat(visit, lambda: front_end.call("GET", f"/v1/signups/{visit.signup_id}"))
            self._sleep(pause_of(answer.headers.get("retry-after")))

    def _post(self, visit: Visit, front_end: FrontEnd, path: str, body: Json, status: int) -> httpx.Response:
        return expect(self._repeat(visit, lambda: front_end.call("POST", path, body=body)), status)

    def _repeat(self, visit: Visit, call: Callable[[], httpx.Response]) -> httpx.Response:
        """Calls until the answer is not one that asks for the same call again."""
        while True:
            try:
                answer = call()
            except httpx.TransportError as error:
                trouble, pause = type(error).__name__, 1.0
            else:
                if not wants_repeat(answer):
                    return answer
                trouble = f"{answer.status_code} {_problem(answer)}"
                pause = pause_of(answer.headers.get("retry-after"))
            if self._over():
                raise JourneyError(f"no patience left after {trouble}")
            visit.repeats += 1
            self._sleep(pause)


def wants_repeat(answer: httpx.Response) -> bool:
    """Tells whether the same call may succeed later: the problem says so, or a gateway answered for us."""
    if answer.is_success or answer.is_redirect:
        return False
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("retryable"), bool):
        return bool(body["retryable"])
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error


def _problem(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("code", "")) if isinstance(body, dict) else ""
