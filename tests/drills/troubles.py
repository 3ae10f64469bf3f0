"""Troubles with the upstreams' settings, with secrets, and with what is switched off by hand."""

import secrets
from http import HTTPStatus
from typing import Final

from harness.waiting import eventually
from local.bus import listening
from tests.drills.stage import Drill, numbers_of
from tests.drills.steps import (
    ROTATED,
    is_in,
    no_recent_census,
    popup_again,
    webhooks_come_again,
)
from tests.drills.trouble import Act, Counted, Found, Trouble, Type

ELSEWHERE: Final = "http://127.0.0.1:1/somebody/elses/hook"


# --- webhooks -------------------------------------------------------------------------------------------


def webhook_address_overwritten(drill: Drill) -> None:
    drill.dialog.call("POST", "partner", {"webhook_url": ELSEWHERE})


def webhooks_stop(drill: Drill) -> None:
    drill.dialog.call("POST", "webhook-faults", {"drop": 1.0})


def three_are_healed(drill: Drill) -> None:
    """Three numbers go on by looks, as the sweep wakes them each minute; another one has just begun."""
    drill.submit(wabas=[{"numbers": [{}, {}, {}]}])

    def swept() -> bool:
        drill.run.invoke("reconciler", {"task": "sweep"})
        return all(number["status"] == "connected" for number in numbers_of(drill))

    eventually(swept, "three numbers are healed")
    drill.submit()


# --- secrets --------------------------------------------------------------------------------------------


def another_platform_secret(drill: Drill) -> None:
    drill.stage.keys.platform_secret = secrets.token_hex(24)
    drill.dialog.call("POST", "partner", {"platform_secret": drill.stage.keys.platform_secret})


def another_partner_key(drill: Drill) -> None:
    drill.stage.keys.partner_api_key = secrets.token_hex(24)
    drill.dialog.call("POST", "partner", {"partner_key": drill.stage.keys.partner_api_key})


def another_app_secret(drill: Drill) -> None:
    drill.stage.keys.meta_app_secret = secrets.token_hex(24)
    drill.stage.meta("POST", "app", {"app_secret": drill.stage.keys.meta_app_secret})


def code_is_refused(drill: Drill) -> None:
    drill.open()
    answer = drill.send_code()
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.BAD_GATEWAY, "meta_configuration")


# --- what is switched off -------------------------------------------------------------------------------


def off(function: str) -> Act:
    return lambda drill: drill.stage.turn_mapping(function, on=False)


def stands_still(drill: Drill) -> None:
    """A number is submitted, and nobody works on it."""
    drill.submit()
    assert drill.is_("pending")


def no_events_wait(drill: Drill) -> None:
    drill.is_connected()
    eventually(lambda: drill.run.queue_depth("Events") == 0, "the events queue is empty")


def listen(drill: Drill) -> None:
    drill.memory["listener"] = drill.exits.enter_context(listening(drill.run))
    drill.memory["heard"] = []


def nothing_is_heard(drill: Drill) -> None:
    drill.connect()
    assert not heard_of(drill)


def heard_of(drill: Drill) -> list[str]:
    """What the bus has told of the drill's signup so far."""
    told = drill.memory["heard"]
    told += [
        event["detail-type"]
        for event in drill.memory["listener"].heard()
        if event["detail"]["signup_id"] == drill.own["signup_id"]
    ]
    return list(told)


def all_is_heard(drill: Drill) -> None:
    drill.is_connected()
    eventually(
        lambda: {"signup.opened", "number.connected"} <= set(heard_of(drill)), "the bus has told of it all"
    )


def rules_off(drill: Drill) -> None:
    for rule in drill.stage.rules():
        drill.run.aws.events.disable_rule(Name=rule)


def worker_throttled(drill: Drill) -> None:
    """The emulator hands messages over all the same: on AWS the number would stand still."""
    drill.run.aws.functions.put_function_concurrency(
        FunctionName=drill.run.deployed.functions["onboarding_worker"], ReservedConcurrentExecutions=0
    )


