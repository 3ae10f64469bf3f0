"""The calls by which each right is tried, and what each function may do with them: one literal table."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from botocore.exceptions import ClientError

from infra.cards import CARDS
from local.aws import Aws
from local.run import LocalStack

type Outcome = Literal["done", "refused"]
type Try = Callable[["Caller"], object]

Purpose = Literal["business_token", "channel_key", "endpoint_key"]
PURPOSES: tuple[Purpose | None, ...] = ("business_token", "channel_key", "endpoint_key", None)
QUEUES = {
    "jobs_queue": "Jobs",
    "jobs_dlq": "JobsDlq",
    "events_queue": "Events",
    "events_dlq": "EventsDlq",
    "relay_queue": "Relay",
    "relay_dlq": "RelayDlq",
    "notifications_queue": "Notifications",
    "notifications_dlq": "NotificationsDlq",
    "schedules_dlq": "SchedulesDlq",
    "stream_dlq": "StreamDlq",
}
"""Each queue's name in a local run."""

ITEM = {"pk": {"S": "probe"}, "sk": {"S": "probe"}}
# A message of a probe stays out of the workers' sight: SQS's longest delay outlives the run.
UNSEEN_SECONDS = 900
# A log stream that each function's group has.
STREAM = "probe"
# A body that is there to be read.
BODY = "probe"
# The right is there; only the receipt is made up.
PAST_THE_CHECK = "ReceiptHandleIsInvalid"


@dataclass(frozen=True, slots=True)
class Account:
    """What stands in the account: the stack's resources, and a secret of somebody else."""

    table: str
    stream: str
    queues: Mapping[str, str]
    envelope_key: str
    cipher_texts: Mapping[Purpose | None, bytes]
    table_cipher_text: bytes
    secret: str
    other_secret: str
    bus: str
    bodies: str
    functions: Mapping[str, str]
    log_groups: Mapping[str, str]

    @classmethod
    def of(cls, run: LocalStack) -> Self:
        """Looks up the names of a run; makes, as root, a secret, cipher texts and log streams."""
        aws, resources = run.aws, run.deployed.resources
        keys, groups = resources["AWS::KMS::Key"], resources["AWS::Logs::LogGroup"]
        envelope = one_of(keys, "SecretsEnvelopeKey")
        log_groups = {name: one_of(groups, f"Functions{card.logical_id}Logs") for name, card in CARDS.items()}
        for group in log_groups.values():
            aws.logs.create_log_stream(logGroupName=group, logStreamName=STREAM)
        bodies = one_of(resources["AWS::S3::Bucket"], "BodiesBucket")
        aws.s3.put_object(Bucket=bodies, Key=BODY, Body=b"probe")
        return cls(
            table=run.table_name,
            stream=aws.dynamodb.describe_table(TableName=run.table_name)["Table"]["LatestStreamArn"],
            queues={queue: run.queue_url(name) for queue, name in QUEUES.items()},
            envelope_key=envelope,
            cipher_texts={purpose: cipher_text(aws, envelope, purpose) for purpose in PURPOSES},
            table_cipher_text=cipher_text(aws, one_of(keys, "SecretsTableKey"), None),
            secret=run.secret_id,
            other_secret=aws.secrets.create_secret(Name="of-somebody-else", SecretString="{}")["ARN"],
            bus=run.bus_name,
            bodies=bodies,
            functions=run.deployed.functions,
            log_groups=log_groups,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """A function's rights without its code. `root` may do everything."""

    name: str
    aws: Aws
    root: Aws
    account: Account
    roles: Mapping[str, str]

    @property
    def role(self) -> str:
        """The ARN of the function's role."""
        return self.roles[self.name]

    @property
    def neighbour(self) -> str:
        """Some other function."""
        return next(name for name in CARDS if name != self.name)

    def tries(self, call: str) -> Outcome:
        """Makes a call; raises whatever is neither its success nor a refusal."""
        try:
            CALLS[call](self)
        except PermissionError:
            return "refused"
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if "AccessDenied" in code:
                return "refused"
            if code == PAST_THE_CHECK:
                return "done"
            raise
        return "done"


def one_of(ids: Mapping[str, str], word: str) -> str:
    """The physical id of the resource whose logical id begins with a word and goes on with its hash."""
    (found,) = [physical for logical, physical in ids.items() if logical[:-8] == word]
    return found


def cipher_text(aws: Aws, key: str, purpose: Purpose | None) -> bytes:
    answer = aws.kms.encrypt(KeyId=key, Plaintext=b"probe", EncryptionContext=context(purpose))
    return answer["CiphertextBlob"]


def context(purpose: Purpose | None) -> dict[str, str]:
    """An encryption context as the functions write it; none without a purpose."""
    match purpose:
        case "business_token":
            return {"purpose": purpose, "signup": "probe", "tenant": "probe"}
        case "channel_key":
            return {"purpose": purpose, "number": "probe", "tenant": "probe"}
        case "endpoint_key":
            return {"purpose": purpose, "endpoint": "probe"}
        case None:
            return {}


def purpose_named(word: str) -> Purpose | None:
    """The purpose that a row of the table names."""
    return next((purpose for purpose in PURPOSES if purpose == word), None)


# --- the calls -----------------------------------------------------------------------------------------


def check(caller: Caller) -> object:
    check: Any = {"TableName": caller.account.table, "Key": ITEM, "ConditionExpression": "pk <> :no"}
    check["ExpressionAttributeValues"] = {":no": {"S": "no"}}
    put: Any = {"TableName": caller.account.table, "Item": ITEM | {"sk": {"S": "other"}}}
    # A put beside it: a transaction of checks alone is made by nobody. The checker may put as well.
    return caller.aws.dynamodb.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Put": put}])


def query(attribute: str, index: str | None = None) -> Try:
    def try_it(caller: Caller) -> object:
        more: Any = {"IndexName": index} if index else {}
        return caller.aws.dynamodb.query(
            TableName=caller.account.table,
            KeyConditionExpression=f"{attribute} = :value",
            ExpressionAttributeValues={":value": {"S": "probe"}},
            **more,
        )

    return try_it


def read_stream(action: str) -> Try:
    """The emulator knows no resource for calls of a stream, so it is asked what the caller's role may."""

    def try_it(caller: Caller) -> None:
        acting = caller.aws.sts.get_caller_identity()["Arn"]
        role = acting.replace(":sts:", ":iam:").replace(":assumed-role/", ":role/").rpartition("/")[0]
        answer = caller.root.iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[action], ResourceArns=[caller.account.stream]
        )
        (result,) = answer["EvaluationResults"]
        if result["EvalDecision"] != "allowed":
            raise PermissionError(action)

    return try_it


