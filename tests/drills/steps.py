"""What several drills do: steps of customers and operators, and commands that several sections lead to."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from harness.waiting import eventually
from tests.drills.stage import Drill
from tests.drills.trouble import Type
from tests.flow import walks
from tests.flow.walks import Tenant

ROTATE: Final = "Rotate a secret"
ROTATED: Final = Type(
    section=ROTATE, command="onramp doctor --only secret meta-app partner-key webhook-event"
)
"""What stands in the secret by now is right."""
CANCEL: Final = Type(
    section="Cancel a channel at 360dialog",
    command="onramp channel cancel smplD4CH --client smplB2CL",
    lines=lambda _: ["local"],
    at_terminal=True,
    shows="will end channel",
)


def attention(word: str) -> Type:
    """The log tells which number needs a person, and why."""
    return Type(
        section="numbers-attention",
        command="onramp logs --since 2h --where metric=NumbersAttention --by of,phone_number_id,code",
        shows=word,
    )


# --- customers ------------------------------------------------------------------------------------------


def nothing(_: Drill) -> None:
    """Nobody does anything meanwhile."""


def connect(drill: Drill) -> None:
    """A number is submitted and connects."""
    drill.connect()


def comes_as(drill: Drill, name: str) -> None:
    """Whoever has this name has signed in, with a token of now."""
    front_end = drill.exits.enter_context(drill.run.front_end(name))
    drill.tenant = Tenant(run=drill.run, name=name, front_end=front_end)


def popup_again(drill: Drill) -> None:
    """The same signup goes on: the customer goes through the popup until the code is taken."""
    eventually(lambda: drill.send_code().is_success, "a code is exchanged with the new secret")
    drill.tenant.front_end.submit(drill.own["signup_id"])
    drill.is_connected()


def webhooks_come_again(drill: Drill) -> None:
    """What the receiver has refused was sent again, and taken."""

    def delivered() -> bool:
        sent = drill.dialog.call("GET", "state")["deliveries"]
        own = [one for one in sent if one["subject"] == drill.own["channel_id"]]
        return bool(own) and all(one["outcome"] == "delivered" for one in own)

    drill.is_connected()
    eventually(delivered, "360dialog's webhooks are taken")


# --- the stage ------------------------------------------------------------------------------------------


def no_recent_census(drill: Drill) -> None:
    """As after a quiet night: a round begins at once when it is asked for."""
    walks.no_recent_census(drill.run)


def census(drill: Drill) -> None:
    """The daily round, now."""
    drill.run.invoke("reconciler", {"task": "census"})


# --- a number -------------------------------------------------------------------------------------------


def is_in(status: str) -> Callable[[Drill], bool]:
    return lambda drill: drill.is_(status)


def is_checked(drill: Drill) -> None:
    """The daily check, which the tenant may ask for at any time."""
    path = f"/v1/numbers/{drill.own['phone_number_id']}/check"
    answer = drill.tenant.front_end.call("POST", path, body={})
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text


def is_well(drill: Drill) -> bool:
    return bool(drill.number()["status"] == "connected" and not drill.number().get("attention"))


def well(drill: Drill) -> None:
    drill.is_connected()
    eventually(lambda: is_well(drill), "nothing of the number needs a person")
