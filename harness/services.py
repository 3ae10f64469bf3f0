"""What the functions need around them, without a deployment: AWS on MiniStack, the upstreams simulated."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx

from harness.table import make_table
from infra.bundling import build_bundles
from infra.cards import CARDS
from infra.config import load_config
from infra.environment import ResourceNames, environment_of
from infra.paths import CONFIG
from local import rie
from local.aws import Aws
from local.children import PROJECT_ROOT, Child, clean_environment, run_folder
from local.ministack import emulator

type Json = dict[str, Any]

PLATFORM_SECRET: Final = "sample-platform-secret"
"""What the sample webhooks are signed with (`events/README.md`)."""
APP_SECRET: Final = "sample-app-secret"
PARTNER_KEY: Final = "sample-partner-key"
BODIES: Final = "bodies"
"""The bucket of large bodies."""
_READY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """AWS and the upstreams, up and running. `upstreams` are the simulators' addresses."""

    aws: Aws
    names: ResourceNames
    upstreams: Mapping[str, str]
    folder: Path

    def function(self, name: str, **changed: str) -> rie.Function:
        """A function with its real bundle and the environment that the stack would give it."""
        card = CARDS[name]
        return rie.Function(
            name=name,
            handler=f"{name}.handler",
            code=build_bundles(local=True)[card.package].path,
            environment=self.environment(name) | changed,
            timeout=card.timeout,
            memory=card.memory,
        )

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a function, and what the Lambda service adds to them."""
        overrides = {
            "meta.graph_base_url": self.upstreams["meta"],
            "partner.base_url": self.upstreams["partner"],
            "messaging.base_url": self.upstreams["messaging"],
            "partner.reconcile_after_seconds": "1",
            "partner.budget_calls": "500",
        }
        config = load_config(directory=CONFIG, stage="local", overrides=overrides)
        return environment_of(function=name, config=config, resources=self.names) | {
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.aws.access_key,
            "AWS_SECRET_ACCESS_KEY": self.aws.secret_key,
            "AWS_REGION": self.aws.region,
            "AWS_DEFAULT_REGION": self.aws.region,
        }

    def received(self, queue_url: str) -> list[Json]:
        """Takes what a queue holds, in the form in which Lambda hands it to a function."""
        answer = self.aws.sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        records = []
        for message in answer.get("Messages", []):
            self.aws.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            records.append(
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": {
                        name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                        for name, value in message.get("MessageAttributes", {}).items()
                    },
                    "eventSource": "aws:sqs",
                    "awsRegion": self.aws.region,
                }
            )
        return records

    def customer(self) -> Json:
        """A customer who has finished Meta's popup: `code`, `session_info`, `wabas`."""
        url = f"{self.upstreams['meta']}/admin/signups"
        answer = httpx.post(url, json={"wabas": [{"numbers": [{}]}]}, trust_env=False, timeout=10)
        customer: Json = answer.raise_for_status().json()
        return customer


@contextlib.contextmanager
def services() -> Iterator[Services]:
    """Bring it all up, and down again."""
    with run_folder() as folder, emulator(folder) as running, _simulators(folder) as upstreams:
        yield Services(aws=running.aws, names=_resources(running.aws), upstreams=upstreams, folder=folder)


def _resources(aws: Aws) -> ResourceNames:
    make_table(aws.dynamodb, "Records")
    secret = {
        "meta_app_secret": APP_SECRET,
        "partner_api_key": PARTNER_KEY,
        "platform_secrets": [PLATFORM_SECRET],
    }
    events = boto3.client(
        "events",
        endpoint_url=aws.endpoint,
        region_name=aws.region,
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
    )
    with contextlib.closing(events):
        events.create_event_bus(Name="Events")
    aws.s3.create_bucket(Bucket=BODIES)
    queues = {
        name: aws.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})["QueueUrl"]
        for name in (
            "Jobs",
            "JobsDlq",
            "Events",
            "EventsDlq",
            "Relay",
            "RelayDlq",
            "Notifications",
            "NotificationsDlq",
            "SchedulesDlq",
            "StreamDlq",
        )
    }
    return ResourceNames(
        table_name="Records",
        bus_name="Events",
        envelope_key_id=aws.kms.create_key()["KeyMetadata"]["KeyId"],
        secret_id=aws.secrets.create_secret(Name="Secret", SecretString=json.dumps(secret))["ARN"],
        jobs_queue_url=queues["Jobs"],
        jobs_dlq_url=queues["JobsDlq"],
        events_queue_url=queues["Events"],
        events_dlq_url=queues["EventsDlq"],
        relay_queue_url=queues["Relay"],
        relay_dlq_url=queues["RelayDlq"],
        notifications_queue_url=queues["Notifications"],
        notifications_dlq_url=queues["NotificationsDlq"],
        bodies_bucket=BODIES,
        schedules_dlq_url=queues["SchedulesDlq"],
        stream_dlq_url=queues["StreamDlq"],
    )


@contextlib.contextmanager
def _simulators(folder: Path) -> Iterator[Mapping[str, str]]:
    output = folder / "simulators.json"
    child = Child(
        name="the simulators",
        python=Path(sys.executable),
        module="local.simulators",
        import_root=PROJECT_ROOT,
        arguments=[
            *("--app-secret", APP_SECRET),
            *("--partner-key", PARTNER_KEY),
            *("--platform-secret", PLATFORM_SECRET),
            *("--step-seconds", "0.05"),
            *("--budget-calls", "500"),
        ],
        environment=clean_environment({"PYTHONUNBUFFERED": "1"}),
        log=folder / "simulators.log",
        output=output,
    )
    with child:
        deadline = time.monotonic() + _READY_SECONDS
        while not (line := output.read_text(encoding="utf-8")).endswith("\n"):
            child.check_running()
            assert time.monotonic() < deadline, "the simulators do not answer"
            time.sleep(0.05)
        yield json.loads(line)