def send(queue: str) -> Try:
    return lambda caller: caller.aws.sqs.send_message(
        QueueUrl=caller.account.queues[queue], MessageBody="probe", DelaySeconds=UNSEEN_SECONDS
    )


def receive(queue: str) -> Try:
    # What is received by chance is at once there again.
    return lambda caller: caller.aws.sqs.receive_message(
        QueueUrl=caller.account.queues[queue], VisibilityTimeout=0, WaitTimeSeconds=0
    )


def delete(queue: str) -> Try:
    return lambda caller: caller.aws.sqs.delete_message(
        QueueUrl=caller.account.queues[queue], ReceiptHandle="made-up"
    )


def put_off(queue: str) -> Try:
    return lambda caller: caller.aws.sqs.change_message_visibility(
        QueueUrl=caller.account.queues[queue], ReceiptHandle="made-up", VisibilityTimeout=1
    )


def look_at(queue: str) -> Try:
    return lambda caller: caller.aws.sqs.get_queue_attributes(
        QueueUrl=caller.account.queues[queue], AttributeNames=["QueueArn"]
    )


def purge(queue: str) -> Try:
    return lambda caller: caller.aws.sqs.purge_queue(QueueUrl=caller.account.queues[queue])


def encrypt(purpose: Purpose | None) -> Try:
    return lambda caller: caller.aws.kms.encrypt(
        KeyId=caller.account.envelope_key, Plaintext=b"probe", EncryptionContext=context(purpose)
    )


def decrypt(purpose: Purpose | None) -> Try:
    return lambda caller: caller.aws.kms.decrypt(
        KeyId=caller.account.envelope_key,
        CiphertextBlob=caller.account.cipher_texts[purpose],
        EncryptionContext=context(purpose),
    )


