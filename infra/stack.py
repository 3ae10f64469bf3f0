"""The stack: composes the constructs and says what a person needs to know of the result."""

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import Construct

from infra.bundling import Bundle
from infra.cards import CARDS, NewItems, PackageName, Queue, Routes, Schedule, logical_id
from infra.config import DeploymentConfig
from infra.constructs.alarms import RUNBOOK, Alarms
from infra.constructs.api import Api, path_of
from infra.constructs.consumers import QueueConsumer, StreamConsumer
from infra.constructs.dashboard import Dashboard
from infra.constructs.functions import Functions
from infra.constructs.identity import UserPool
from infra.constructs.messaging import Messaging
from infra.constructs.metrics import Measured
from infra.constructs.schedules import Schedules
from infra.constructs.secrets_keys import SecretsAndKeys
from infra.constructs.storage import INDEXES, Storage
from infra.environment import ResourceNames
from infra.grants import Resource


class OnrampStack(cdk.Stack):
    """All of Onramp in one region of one account."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        bundles: Mapping[PackageName, Bundle],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Onramp: WhatsApp Embedded Signup, self-hosted",
            # A slip of the hand must not take down what the data is kept for.
            termination_protection=config.stage.removal == "retain",
            # CloudFormation hands them on to every resource: what a stage costs.
            tags={"application": "onramp", "stage": config.stage.name},
        )
        self._config = config
        self.secrets_keys = SecretsAndKeys(self, "Secrets", stage=config.stage)
        self.storage = Storage(self, "Storage", stage=config.stage, key=self.secrets_keys.table_key)
        self.messaging = Messaging(self, "Messaging")
        deployed = Functions(
            self,
            "Functions",
            config=config,
            bundles=bundles,
            resources=self._resource_names(),
            arns=self._arns(),
        )
        self.functions = deployed.by_name
        self._wire()
        self.api = self._api()
        measured = Measured(
            stage=config.stage.name,
            functions=self.functions,
            logs=deployed.logs,
            queues=self.messaging.by_name,
            api_id=self.api.api.api_id,
            table_name=self.storage.table.table_name,
        )
        self.dashboard = Dashboard(self, "Dashboard", measured=measured)
        self.alarms = Alarms(self, "Alarms", measured=measured, email=config.stage.alarm_email)
        self._outputs()

    def _resource_names(self) -> ResourceNames:
        messaging = self.messaging
        return ResourceNames(
            table_name=self.storage.table.table_name,
            bus_name=messaging.bus.event_bus_name,
            envelope_key_id=self.secrets_keys.envelope_key.key_id,
            secret_id=self.secrets_keys.secret.secret_arn,
            jobs_queue_url=messaging.jobs.queue_url,
            jobs_dlq_url=messaging.jobs_dlq.queue_url,
            events_queue_url=messaging.events.queue_url,
            events_dlq_url=messaging.events_dlq.queue_url,
        )

    def _arns(self) -> dict[Resource, str]:
        messaging = self.messaging
        return {
            "table": self.storage.table.table_arn,
            **{name: self.storage.index_arn(name) for name in INDEXES},
            "stream": self.storage.stream_arn,
            "table_key": self.secrets_keys.table_key.key_arn,
            "envelope_key": self.secrets_keys.envelope_key.key_arn,
            "secret": self.secrets_keys.secret.secret_arn,
            "bus": messaging.bus.event_bus_arn,
            **{name: queue.queue_arn for name, queue in messaging.by_name.items()},
        }

    def _wire(self) -> None:
        """What starts each function, as its card says; routes are the API's."""
        for name, card in CARDS.items():
            function = self.functions[name]
            match card.trigger:
                case Queue(queue_name, batch):
                    consumer = f"{logical_id(queue_name).removesuffix('Queue')}Consumer"
                    queue = self.messaging.by_name[queue_name]
                    QueueConsumer(self, consumer, queue=queue, function=function, batch_size=batch)
                case NewItems() as items:
                    StreamConsumer(
                        self,
                        "StreamConsumer",
                        stream_arn=self.storage.stream_arn,
                        items=items,
                        function=function,
                        dead_letters=self.messaging.stream_dlq,
                    )
                case Schedule() as schedule:
                    Schedules(
                        self,
                        "Schedules",
                        schedule=schedule,
                        function=function,
                        dead_letters=self.messaging.schedules_dlq,
                    )
                case Routes():
                    pass

    def _api(self) -> Api:
        api = self._config.api
        issuer, audience = api.jwt_issuer, api.jwt_audience
        if issuer is None:
            users = UserPool(self, "Users", config=self._config)
            issuer, audience = users.issuer, (users.client.user_pool_client_id,)
            self._output("UserPoolId", users.pool.user_pool_id)
            self._output("UserPoolClientId", users.client.user_pool_client_id)
            self._output("SignInUrl", users.sign_in_url)
        return Api(
            self,
            "Api",
            config=api,
            stage=self._config.stage,
            functions=self.functions,
            issuer=issuer,
            audience=audience,
        )

    def _outputs(self) -> None:
        messaging = self.messaging
        self._output("ApiUrl", self.api.url)
        self._output("ApiId", self.api.api.api_id)
        self._output("ConfigUrl", f"{self.api.url}{path_of('public')}")
        self._output("WebhookUrl", f"{self.api.url}{path_of('signed')}")
        if self.api.domain is not None:
            self._output("ApiDomainTarget", self.api.domain.regional_domain_name)
        self._output("TableName", self.storage.table.table_name)
        for name, queue in messaging.by_name.items():
            self._output(f"{logical_id(name)}Url", queue.queue_url)
        self._output("SecretArn", self.secrets_keys.secret.secret_arn)
        self._output("BusName", messaging.bus.event_bus_name)
        self._output("AlarmTopicArn", self.alarms.topic.topic_arn)
        self._output("DashboardUrl", self.dashboard.url)
        self._output(
            "RunbookHint", f"{RUNBOOK}: a section for each alarm, named at the end of its description"
        )

    def _output(self, name: str, value: str) -> None:
        cdk.CfnOutput(self, name, value=value)
