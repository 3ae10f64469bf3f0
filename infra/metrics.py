"""What the functions count: one table of our metrics. Who counts a metric is on the functions' cards."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

NAMESPACE = "Onramp"


@dataclass(frozen=True, slots=True)
class Metric:
    """What one of our metrics means, and in which of CloudWatch's units it is counted."""

    about: str
    unit: Literal["Count", "Seconds", "Milliseconds"] = "Count"


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "SignupsOpened": Metric("A signup was opened."),
        "SignupsAuthorized": Metric("A code was exchanged and the customer's WABA proved."),
        "PopupOutcomes": Metric("A popup ended without a code; the log line has how, and at which screen."),
        "MetaRefusals": Metric("Meta refused a code, a token or a WABA; the log line has the code."),
        "MetaConfigurationErrors": Metric(
            "Meta refused our app id, app secret, domain, or login configuration."
        ),
        "NumbersConnected": Metric("A number is connected: key and webhook are proved by use."),
        "NumbersFailed": Metric("A number stopped; the log line has the code."),
        "NumbersHealed": Metric("A look or the census carried a number on whose webhook never came."),
        "NumbersWaiting": Metric("Numbers of which 360dialog should tell within the hour; by each sweep."),
        "NumbersAdopted": Metric("A channel that 360dialog had already was taken in."),
        "NumbersStale": Metric("A look found a number that has waited for 360dialog for more than an hour."),
        "NumbersChecked": Metric("A connected number's key and webhook were proved by its daily check."),
        "NumbersMended": Metric(
            "A drift was mended without a person: a dead key or a webhook that was set elsewhere."
        ),
        "NumbersAttention": Metric("Something about a number needs a person although messages may flow."),
        "SecondsFromCodeToConnected": Metric("From Meta's code to the connected number.", "Seconds"),
        "ClientsMade": Metric("A client was made at 360dialog."),
        "ClientDuplicates": Metric("360dialog has more than one client with one email address."),
        "KeysMade": Metric("A channel's API key was made."),
        "KeysFoundDead": Metric("A stored key was refused: somebody made another one."),
        "ChannelsUnknown": Metric("The census found billed channels that belong to no number of ours."),
        "BalanceLow": Metric("Whether the partner's balance was found too low: 1, else 0."),
        "CensusPages": Metric("A page of the census was read."),
        "BudgetUsed": Metric("A call to the Partner API was started."),
        "BudgetWaited": Metric("A call was put off until its slot in the budget.", "Seconds"),
        "PartnerThrottled": Metric("360dialog answered 429."),
        "PartnerConfigurationErrors": Metric("360dialog refused our partner key, partner id or solution."),
        "EventsApplied": Metric("An event of 360dialog has acted on a number."),
        "EventsDuplicate": Metric("An event came again and did nothing."),
        "EventsStored": Metric("An event was kept that changes no number."),
        "EventsUnknown": Metric("An event of a kind that we do not know was kept."),
        "EventsUnresolved": Metric("An event found no number and waits under its place."),
        "EventsUnreadable": Metric("A webhook's body could not be read; it is in the dead letters."),
        "EventsGivenUp": Metric("An event was given up after all its attempts."),
        "SolutionsDeactivated": Metric("Meta told that the multi-partner solution is stopped."),
        "DeletionsRequested": Metric("A person asked through Meta that their data be deleted, or left."),
        "EventsRelayed": Metric("An event was handed to a target of the relay."),
        "RelayRefused": Metric("A target of the relay did not take an event; it is tried again."),
        "RelayGivenUp": Metric("An event was given up for a target of the relay."),
        "NotificationsDelivered": Metric("An endpoint has taken a notification."),
        "NotificationsRefused": Metric("An endpoint did not take a notification; it is tried again."),
        "NotificationsGivenUp": Metric("A notification was given up after all its tries."),
        "EndpointsDisabled": Metric("An endpoint was disabled: it is gone, or has failed for five days."),
        "OldestDueSeconds": Metric("Since when the oldest work is due that nobody takes up.", "Seconds"),
        "JobsSentAgain": Metric("The sweep woke a worker for work that was due."),
        "FactsPublished": Metric("A fact is on the bus."),
        "FactsRefused": Metric("The bus did not take a fact; it is sent again."),
        "RecordsCrashed": Metric("A message or a record made a function stumble, and came back later."),
        "ServicesUnavailable": Metric("The table, a queue, the keys or the secret did not answer us."),
        "WebhooksAccepted": Metric("A signed webhook is in the queue."),
        "WebhooksEmpty": Metric("A signed webhook without a body was answered 200."),
        "WebhooksRejected": Metric("A webhook's signature did not fit."),
        "WebhooksRefused": Metric("A webhook was answered 503: queue or secret could not be used."),
        "WebhooksTooLarge": Metric("A webhook was too large for the queue."),
        "MetaWebhooksAccepted": Metric("What Meta sent is in the queue, or its handshake was answered."),
        "MetaWebhooksRejected": Metric("A signature of Meta's, or its verify token, did not fit."),
        "MetaWebhooksRefused": Metric("Meta was answered 503: queue or secret could not be used."),
        "MetaWebhooksTooLarge": Metric("What Meta sent was too large for the queue."),
        "WebhookMilliseconds": Metric("From a webhook to its answer.", "Milliseconds"),
    }
)
