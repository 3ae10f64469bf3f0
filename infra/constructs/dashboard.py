"""The dashboard, in two levels: is the business well, and if not, which part is not."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.cards import counted_by
from infra.constructs.metrics import Measured
from infra.grants import QueueName

# Where AWS's console is, by partition.
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
WIDTH = 24
HEIGHT = 6
BUSINESS = "# Is the business well?"
PARTS = "# Which part is not?\nWhat each alarm means and what to do: `docs/runbook.md`"
QUEUES: tuple[QueueName, ...] = ("jobs_queue", "events_queue", "relay_queue", "notifications_queue")
DEAD_LETTERS: tuple[QueueName, ...] = (
    "jobs_dlq",
    "events_dlq",
    "relay_dlq",
    "notifications_dlq",
    "schedules_dlq",
    "stream_dlq",
)


class Dashboard(Construct):
    """One dashboard for the stage; `url` opens it in AWS's console."""

    def __init__(self, scope: Construct, construct_id: str, *, measured: Measured) -> None:
        super().__init__(scope, construct_id)
        self._measured = measured
        self._consoles = cdk.CfnMapping(
            self, "Consoles", mapping={partition: {"host": host} for partition, host in CONSOLES.items()}
        )
        # An account's dashboards are not kept apart by region.
        self._name = f"{cdk.Aws.STACK_NAME}-{cdk.Aws.REGION}"
        cloudwatch.Dashboard(
            self,
            "Board",
            dashboard_name=self._name,
            default_interval=cdk.Duration.days(1),
            widgets=[
                [_heading(BUSINESS)],
                self._signups(),
                self._failures(),
                [_heading(PARTS)],
                self._lambda(),
                self._queues(),
                self._webhooks(),
                self._partner(),
                self._world(),
                self._ground(),
            ],
        )

    @property
    def url(self) -> str:
        """Where to see it."""
        host = self._consoles.find_in_map(cdk.Aws.PARTITION, "host")
        console = f"https://{cdk.Aws.REGION}.{host}/cloudwatch/home"
        return f"{console}?region={cdk.Aws.REGION}#dashboards/dashboard/{self._name}"

    # --- is the business well? -----------------------------------------------------------------------

    def _signups(self) -> Sequence[cloudwatch.IWidget]:
        measured = self._measured
        steps = ("SignupsOpened", "SignupsAuthorized", "NumbersConnected", "NumbersFailed")
        worker = "onboarding_worker"
        return [
            cloudwatch.SingleValueWidget(
                title="In the time shown",
                metrics=[measured.total(name) for name in steps],
                set_period_to_time_range=True,
                width=6,
                height=HEIGHT,
            ),
            _graph("From the popup to the first message", [measured.total(name) for name in steps], width=6),
            _graph(
                "Seconds from code to connected",
                [
                    measured.own("SecondsFromCodeToConnected", worker, statistic=statistic, label=statistic)
                    for statistic in ("p50", "p90", "Maximum")
                ],
                width=6,
            ),
            _graph(
                "Waiting for 360dialog",
                [
                    measured.own("NumbersWaiting", "reconciler", statistic="Maximum", label="waiting"),
                    measured.total("NumbersStale", label="looked at after an hour"),
                    measured.total("NumbersHealed", label="carried on without a webhook"),
                    measured.total("NumbersAdopted", label="adopted"),
                    measured.total("EventsUnresolved", label="events without a number yet"),
                ],
                width=6,
            ),
        ]

    def _failures(self) -> Sequence[cloudwatch.IWidget]:
        drifts = ("NumbersChecked", "NumbersAttention", "NumbersMended", "KeysFoundDead")
        return [
            _graph("Connected numbers", [self._measured.total(name) for name in drifts], width=WIDTH // 3),
            self._codes("Numbers failed, by code", "NumbersFailed", "onboarding_worker"),
            self._codes("Refused by Meta, by code", "MetaRefusals", *counted_by("MetaRefusals")),
            self._counted("Where customers give up", "PopupOutcomes", ("outcome", "step"), WIDTH),
        ]

    def _codes(self, title: str, metric: str, *functions: str) -> cloudwatch.IWidget:
        """A metric by the code it was counted with."""
        return self._counted(title, metric, ("code",), WIDTH // 3, functions)

    def _counted(
        self, title: str, metric: str, by: Sequence[str], width: int, functions: Sequence[str] = ()
    ) -> cloudwatch.IWidget:
        """A metric by the words it was counted with. They are in the log: too many for dimensions."""
        names = ", ".join(by)
        return cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=[
                self._measured.logs[function].log_group_name for function in functions or counted_by(metric)
            ],
            query_lines=[
                f"fields {names}, value",
                f'filter metric = "{metric}"',
                f"stats sum(value) as times by {names}",
                "sort times desc",
            ],
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            width=width,
            height=HEIGHT,
        )

    # --- which part is not? --------------------------------------------------------------------------

    def _lambda(self) -> Sequence[cloudwatch.IWidget]:
        return [
            self._functions("Errors", "Errors", "Sum"),
            self._functions("Duration p99, ms", "Duration", "p99"),
            self._functions("Throttles", "Throttles", "Sum"),
        ]

    def _functions(self, title: str, metric: str, statistic: str) -> cloudwatch.IWidget:
        measured = self._measured
        metrics = [
            measured.function(name, metric, statistic=statistic, label=name) for name in measured.functions
        ]
        return _graph(f"Functions: {title}", metrics, width=8)

    def _queues(self) -> Sequence[cloudwatch.IWidget]:
        queue = self._measured.queue
        waiting = [queue(name, "ApproximateNumberOfMessagesVisible", label=name) for name in QUEUES]
        put_off = [
            queue(name, "ApproximateNumberOfMessagesNotVisible", label=f"{name}, put off or under way")
            for name in QUEUES
        ]
        return [
            _graph(
                "Queues: age of the oldest message, s",
                [
                    *(queue(name, "ApproximateAgeOfOldestMessage", label=name) for name in QUEUES),
                    self._measured.own(
                        "OldestDueSeconds", "reconciler", statistic="Maximum", label="work nobody takes up"
                    ),
                ],
                width=8,
            ),
            _graph("Queues: messages", [*waiting, *put_off], width=8),
            _graph(
                "Dead letters",
                [queue(name, "ApproximateNumberOfMessagesVisible", label=name) for name in DEAD_LETTERS],
                width=8,
            ),
        ]

    def _webhooks(self) -> Sequence[cloudwatch.IWidget]:
        measured = self._measured
        outcomes = ("Accepted", "Rejected", "Refused", "TooLarge", "Empty")
        events = ("Applied", "Duplicate", "Stored", "Unknown", "Unresolved", "GivenUp", "Unreadable")
        return [
            _graph("Webhooks", [measured.total(f"Webhooks{name}") for name in outcomes], width=6),
            _graph(
                "Webhooks of Meta's",
                [measured.total(f"MetaWebhooks{name}") for name in outcomes if name != "Empty"],
                width=6,
            ),
            _graph(
                "Webhooks: time to answer, ms",
                [
                    measured.own(
                        "WebhookMilliseconds", "webhook_receiver", statistic=statistic, label=statistic
                    )
                    for statistic in ("p50", "p99", "Maximum")
                ],
                width=6,
            ),
            _graph("Events", [measured.total(f"Events{name}") for name in events], width=6),
        ]

    def _partner(self) -> Sequence[cloudwatch.IWidget]:
        measured = self._measured
        return [
            _graph(
                "Partner budget",
                [
                    measured.total("BudgetUsed", label="calls"),
                    measured.total("PartnerThrottled", label="answered 429"),
                    measured.total("BudgetWaited", label="seconds waited"),
                ],
                width=8,
            ),
            _graph(
                "Clients and keys",
                [
                    measured.total(name)
                    for name in ("ClientsMade", "ClientDuplicates", "KeysMade", "KeysFoundDead")
                ],
                width=8,
            ),
            _graph(
                "Mended or to be mended",
                [
                    measured.total(name)
                    for name in (
                        "JobsSentAgain",
                        "RecordsCrashed",
                        "ServicesUnavailable",
                        "NumbersAttention",
                        "BalanceLow",
                        "ChannelsUnknown",
                        "MetaConfigurationErrors",
                        "PartnerConfigurationErrors",
                        "SolutionsDeactivated",
                        "DeletionsRequested",
                        "EndpointsDisabled",
                    )
                ],
                width=8,
            ),
        ]

    def _world(self) -> Sequence[cloudwatch.IWidget]:
        measured = self._measured
        return [
            _graph(
                "Facts for the bus",
                [measured.total("FactsPublished"), measured.total("FactsRefused")],
                width=6,
            ),
            _graph(
                "Notifications",
                [measured.total(f"Notifications{name}") for name in ("Delivered", "Refused", "GivenUp")],
                width=6,
            ),
            _graph(
                "Relay",
                [measured.total(name) for name in ("EventsRelayed", "RelayRefused", "RelayGivenUp")],
                width=6,
            ),
            _graph(
                "Facts: age of the oldest, ms",
                [measured.function("event_publisher", "IteratorAge", statistic="Maximum", label="oldest")],
                width=6,
            ),
            _graph("Census: pages", [measured.total("CensusPages")], width=6),
        ]

    def _ground(self) -> Sequence[cloudwatch.IWidget]:
        measured = self._measured
        return [
            _graph("API", [measured.api(name) for name in ("Count", "4xx", "5xx")], width=8),
            _graph(
                "API: latency, ms",
                [
                    measured.api("Latency", statistic=statistic, label=statistic)
                    for statistic in ("p50", "p99")
                ],
                width=8,
            ),
            _graph(
                "Table",
                [
                    measured.table(name)
                    for name in (
                        "ReadThrottleEvents",
                        "WriteThrottleEvents",
                        "ConditionalCheckFailedRequests",
                    )
                ],
                width=8,
            ),
        ]


def _heading(text: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=text, width=WIDTH, height=2)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric], *, width: int) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=width, height=HEIGHT)
