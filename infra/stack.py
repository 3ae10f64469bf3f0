"""Onramp as a construct, which composes the others and says what a person needs to know, and its stack."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from contract.routes import META
from infra.acknowledged import ACKNOWLEDGED, Acknowledged, acknowledge
from infra.bundling import Bundle, build_bundles
from infra.cards import Invoked, NewItems, PackageName, Queue, Routes, Schedule, cards_with, logical_id
from infra.config import DeploymentConfig
from infra.constructs.alarms import RUNBOOK, Alarms
from infra.constructs.api import Api, path_of
from infra.constructs.bodies import Bodies
from infra.constructs.consumers import QueueConsumer, StreamConsumer
from infra.constructs.dashboard import Dashboard
from infra.constructs.functions import Functions
from infra.constructs.identity import UserPool
from infra.constructs.messaging import Messaging
from infra.constructs.metrics import Measured
from infra.constructs.releases import Releases
from infra.constructs.removal import protected
from infra.constructs.schedules import Schedules
from infra.constructs.secrets_keys import SecretsAndKeys
from infra.constructs.storage import INDEXES, Storage
from infra.environment import ResourceNames, check_sizes
from infra.features import FEATURES
from infra.grants import Resource
from onramp.adapters.aws import SOURCE

LONGEST_STACK_NAME = 60
"""SQS gives a queue's name 80 characters, of which this leaves its own part some."""
NO_BUCKET = "none"
"""What the functions are told instead of the bucket's name where there is none."""
_OUTPUTS = "OnrampOutputs"
DESK = "operator_desk"


