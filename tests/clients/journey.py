"""A tenant's front end in Python, on the client that is generated from the contract.

Run by `test_clients.py` in the generator's own environment, as ``journey.py <address> <tenant> <code>``;
writes what it has seen as JSON. It does not wait between two questions: its server lets the time pass.
"""

import json
import sys
from typing import Any

from onramp_client import AuthenticatedClient, Client  # type: ignore[import-not-found]
from onramp_client.api.browser import read_config  # type: ignore[import-not-found]
from onramp_client.api.linked_signup import (  # type: ignore[import-not-found]
    read_linked_signup,
    tell_linked_outcome,
)
from onramp_client.api.links import list_links, make_link, revoke_link  # type: ignore[import-not-found]
from onramp_client.api.numbers import (  # type: ignore[import-not-found]
    list_numbers,
    read_number,
    retry_number,
)
from onramp_client.api.servers import read_api_key  # type: ignore[import-not-found]
from onramp_client.api.signups import (  # type: ignore[import-not-found]
    exchange_code,
    list_signups,
    open_signup,
    read_signup,
    submit_numbers,
)
from onramp_client.models import (  # type: ignore[import-not-found]
    ExchangedCode,
    ExchangedCodeSessionInfo,
    Language,
    LinkStatus,
    MakeLinkForClient,
    NewClient,
    NumbersBody,
    OpenSignupForClient,
    OpenSignupForClientId,
    OutcomeBody,
    PlanTier,
    PopupOutcome,
    Prefill,
    PrefillAddress,
    PrefillBusiness,
    SignupStatus,
)


def journey(address: str, tenant: str, code: str) -> dict[str, Any]:
    """The same journey as in TypeScript."""
    client = AuthenticatedClient(base_url=address, token=tenant)
    config = read_config.sync(client=client)
    seen: dict[str, Any] = {"app": [config.app_id, config.flows]}
    _led_by_a_link(client, address, seen)
    signup_id = _authorized(client, code, seen)
    number_id = _connected(client, signup_id, seen)
    _looked_up(client, signup_id, number_id, seen)
    _refused(client, address, number_id, seen)
    return seen


def _led_by_a_link(client: Any, address: str, seen: dict[str, Any]) -> None:
    body = MakeLinkForClient(
        client=NewClient(name="Linked", email="linked@example.com", user_name="Lin"),
        prefill=Prefill(business=PrefillBusiness(address=PrefillAddress(country="DE"))),
        language=Language.DE,
        success_url="https://app.example.com/done?plan=2",
    )
    link = make_link.sync(client=client, body=body)
    token = f"{link.url.partition('#')[2]}.{'v' * 16}"
    visitor = AuthenticatedClient(base_url=address, token=token)
    linked = read_linked_signup.sync(client=visitor)
    url = linked.link.success_url.partition("&")[0]
    seen["link"] = [link.status.value, linked.link.language.value, url, linked.launch.flow]
    gave_up = OutcomeBody(outcome=PopupOutcome.CANCELLED, step="PHONE_NUMBER_VERIFICATION")
    seen["gave_up"] = int(tell_linked_outcome.sync_detailed(client=visitor, body=gave_up).status_code)
    page = list_links.sync(client=client, status=LinkStatus.OPEN)
    seen["links"] = [one.id == link.id for one in page.links]
    revoked = revoke_link.sync(link.id, client=client)
    dead = read_linked_signup.sync_detailed(client=visitor)
    seen["revoked"] = [revoked.status.value, int(dead.status_code), dead.parsed.code.value]


def _authorized(client: Any, code: str, seen: dict[str, Any]) -> str:
    customer = NewClient(name="Example", email="o'neill@example.com", user_name="Ann")
    body = OpenSignupForClient(client=customer, plan_tier=PlanTier.PREMIUM)
    answer = open_signup.sync_detailed(client=client, body=body, idempotency_key="once")
    opened = answer.parsed
    again = open_signup.sync(client=client, body=body, idempotency_key="once")
    seen["opened"] = [opened.status.value, opened.client.email, opened.plan_tier.value, again.id == opened.id]
    seen["location"] = answer.headers["location"] == f"/v1/signups/{opened.id}"

    info = ExchangedCodeSessionInfo.from_dict({"event": "FINISH"})
    body = ExchangedCode(code=code, session_info=info)
    authorized = exchange_code.sync(opened.id, client=client, body=body)
    numbers = [number.status.value for number in authorized.numbers]
    seen["authorized"] = [authorized.status.value, authorized.waba.proof.value, numbers]
    return str(opened.id)


def _connected(client: Any, signup_id: str, seen: dict[str, Any]) -> str:
    problem = submit_numbers.sync(signup_id, client=client, body=NumbersBody())
    ids = [candidate.phone_number_id for candidate in problem.candidates]
    seen["ambiguous"] = [problem.code.value, ids, problem.customer_detail != ""]

    submitted = submit_numbers.sync_detailed(signup_id, client=client, body=NumbersBody([ids[0]]))
    steps = submitted.parsed.numbers[0].steps
    seen["submitted"] = [int(submitted.status_code), [step.status.value for step in steps]]

    signup = submitted.parsed
    while signup.status is SignupStatus.ONBOARDING:
        signup = read_signup.sync(signup_id, client=client)
    numbers = [number.status.value for number in signup.numbers]
    seen["connected"] = [signup.status.value, numbers, signup.timeline[-1].event.value]
    return str(ids[0])


def _looked_up(client: Any, signup_id: str, number_id: str, seen: dict[str, Any]) -> None:
    read = read_signup.sync_detailed(signup_id, client=client)
    again = read_signup.sync_detailed(signup_id, client=client, if_none_match=read.headers["etag"])
    seen["unchanged"] = [int(again.status_code), "retry-after" in again.headers]

    page = list_signups.sync(client=client, status=SignupStatus.CONNECTED, limit=5)
    seen["signups"] = [[signup.id == signup_id for signup in page.signups], page.cursor]
    seen["numbers"] = [number.phone_number_id for number in list_numbers.sync(client=client).numbers]
    number = read_number.sync(number_id, client=client)
    seen["number"] = [number.failure, number.steps[-1].status.value]
    seen["key"] = read_api_key.sync(number.channel_id, client=client).api_key


def _refused(client: Any, address: str, number_id: str, seen: dict[str, Any]) -> None:
    invalid = open_signup.sync(client=client, body=OpenSignupForClientId(client_id="no/id"))
    seen["invalid"] = [invalid.code.value, [error.to_dict() for error in invalid.errors]]
    missing = read_number.sync_detailed("404", client=client)
    seen["missing"] = [int(missing.status_code), missing.parsed.code.value]
    seen["whole"] = retry_number.sync(number_id, client=client).code.value
    nobody = list_signups.sync_detailed(client=Client(base_url=address))
    seen["nobody"] = [int(nobody.status_code), nobody.parsed.to_dict()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(journey(*sys.argv[1:])))