TROUBLES: Final = (
    Trouble(
        name="webhook address overwritten at 360dialog",
        broken=webhook_address_overwritten,
        sign=Found("partner-webhook", alarm="webhooks-silent"),
        typed=(
            Type(
                section="webhooks-silent",
                command="onramp doctor --only partner-webhook addresses webhook-event",
                status=1,
                shows="partner webhooks go to",
            ),
            Type(section="webhooks-silent", command="onramp doctor --fix --only partner-webhook"),
            Type(section="webhooks-silent", command="onramp wake census"),
        ),
    ),
    Trouble(
        name="360dialog sends no webhooks",
        before=no_recent_census,
        broken=webhooks_stop,
        meanwhile=three_are_healed,
        sign=Counted("NumbersHealed", "numbers-healed", times=3),
        typed=(
            Type(
                section="webhooks-silent",
                command="onramp doctor --only partner-webhook addresses webhook-event",
            ),
            Type(section="numbers-healed", command="onramp status", shows="messages"),
            Type(
                section="webhooks-silent",
                command="onramp wake census",
                shows="1 job sent",
                until=is_in("connected"),
            ),
        ),
        ends="the number is connected without a webhook",
    ),
    Trouble(
        name="platform secret changed in the Hub",
        broken=another_platform_secret,
        sign=Counted("WebhooksRejected", "webhooks-rejected", times=5),
        typed=(
            Type(section="webhooks-rejected", command="onramp doctor --only secret webhook-event"),
            Type(
                section="Platform secret",
                command="onramp secret set platform_secrets",
                lines=lambda drill: [drill.stage.keys.platform_secret],
            ),
            Type(
                section="Platform secret",
                command="onramp logs webhook_receiver --since 5m --by message",
                shows="webhook accepted",
            ),
        ),
        healed=webhooks_come_again,
        ends="the number is connected, and what was refused has been sent again and taken",
    ),
    Trouble(
        name="partner key replaced in the Hub",
        broken=another_partner_key,
        sign=Counted("PartnerConfigurationErrors", "partner-configuration"),
        typed=(
            Type(
                section="partner-configuration",
                command="onramp doctor --only partner-key partner-webhook hubs",
                status=1,
                shows="refuses the key",
                when=is_in("failed"),
            ),
            Type(section="partner-configuration", command="onramp pause jobs"),
            Type(
                section="Partner key",
                command="onramp secret set partner_api_key",
                lines=lambda drill: [drill.stage.keys.partner_api_key],
            ),
            ROTATED,
            Type(section="partner-configuration", command="onramp resume jobs"),
            Type(
                section="A number that failed",
                command="onramp wake number 106540352242922 --retry",
                until=is_in("connected"),
            ),
        ),
    ),
    Trouble(
        name="Meta app secret reset",
        broken=another_app_secret,
        meanwhile=code_is_refused,
        sign=Counted("MetaConfigurationErrors", "meta-configuration"),
        typed=(
            Type(
                section="meta-configuration",
                command="onramp doctor --only meta-app graph-version solution config-id",
                status=1,
                shows="the secret is not that of app",
            ),
            Type(
                section="meta-configuration",
                command='onramp logs --since 1h --where message="meta refused" --by of,code,status,reference',
                shows="code=meta_configuration",
            ),
            Type(
                section="Meta app secret",
                command="onramp secret set meta_app_secret",
                lines=lambda drill: [drill.stage.keys.meta_app_secret],
            ),
            ROTATED,
        ),
        healed=popup_again,
        ends="the customer goes through the popup again, on the same signup, and the number is connected",
    ),
    Trouble(
        name="jobs queue handed to nobody",
        broken=off("onboarding_worker"),
        meanwhile=stands_still,
        sign=Found("consumers", alarm="work-overdue"),
        typed=(
            Type(section="work-overdue", command="onramp status", shows="the mapping to onboarding_worker"),
            Type(
                section="work-overdue",
                command="onramp doctor --only consumers capacity queue-age",
                status=1,
                shows="jobs_queue is handed to nobody",
            ),
            Type(section="work-overdue", command="onramp resume jobs", when=is_in("pending")),
        ),
    ),
    Trouble(
        name="events queue handed to nobody",
        broken=off("partner_event_worker"),
        sign=Found("consumers", alarm="events-queue-old"),
        typed=(
            Type(
                section="events-queue-old",
                command="onramp doctor --only consumers capacity queue-age",
                status=1,
                shows="events_queue is handed to nobody",
            ),
            Type(section="events-queue-old", command="onramp resume events"),
        ),
        healed=no_events_wait,
    ),
    Trouble(
        name="table's stream handed to nobody",
        before=listen,
        broken=off("event_publisher"),
        meanwhile=nothing_is_heard,
        sign=Found("consumers", alarm="facts-silent"),
        typed=(
            Type(
                section="facts-silent",
                command="onramp doctor --only consumers table",
                status=1,
                shows="stream is handed to nobody",
            ),
            Type(section="facts-silent", command="onramp resume stream"),
            Type(
                section="Publish facts again",
                command="onramp facts republish --since 2026-11-23T09:00:00Z",
            ),
        ),
        healed=all_is_heard,
        ends="the number is connected all the while, and the bus has told of it all",
    ),
    Trouble(
        name="schedules switched off",
        broken=rules_off,
        sign=Found("reconciler", alarm="sweep-silent"),
        typed=(
            Type(
                section="sweep-silent",
                command="onramp doctor --only reconciler capacity",
                status=1,
                shows="schedules are switched off",
            ),
            Type(section="sweep-silent", command="onramp resume schedules"),
        ),
    ),
    Trouble(
        name="worker with a concurrency of 0",
        broken=worker_throttled,
        sign=Found("capacity", alarm="work-overdue"),
        typed=(
            Type(
                section="work-overdue", command="onramp status", shows="the concurrency of onboarding_worker"
            ),
            Type(
                section="work-overdue",
                command="onramp doctor --only consumers capacity queue-age",
                status=1,
                shows="switched off by a concurrency of 0: onboarding_worker",
            ),
            Type(section="work-overdue", command="onramp resume jobs"),
        ),
    ),
)