class Onramp(Construct):
    """All of Onramp, for a stack of one's own: one in each stack, whose name its resources begin with.

    It writes its outputs into the stack under their plain names, which `onramp` commands read, and keeps them
    in `outputs`. Public besides: `storage`, `messaging`, `bodies` (None without a relay), `secrets_keys`,
    `functions`, `api`, `alarms`.

    Args:
        scope: the stack, or anything below it.
        construct_id: the construct's name; it begins the logical ids of all resources.
        config: what `load_config` gives.
        bundles: the functions' code; made when they are not given, which takes seconds the first time.
        acknowledged: findings of cdk-nag that stay, with their reasons.
        tag_resources: tag each resource with application, stage, and the configuration's own tags.

    Raises:
        ValueError: the stack holds an Onramp already, or its name is too long.
        ConfigError: a function's environment would be larger than Lambda takes.
        BundleError: the functions' code cannot be packaged.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        bundles: Mapping[PackageName, Bundle] | None = None,
        acknowledged: Iterable[Acknowledged] = ACKNOWLEDGED,
        tag_resources: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        check_sizes(config)
        for name, value in FEATURES.items():
            self.node.set_context(name, value)
        self.outputs: dict[str, str] = {}
        self._in_stack = _outputs_of(cdk.Stack.of(self))
        self._config = config
        self.secrets_keys = SecretsAndKeys(self, "Secrets", stage=config.stage)
        self.storage = Storage(self, "Storage", stage=config.stage, key=self.secrets_keys.table_key)
        self.messaging = Messaging(self, "Messaging", bus=config.bus)
        if "notifications" in config.features:
            self.messaging.notify(SOURCE)
        self.bodies = self._bodies()
        deployed = Functions(
            self,
            "Functions",
            config=config,
            bundles=bundles or build_bundles(local=False),
            resources=self._resource_names(),
            arns=self._arns(),
        )
        self.functions = deployed.by_name
        self._logs = deployed.logs
        self._live = deployed.live
        self._wire()
        self.api = self._api()
        measured = Measured(
            stage=config.stage.name,
            functions=self.functions,
            logs=deployed.logs,
            queues=self.messaging.by_name,
            api_id=self.api.api.api_id,
            access_log=self.api.log_group,
            table_name=self.storage.table.table_name,
        )
        self.dashboard = Dashboard(self, "Dashboard", measured=measured)
        self.alarms = Alarms(
            self,
            "Alarms",
            measured=measured,
            stage=config.stage,
            keys=(self.secrets_keys.table_key.key_arn, self.secrets_keys.envelope_key.key_arn),
        )
        if config.stage.release != "at_once":
            Releases(
                self,
                "Releases",
                shift=config.stage.release,
                functions=deployed,
                api_id=self.api.api.api_id,
            )
        self._outputs()
        self._bound_roles(config.stage.permissions_boundary)
        if tag_resources:
            for name, value in tags_of(config).items():
                cdk.Tags.of(self).add(name, value)
        acknowledge(
            self,
            acknowledged,
            key_route=self.api.key_route_arn,
            link_routes=self.api.link_route_arns,
            bodies=self.bodies.objects_arn if self.bodies else None,
        )

    def grant_keys(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal of this account fetch channel keys, those of every channel."""
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=["execute-api:Invoke"], resource_arns=[self.api.key_route_arn]
        )

    def grant_links(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal of this account make, list and revoke signup links, for any tenant."""
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=["execute-api:Invoke"], resource_arns=self.api.link_route_arns
        )

    def grant_operation(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal of this account ask the operator's desk for everything that it does."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["lambda:InvokeFunction"],
            resource_arns=[self._live[DESK].function_arn],
        )

    def _bound_roles(self, boundary: str | None) -> None:
        if boundary is None:
            return
        policy = (
            iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", boundary)
            if boundary.startswith("arn:")
            else iam.ManagedPolicy.from_managed_policy_name(self, "Boundary", boundary)
        )
        iam.PermissionsBoundary.of(self).apply(policy)

    def _resource_names(self) -> ResourceNames:
        messaging = self.messaging
        return ResourceNames(
            table_name=self.storage.table.table_name,
            bus_name=messaging.bus.event_bus_name,
            # A key of another account is found by its ARN alone.
            envelope_key_id=self._config.stage.envelope_key_arn or self.secrets_keys.envelope_key.key_id,
            secret_id=self.secrets_keys.secret.secret_arn,
            jobs_queue_url=messaging.jobs.queue_url,
            jobs_dlq_url=messaging.jobs_dlq.queue_url,
            events_queue_url=messaging.events.queue_url,
            events_dlq_url=messaging.events_dlq.queue_url,
            schedules_dlq_url=messaging.schedules_dlq.queue_url,
            stream_dlq_url=messaging.stream_dlq.queue_url,
            relay_queue_url=messaging.relay.queue_url,
            relay_dlq_url=messaging.relay_dlq.queue_url,
            notifications_queue_url=messaging.notifications.queue_url,
            notifications_dlq_url=messaging.notifications_dlq.queue_url,
            bodies_bucket=self.bodies.bucket.bucket_name if self.bodies else NO_BUCKET,
            api_address=f"https://{self._config.api.domain_name or '{domain_name}'}",
        )

    def _bodies(self) -> Bodies | None:
        if "relay" not in self._config.features:
            return None
        relay, stage = self._config.relay, self._config.stage
        key = self.secrets_keys.table_key
        return Bodies(self, "Bodies", stage=stage, key=key, days=relay.bodies_kept_days)

    def _arns(self) -> dict[Resource, str | Sequence[str]]:
        messaging = self.messaging
        targets = [target.to for target in self._config.relay.targets.values()]
        return {
            "table": self.storage.table.table_arn,
            **{name: self.storage.index_arn(name) for name in INDEXES},
            "stream": self.storage.stream_arn,
            "table_key": self.secrets_keys.table_key.key_arn,
            "envelope_key": self.secrets_keys.envelope_key.key_arn,
            "secret": self.secrets_keys.secret.secret_arn,
            "bus": messaging.bus.event_bus_arn,
            "bodies": self.bodies.objects_arn if self.bodies else (),
            "bodies_key": self.secrets_keys.table_key.key_arn,
            "relay_targets": sorted({to for to in targets if to.startswith("arn:")}),
            **{name: queue.queue_arn for name, queue in messaging.by_name.items()},
        }

    def _wire(self) -> None:
        """What starts each function, as its card says; routes are the API's."""
        for name, card in cards_with(self._config.features).items():
            function = self._live[name]
            match card.trigger:
                case Queue(queue_name) as trigger:
                    consumer = f"{logical_id(queue_name).removesuffix('Queue')}Consumer"
                    queue = self.messaging.by_name[queue_name]
                    QueueConsumer(self, consumer, queue=queue, trigger=trigger, function=function)
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
                case Routes() | Invoked():
                    pass

    def _api(self) -> Api:
        api = self._config.api
        issuer, audience = api.jwt_issuer, api.jwt_audience
        if issuer is None:
            users = UserPool(self, "Users", config=self._config)
            issuer, audience = users.issuer, (users.client.user_pool_client_id,)
            self._output("UserPoolId", users.pool.user_pool_id)
            self._output("UserPoolClientId", users.client.user_pool_client_id)
            if users.sign_in_url is not None:
                self._output("SignInUrl", users.sign_in_url)
        return Api(
            self,
            "Api",
            config=api,
            stage=self._config.stage,
            functions=self._live,
            issuer=issuer,
            audience=audience,
            makers=self._config.links.makers,
            page=self._config.page.enabled,
            meta=self._config.meta_webhook.enabled,
            hubs=bool(self._config.hubs),
        )

    def _outputs(self) -> None:
        """What a person, the `onramp` command, and a restore or import of what is retained need to know."""
        for name, value in (*self._addresses(), *self._data(), *self._work(), *self._desk(), *self._signs()):
            if value is not None:
                self._output(name, value)

    def _addresses(self) -> Iterator[tuple[str, str | None]]:
        api = self.api
        yield "ApiUrl", api.url
        yield "DefaultApiUrl", api.default_url
        yield "ApiId", api.api.api_id
        yield "ConfigUrl", f"{api.url}{path_of('public')}"
        yield "WebhookUrl", f"{api.url}{path_of('signed')}"
        if self._config.meta_webhook.enabled:
            yield "MetaWebhookUrl", f"{api.url}{META[0].path}"
        yield "ApiDomainTarget", api.domain.regional_domain_name if api.domain else None
        yield "KeyRouteArn", api.key_route_arn
        yield "KeyReaderRoleArn", api.key_reader.role_arn if api.key_reader else None
        yield "LinkMakerRoleArn", api.link_maker.role_arn if api.link_maker else None

    def _data(self) -> Iterator[tuple[str, str | None]]:
        keys = self.secrets_keys
        yield "TableName", self.storage.table.table_name
        yield "TableArn", self.storage.table.table_arn
        yield "TableKeyArn", keys.table_key.key_arn
        yield "EnvelopeKeyArn", keys.envelope_key.key_arn
        yield "SecretArn", keys.secret.secret_arn

    def _work(self) -> Iterator[tuple[str, str | None]]:
        messaging = self.messaging
        for name, queue in messaging.by_name.items():
            yield f"{logical_id(name)}Url", queue.queue_url
            yield f"{logical_id(name)}Arn", queue.queue_arn
        yield "BodiesBucket", self.bodies.bucket.bucket_name if self.bodies else None
        yield "BusName", messaging.bus.event_bus_name
        yield "BusArn", messaging.bus.event_bus_arn
        yield "BusArchiveArn", messaging.archive.attr_arn if messaging.archive else None

    def _desk(self) -> Iterator[tuple[str, str | None]]:
        yield "OperatorDeskArn", self._live[DESK].function_arn

    def _signs(self) -> Iterator[tuple[str, str | None]]:
        yield "ApiLogGroup", self.api.log_group.log_group_name
        for name, group in self._logs.items():
            yield f"{logical_id(name)}LogGroup", group.log_group_name
        yield "AlarmTopicArn", self.alarms.topic.topic_arn
        yield "DashboardUrl", self.dashboard.url
        yield "RunbookHint", f"{RUNBOOK}: a section for each alarm, named at the end of its description"

    def _output(self, name: str, value: str) -> None:
        self.outputs[name] = value
        cdk.CfnOutput(self._in_stack, name, value=value).override_logical_id(name)


class OnrampStack(cdk.Stack):
    """A stack with one Onramp and nothing else: what ``cdk deploy`` deploys here."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DeploymentConfig,
        bundles: Mapping[PackageName, Bundle],
        acknowledged: Iterable[Acknowledged] = ACKNOWLEDGED,
        env: cdk.Environment | None = None,
    ) -> None:
        stage = config.stage
        super().__init__(
            scope,
            construct_id,
            env=env,
            description="Onramp: WhatsApp Embedded Signup, self-hosted",
            # The CDK's command line sets it at each deployment, to off where it is left out.
            termination_protection=protected(stage),
            synthesizer=cdk.DefaultStackSynthesizer(qualifier=stage.qualifier) if stage.qualifier else None,
            # CloudFormation hands them on to every resource: what a stage costs.
            tags=tags_of(config),
        )
        # The CDK leaves this id out of logical ids.
        self.onramp = Onramp(
            self,
            "Default",
            config=config,
            bundles=bundles,
            acknowledged=acknowledged,
            tag_resources=False,
        )


def tags_of(config: DeploymentConfig) -> dict[str, str]:
    """The tags of a stage: the configuration's own come last, and so may replace ours."""
    return {"application": "onramp", "stage": config.stage.name, **config.stage.tags}


def _outputs_of(stack: cdk.Stack) -> Construct:
    """Where the stack's outputs go. Raises `ValueError` when the stack cannot take an Onramp."""
    if stack.node.try_find_child(_OUTPUTS) is not None:
        raise ValueError(
            f"{stack.stack_name}: it has an Onramp already, whose resources bear the stack's name"
        )
    if not cdk.Token.is_unresolved(stack.stack_name) and len(stack.stack_name) > LONGEST_STACK_NAME:
        raise ValueError(f"{stack.stack_name}: a stack's name may have {LONGEST_STACK_NAME} characters here")
    return Construct(stack, _OUTPUTS)