def publish(caller: Caller, bus: str) -> object:
    entry: Any = {"EventBusName": bus, "Source": "probe", "DetailType": "probe", "Detail": "{}"}
    answer = caller.aws.events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    return answer


def new_stream(caller: Caller, function: str) -> object:
    stream = f"probe-{time.monotonic_ns()}"
    return caller.aws.logs.create_log_stream(
        logGroupName=caller.account.log_groups[function], logStreamName=stream
    )


def write_log(caller: Caller) -> object:
    group = caller.account.log_groups[caller.name]
    event = {"timestamp": int(time.time() * 1000), "message": json.dumps({"probe": True})}
    return caller.aws.logs.put_log_events(logGroupName=group, logStreamName=STREAM, logEvents=[event])


CALLS: Mapping[str, Try] = {
    "dynamodb:BatchGetItem table": lambda c: c.aws.dynamodb.batch_get_item(
        RequestItems={c.account.table: {"Keys": [ITEM]}}
    ),
    "dynamodb:GetItem table": lambda c: c.aws.dynamodb.get_item(TableName=c.account.table, Key=ITEM),
    "dynamodb:PutItem table": lambda c: c.aws.dynamodb.put_item(TableName=c.account.table, Item=ITEM),
    "dynamodb:UpdateItem table": lambda c: c.aws.dynamodb.update_item(
        TableName=c.account.table,
        Key=ITEM,
        UpdateExpression="SET probed = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    ),
    "dynamodb:DeleteItem table": lambda c: c.aws.dynamodb.delete_item(TableName=c.account.table, Key=ITEM),
    "dynamodb:ConditionCheckItem table": check,
    "dynamodb:Query table": query("pk"),
    "dynamodb:Query by_tenant": query("tenant_key", "by_tenant"),
    "dynamodb:Query by_due": query("due_shard", "by_due"),
    "dynamodb:Query by_channel": query("channel_key", "by_channel"),
    "dynamodb:Query by_digits": query("digits_key", "by_digits"),
    "dynamodb:Query by_waba": query("waba_key", "by_waba"),
    "dynamodb:Query by_place": query("place_key", "by_place"),
    "dynamodb:Scan table": lambda c: c.aws.dynamodb.scan(TableName=c.account.table, Limit=1),
    "dynamodb:Scan by_tenant": lambda c: c.aws.dynamodb.scan(
        TableName=c.account.table, IndexName="by_tenant", Limit=1
    ),
    "dynamodb:BatchWriteItem table": lambda c: c.aws.dynamodb.batch_write_item(
        RequestItems={c.account.table: [{"PutRequest": {"Item": ITEM}}]}
    ),
    "dynamodb:DescribeStream stream": read_stream("dynamodb:DescribeStream"),
    "dynamodb:GetRecords stream": read_stream("dynamodb:GetRecords"),
    "dynamodb:GetShardIterator stream": read_stream("dynamodb:GetShardIterator"),
    "dynamodb:ListStreams stream": read_stream("dynamodb:ListStreams"),
    "sqs:SendMessage jobs_queue": send("jobs_queue"),
    "sqs:ReceiveMessage jobs_queue": receive("jobs_queue"),
    "sqs:DeleteMessage jobs_queue": delete("jobs_queue"),
    "sqs:ChangeMessageVisibility jobs_queue": put_off("jobs_queue"),
    "sqs:GetQueueAttributes jobs_queue": look_at("jobs_queue"),
    "sqs:PurgeQueue jobs_queue": purge("jobs_queue"),
    "sqs:SendMessage jobs_dlq": send("jobs_dlq"),
    "sqs:ReceiveMessage jobs_dlq": receive("jobs_dlq"),
    "sqs:DeleteMessage jobs_dlq": delete("jobs_dlq"),
    "sqs:ChangeMessageVisibility jobs_dlq": put_off("jobs_dlq"),
    "sqs:GetQueueAttributes jobs_dlq": look_at("jobs_dlq"),
    "sqs:SendMessage events_queue": send("events_queue"),
    "sqs:ReceiveMessage events_queue": receive("events_queue"),
    "sqs:DeleteMessage events_queue": delete("events_queue"),
    "sqs:ChangeMessageVisibility events_queue": put_off("events_queue"),
    "sqs:GetQueueAttributes events_queue": look_at("events_queue"),
    "sqs:PurgeQueue events_queue": purge("events_queue"),
    "sqs:SendMessage events_dlq": send("events_dlq"),
    "sqs:ReceiveMessage events_dlq": receive("events_dlq"),
    "sqs:DeleteMessage events_dlq": delete("events_dlq"),
    "sqs:ChangeMessageVisibility events_dlq": put_off("events_dlq"),
    "sqs:GetQueueAttributes events_dlq": look_at("events_dlq"),
    "sqs:SendMessage relay_queue": send("relay_queue"),
    "sqs:ReceiveMessage relay_queue": receive("relay_queue"),
    "sqs:DeleteMessage relay_queue": delete("relay_queue"),
    "sqs:ChangeMessageVisibility relay_queue": put_off("relay_queue"),
    "sqs:GetQueueAttributes relay_queue": look_at("relay_queue"),
    "sqs:PurgeQueue relay_queue": purge("relay_queue"),
    "sqs:SendMessage relay_dlq": send("relay_dlq"),
    "sqs:ReceiveMessage relay_dlq": receive("relay_dlq"),
    "sqs:DeleteMessage relay_dlq": delete("relay_dlq"),
    "sqs:ChangeMessageVisibility relay_dlq": put_off("relay_dlq"),
    "sqs:GetQueueAttributes relay_dlq": look_at("relay_dlq"),
    "sqs:SendMessage notifications_queue": send("notifications_queue"),
    "sqs:ReceiveMessage notifications_queue": receive("notifications_queue"),
    "sqs:DeleteMessage notifications_queue": delete("notifications_queue"),
    "sqs:ChangeMessageVisibility notifications_queue": put_off("notifications_queue"),
    "sqs:GetQueueAttributes notifications_queue": look_at("notifications_queue"),
    "sqs:PurgeQueue notifications_queue": purge("notifications_queue"),
    "sqs:SendMessage notifications_dlq": send("notifications_dlq"),
    "sqs:ReceiveMessage notifications_dlq": receive("notifications_dlq"),
    "sqs:DeleteMessage notifications_dlq": delete("notifications_dlq"),
    "sqs:ChangeMessageVisibility notifications_dlq": put_off("notifications_dlq"),
    "sqs:GetQueueAttributes notifications_dlq": look_at("notifications_dlq"),
    "sqs:SendMessage schedules_dlq": send("schedules_dlq"),
    "sqs:ReceiveMessage schedules_dlq": receive("schedules_dlq"),
    "sqs:DeleteMessage schedules_dlq": delete("schedules_dlq"),
    "sqs:ChangeMessageVisibility schedules_dlq": put_off("schedules_dlq"),
    "sqs:GetQueueAttributes schedules_dlq": look_at("schedules_dlq"),
    "sqs:SendMessage stream_dlq": send("stream_dlq"),
    "sqs:ReceiveMessage stream_dlq": receive("stream_dlq"),
    "sqs:DeleteMessage stream_dlq": delete("stream_dlq"),
    "sqs:ChangeMessageVisibility stream_dlq": put_off("stream_dlq"),
    "sqs:GetQueueAttributes stream_dlq": look_at("stream_dlq"),
    "kms:Encrypt envelope_key business_token": encrypt("business_token"),
    "kms:Decrypt envelope_key business_token": decrypt("business_token"),
    "kms:Encrypt envelope_key channel_key": encrypt("channel_key"),
    "kms:Decrypt envelope_key channel_key": decrypt("channel_key"),
    "kms:Encrypt envelope_key endpoint_key": encrypt("endpoint_key"),
    "kms:Decrypt envelope_key endpoint_key": decrypt("endpoint_key"),
    "kms:Encrypt envelope_key without_context": encrypt(None),
    "kms:Decrypt envelope_key without_context": decrypt(None),
    "kms:GenerateDataKey envelope_key": lambda c: c.aws.kms.generate_data_key(
        KeyId=c.account.envelope_key, KeySpec="AES_256", EncryptionContext=context("channel_key")
    ),
    "kms:Decrypt table_key directly": lambda c: c.aws.kms.decrypt(CiphertextBlob=c.account.table_cipher_text),
    "secretsmanager:GetSecretValue secret": lambda c: c.aws.secrets.get_secret_value(
        SecretId=c.account.secret
    ),
    "secretsmanager:PutSecretValue secret": lambda c: c.aws.secrets.put_secret_value(
        SecretId=c.account.secret, SecretString="{}", VersionStages=["PROBE"]
    ),
    "secretsmanager:GetSecretValue other": lambda c: c.aws.secrets.get_secret_value(
        SecretId=c.account.other_secret
    ),
    "events:PutEvents bus": lambda c: publish(c, c.account.bus),
    "events:PutEvents default_bus": lambda c: publish(c, "default"),
    "logs:CreateLogStream own_log": lambda c: new_stream(c, c.name),
    "logs:PutLogEvents own_log": write_log,
    "logs:FilterLogEvents own_log": lambda c: c.aws.logs.filter_log_events(
        logGroupName=c.account.log_groups[c.name]
    ),
    "logs:CreateLogStream other_log": lambda c: new_stream(c, c.neighbour),
    "lambda:InvokeFunction other": lambda c: c.aws.functions.invoke(
        FunctionName=c.account.functions[c.neighbour], InvocationType="DryRun"
    ),
    "sts:AssumeRole other": lambda c: c.aws.sts.assume_role(
        RoleArn=c.roles[c.neighbour], RoleSessionName="probe"
    ),
    "iam:ListRoles account": lambda c: c.aws.iam.list_roles(),
    "s3:PutObject bodies": lambda c: c.aws.s3.put_object(Bucket=c.account.bodies, Key=BODY, Body=b"probe"),
    "s3:GetObject bodies": lambda c: c.aws.s3.get_object(Bucket=c.account.bodies, Key=BODY),
    "s3:DeleteObject bodies": lambda c: c.aws.s3.delete_object(Bucket=c.account.bodies, Key="none"),
    "s3:ListBucket bodies": lambda c: c.aws.s3.list_objects_v2(Bucket=c.account.bodies),
    "s3:ListAllMyBuckets account": lambda c: c.aws.s3.list_buckets(),
}
"""By action and resource. What can be granted is named as on the cards, with the purpose."""

# + may and can, - is refused, c is refused by a condition on the encryption context alone. The emulator fills
# no such keys (local/template.py), so a `c` is the policy simulator's to judge (test_conditions.py).
COLUMNS = (
    "code_exchange",
    "number_submission",
    "signup_queries",
    "webhook_receiver",
    "onboarding_worker",
    "partner_event_worker",
    "reconciler",
    "event_publisher",
    "hosted_page",
    "operator_desk",
    "meta_receiver",
    "event_relay",
    "notification_sender",
)
TABLE = """
                                                cod num sig web onb par rec eve hos ope met eve not
                                                exc sub que rec wor wor onc pub pag des rec rel sen
dynamodb:BatchGetItem table                     +   +   +   -   +   +   -   -   -   +   -   -   -
dynamodb:GetItem table                          +   +   +   -   +   +   -   -   -   +   -   -   +
dynamodb:PutItem table                          +   +   -   -   +   +   -   -   -   +   -   -   -
dynamodb:UpdateItem table                       +   +   -   -   +   +   +   -   -   +   -   -   +
dynamodb:DeleteItem table                       -   -   -   -   -   -   -   -   -   +   -   -   -
dynamodb:ConditionCheckItem table               -   -   -   -   -   -   -   -   -   -   -   -   -
dynamodb:Query table                            +   +   +   -   -   -   -   -   -   +   -   -   -
dynamodb:Query by_tenant                        -   -   +   -   -   -   -   -   -   +   -   -   -
dynamodb:Query by_due                           -   -   -   -   -   -   +   -   -   +   -   -   -
dynamodb:Query by_channel                       -   -   +   -   +   +   -   -   -   +   -   -   -
dynamodb:Query by_digits                        -   -   -   -   +   +   -   -   -   +   -   -   -
dynamodb:Query by_waba                          -   -   -   -   +   +   -   -   -   +   -   -   -
dynamodb:Query by_place                         -   -   -   -   +   +   -   -   -   +   -   -   -
dynamodb:Scan table                             -   -   -   -   -   -   -   +   -   +   -   -   -
dynamodb:Scan by_tenant                         -   -   -   -   -   -   -   -   -   -   -   -   -
dynamodb:BatchWriteItem table                   -   -   -   -   -   -   -   -   -   -   -   -   -
dynamodb:DescribeStream stream                  -   -   -   -   -   -   -   +   -   -   -   -   -
dynamodb:GetRecords stream                      -   -   -   -   -   -   -   +   -   -   -   -   -
dynamodb:GetShardIterator stream                -   -   -   -   -   -   -   +   -   -   -   -   -
dynamodb:ListStreams stream                     -   -   -   -   -   -   -   +   -   -   -   -   -
sqs:SendMessage jobs_queue                      -   +   -   -   +   +   +   -   -   +   -   -   -
sqs:ReceiveMessage jobs_queue                   -   -   -   -   +   -   -   -   -   -   -   -   -
sqs:DeleteMessage jobs_queue                    -   -   -   -   +   -   -   -   -   -   -   -   -
sqs:ChangeMessageVisibility jobs_queue          -   -   -   -   +   -   -   -   -   -   -   -   -
sqs:GetQueueAttributes jobs_queue               -   -   -   -   +   -   -   -   -   -   -   -   -
sqs:PurgeQueue jobs_queue                       -   -   -   -   -   -   -   -   -   -   -   -   -
sqs:SendMessage jobs_dlq                        -   -   -   -   +   -   -   -   -   -   -   -   -
sqs:ReceiveMessage jobs_dlq                     -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage jobs_dlq                      -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility jobs_dlq            -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes jobs_dlq                 -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:SendMessage events_queue                    -   -   -   +   -   -   -   -   -   +   +   -   -
sqs:ReceiveMessage events_queue                 -   -   -   -   -   +   -   -   -   -   -   -   -
sqs:DeleteMessage events_queue                  -   -   -   -   -   +   -   -   -   -   -   -   -
sqs:ChangeMessageVisibility events_queue        -   -   -   -   -   +   -   -   -   -   -   -   -
sqs:GetQueueAttributes events_queue             -   -   -   -   -   +   -   -   -   -   -   -   -
sqs:PurgeQueue events_queue                     -   -   -   -   -   -   -   -   -   -   -   -   -
sqs:SendMessage events_dlq                      -   -   -   -   -   +   -   -   -   -   -   -   -
sqs:ReceiveMessage events_dlq                   -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage events_dlq                    -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility events_dlq          -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes events_dlq               -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:SendMessage relay_queue                     -   -   -   -   -   +   -   -   -   +   -   -   -
sqs:ReceiveMessage relay_queue                  -   -   -   -   -   -   -   -   -   -   -   +   -
sqs:DeleteMessage relay_queue                   -   -   -   -   -   -   -   -   -   -   -   +   -
sqs:ChangeMessageVisibility relay_queue         -   -   -   -   -   -   -   -   -   -   -   +   -
sqs:GetQueueAttributes relay_queue              -   -   -   -   -   -   -   -   -   -   -   +   -
sqs:PurgeQueue relay_queue                      -   -   -   -   -   -   -   -   -   -   -   -   -
sqs:SendMessage relay_dlq                       -   -   -   -   -   -   -   -   -   -   -   +   -
sqs:ReceiveMessage relay_dlq                    -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage relay_dlq                     -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility relay_dlq           -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes relay_dlq                -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:SendMessage notifications_queue             -   -   -   -   -   -   +   -   -   +   -   -   +
sqs:ReceiveMessage notifications_queue          -   -   -   -   -   -   -   -   -   -   -   -   +
sqs:DeleteMessage notifications_queue           -   -   -   -   -   -   -   -   -   -   -   -   +
sqs:ChangeMessageVisibility notifications_queue -   -   -   -   -   -   -   -   -   -   -   -   +
sqs:GetQueueAttributes notifications_queue      -   -   -   -   -   -   -   -   -   -   -   -   +
sqs:PurgeQueue notifications_queue              -   -   -   -   -   -   -   -   -   -   -   -   -
sqs:SendMessage notifications_dlq               -   -   -   -   -   -   -   -   -   -   -   -   +
sqs:ReceiveMessage notifications_dlq            -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage notifications_dlq             -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility notifications_dlq   -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes notifications_dlq        -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:SendMessage schedules_dlq                   -   -   -   -   -   -   +   -   -   -   -   -   -
sqs:ReceiveMessage schedules_dlq                -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage schedules_dlq                 -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility schedules_dlq       -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes schedules_dlq            -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:SendMessage stream_dlq                      -   -   -   -   -   -   -   +   -   -   -   -   -
sqs:ReceiveMessage stream_dlq                   -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:DeleteMessage stream_dlq                    -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:ChangeMessageVisibility stream_dlq          -   -   -   -   -   -   -   -   -   +   -   -   -
sqs:GetQueueAttributes stream_dlq               -   -   -   -   -   -   -   -   -   +   -   -   -
kms:Encrypt envelope_key business_token         +   -   -   -   c   -   -   -   -   +   -   -   c
kms:Decrypt envelope_key business_token         +   +   +   -   c   -   -   -   -   c   -   -   c
kms:Encrypt envelope_key channel_key            c   -   -   -   +   -   -   -   -   +   -   -   c
kms:Decrypt envelope_key channel_key            c   c   +   -   +   -   -   -   -   +   -   -   c
kms:Encrypt envelope_key endpoint_key           c   -   -   -   c   -   -   -   -   +   -   -   +
kms:Decrypt envelope_key endpoint_key           c   c   c   -   c   -   -   -   -   c   -   -   +
kms:Encrypt envelope_key without_context        c   -   -   -   c   -   -   -   -   c   -   -   c
kms:Decrypt envelope_key without_context        c   c   c   -   c   -   -   -   -   c   -   -   c
kms:GenerateDataKey envelope_key                -   -   -   -   -   -   -   -   -   -   -   -   -
kms:Decrypt table_key directly                  -   -   -   -   -   -   -   -   -   -   -   -   -
secretsmanager:GetSecretValue secret            +   +   +   +   +   -   -   -   -   +   +   -   -
secretsmanager:PutSecretValue secret            -   -   -   -   -   -   -   -   -   -   -   -   -
secretsmanager:GetSecretValue other             -   -   -   -   -   -   -   -   -   -   -   -   -
events:PutEvents bus                            -   -   -   -   -   -   -   +   -   -   -   +   -
events:PutEvents default_bus                    -   -   -   -   -   -   -   -   -   -   -   -   -
logs:CreateLogStream own_log                    +   +   +   +   +   +   +   +   +   +   +   +   +
logs:PutLogEvents own_log                       +   +   +   +   +   +   +   +   +   +   +   +   +
logs:FilterLogEvents own_log                    -   -   -   -   -   -   -   -   -   -   -   -   -
logs:CreateLogStream other_log                  -   -   -   -   -   -   -   -   -   -   -   -   -
lambda:InvokeFunction other                     -   -   -   -   -   -   -   -   -   -   -   -   -
sts:AssumeRole other                            -   -   -   -   -   -   -   -   -   -   -   -   -
iam:ListRoles account                           -   -   -   -   -   -   -   -   -   -   -   -   -
s3:PutObject bodies                             -   -   -   -   -   +   -   -   -   -   -   -   -
s3:GetObject bodies                             -   -   -   -   -   -   -   -   -   -   -   +   -
s3:DeleteObject bodies                          -   -   -   -   -   -   -   -   -   -   -   -   -
s3:ListBucket bodies                            -   -   -   -   -   -   -   -   -   -   -   -   -
s3:ListAllMyBuckets account                     -   -   -   -   -   -   -   -   -   -   -   -   -
"""


def read_rows(table: str) -> dict[str, dict[str, str]]:
    """A table's marks by call and function."""
    read: dict[str, dict[str, str]] = {}
    for line in filter(None, table.splitlines()):
        words = line.split()
        call, marks = words[: -len(COLUMNS)], words[-len(COLUMNS) :]
        read[" ".join(call)] = dict(zip(COLUMNS, marks, strict=True))
    return read


ROWS: Mapping[str, Mapping[str, str]] = read_rows(TABLE.split("\n", 3)[3])


def permitted(name: str) -> tuple[str, ...]:
    """What the table lets a function do."""
    return tuple(call for call, marks in ROWS.items() if marks[name] == "+")
