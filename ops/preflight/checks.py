"""The checks before a deployment. Each reads, none changes anything, and none needs the stack."""

from collections.abc import Iterator
from typing import Any, Final

from ops.doctor.catalogue import Check
from ops.doctor.checks import identity
from ops.doctor.checks.capacity import account_limit
from ops.doctor.findings import Finding, fail, ok, together, warn
from ops.doctor.stage import Stage
from ops.preflight import quotas
from ops.preflight.asking import found, guarded, stands
from ops.preflight.hubs import hubs

QUALIFIER: Final = "hnb659fds"
"""The CDK's own, when nobody names another."""
BOOTSTRAP_VERSION: Final = 6
"""The oldest bootstrap that the stack's assembly takes."""
CODE_ROOM: Final = 500_000_000
"""Bytes that some releases of all functions need, for each one keeps its packages."""
_BLOCKED: Final = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_UNDECIDED: Final = ("REVIEW_IN_PROGRESS",)


# --- the account -----------------------------------------------------------------------------------------


def account(stage: Stage) -> Finding:
    """Whose account and which region the credentials lead to, and whether the file wants these."""
    here = str(stage.aws.client("sts").get_caller_identity()["Account"])
    region = stage.aws.region_name()
    problems = []
    wanted = stage.values.text("stage.account")
    if wanted and wanted != here:
        problems.append(
            fail(
                f"the credentials are of account {here}, [stage] account is {wanted}",
                "Use the credentials of that account: --profile, or AWS_PROFILE.",
            )
        )
    wanted = stage.values.text("stage.region")
    if wanted and wanted != region:
        problems.append(
            fail(f"the region is {region}, [stage] region is {wanted}", "Leave --region away, or mend it.")
        )
    return together(problems, f"account {here}, region {region}")


def bootstrap(stage: Stage) -> Finding:
    """Whether the CDK's bootstrap is there, under the right qualifier."""
    qualifier = stage.values.text("stage.qualifier") or QUALIFIER
    name = f"/cdk-bootstrap/{qualifier}/version"
    answer = found(lambda: stage.aws.client("ssm").get_parameter(Name=name))
    where = f"region {stage.aws.region_name()}, qualifier {qualifier}"
    more = "" if qualifier == QUALIFIER else f" --qualifier {qualifier}"
    advice = f"Run `npx aws-cdk bootstrap -c stage={stage.name}{more}` once for this account and region."
    if answer is None:
        return fail(f"the CDK's bootstrap is missing ({where})", advice)
    version = str(answer["Parameter"]["Value"])
    if not version.isdigit() or int(version) < BOOTSTRAP_VERSION:
        return fail(f"the CDK's bootstrap is too old ({where}): {version}, not {BOOTSTRAP_VERSION}", advice)
    return ok(f"the CDK's bootstrap is there ({where}, version {version})")


def concurrency(stage: Stage) -> Finding:
    """How many functions the account may run at once: ten in new ones."""
    return account_limit(stage.aws.functions.get_account_settings(), stage.values.get)


def code_storage(stage: Stage) -> Finding:
    """Room for the functions' packages, of which each release leaves one behind."""
    settings: Any = stage.aws.functions.get_account_settings()
    room = settings["AccountLimit"]["TotalCodeSize"] - settings["AccountUsage"]["TotalCodeSize"]
    told = f"{room / 1_000_000_000:.1f} GB are left for functions' packages in this region"
    if room < CODE_ROOM:
        return warn(told, "Delete old versions of functions, or ask for more (Service Quotas, Lambda).")
    return ok(told)


# --- what the file names ---------------------------------------------------------------------------------


def configuration(stage: Stage) -> Finding:
    """The configuration file, as the deployment reads it."""
    problems = [
        fail(f"{name}: {why}", f"Mend {stage.values.place}; config/example.toml explains every value.")
        for name, why in stage.values.problems()
    ]
    return together(problems, f"{stage.values.place} can be used")


def issuer(stage: Stage) -> Finding:
    """The identity provider as API Gateway will read it; without one the stack makes a user pool."""
    if stage.values.text("api.jwt_issuer"):
        return identity.jwt_issuer(stage)
    pool = stage.values.text("api.user_pool_id")
    if not pool:
        return ok("no issuer is named: the stack makes a Cognito user pool")
    cognito = stage.aws.client("cognito-idp")
    if found(lambda: cognito.describe_user_pool(UserPoolId=pool)) is None:
        return fail(
            f"there is no user pool {pool} in {stage.aws.region_name()}", "Compare [api] user_pool_id."
        )
    return ok(f"the user pool {pool} is there")


def certificate(stage: Stage) -> Finding:
    """The certificate of the API's own host name: in this region, issued, and for that name."""
    arn, host = stage.values.text("api.certificate_arn"), stage.values.text("api.domain_name")
    if not arn or not host:
        return ok("no host name of its own: AWS's address is used")
    region, here = (arn.split(":") + [""] * 4)[3], stage.aws.region_name()
    if region != here:
        return fail(
            f"the certificate is in {region}, the stack in {here}",
            f"An HTTP API takes a certificate of its own region: request one for {host} in {here}.",
        )
    answer = found(lambda: stage.aws.client("acm").describe_certificate(CertificateArn=arn))
    if answer is None:
        return fail(f"there is no certificate {arn}", "Compare [api] certificate_arn.")
    return together(
        _certificate_problems(answer["Certificate"], host), f"the certificate for {host} is issued"
    )


def _certificate_problems(described: Any, host: str) -> Iterator[Finding]:  # noqa: ANN401 - as AWS answers
    status = described.get("Status", "")
    if status == "PENDING_VALIDATION":
        yield fail(
            "the certificate waits for its validation",
            "Put the CNAME that ACM names into the domain's DNS; wait until it says ISSUED.",
        )
    elif status != "ISSUED":
        yield fail(f"the certificate is {status}, not ISSUED", "Request a new one and name it.")
    names = {described.get("DomainName", ""), *described.get("SubjectAlternativeNames", [])}
    if host not in names and f"*.{host.partition('.')[2]}" not in names:
        yield fail(f"the certificate is not for {host}", f"It is for {', '.join(sorted(names))}.")


def hosted_zone(stage: Stage) -> Finding:
    """The DNS zone that the stack shall put a record into."""
    zone_id, host = stage.values.text("api.hosted_zone_id"), stage.values.text("api.domain_name")
    if not zone_id:
        return ok("no DNS record is made by the stack")
    answer = found(lambda: stage.aws.client("route53").get_hosted_zone(Id=zone_id))
    if answer is None:
        return fail(f"there is no hosted zone {zone_id} in this account", "Compare [api] hosted_zone_id.")
    zone = answer["HostedZone"]["Name"].rstrip(".")
    if host != zone and not host.endswith(f".{zone}"):
        return fail(f"{host} is not in the zone {zone}", "Compare [api] hosted_zone_id and domain_name.")
    if answer["HostedZone"].get("Config", {}).get("PrivateZone"):
        return fail(f"the zone {zone} is private", "360dialog has to find the name: use a public zone.")
    return ok(f"{host} is in the zone {zone}")


def existing(stage: Stage) -> Finding:
    """What the file names as being there already: boundary, topic, keys."""
    problems = [problem for find in (_boundary, _topic, _keys) for problem in find(stage)]
    return together(problems, "what the file names is there, or it names nothing")


def _boundary(stage: Stage) -> Iterator[Finding]:
    named = stage.values.text("stage.permissions_boundary")
    if not named:
        return
    arn = named
    if not named.startswith("arn:"):
        caller = stage.aws.client("sts").get_caller_identity()
        arn = f"arn:{caller['Arn'].split(':')[1]}:iam::{caller['Account']}:policy/{named}"
    if found(lambda: stage.aws.client("iam").get_policy(PolicyArn=arn)) is None:
        yield fail(f"there is no policy {arn}", "Compare [stage] permissions_boundary.")


def _topic(stage: Stage) -> Iterator[Finding]:
    arn = stage.values.text("stage.alarm_topic_arn")
    if not arn:
        return
    if arn.split(":")[3] != stage.aws.region_name():
        yield fail(
            f"the topic is in {arn.split(':')[3]}, the stack in {stage.aws.region_name()}",
            "An alarm tells topics of its own region only.",
        )
    elif found(lambda: stage.aws.client("sns").get_topic_attributes(TopicArn=arn)) is None:
        yield fail(f"there is no topic {arn}", "Compare [stage] alarm_topic_arn.")


def _keys(stage: Stage) -> Iterator[Finding]:
    for name in ("table_key_arn", "envelope_key_arn"):
        arn = stage.values.text(f"stage.{name}")
        if not arn:
            continue
        answer = found(lambda arn=arn: stage.aws.client("kms").describe_key(KeyId=arn))  # type: ignore[misc]
        state = answer["KeyMetadata"].get("KeyState", "") if answer else "not there"
        if state != "Enabled":
            yield fail(f"[stage] {name}: the key is {state}", "Enable it, or name another one.")


# --- what is in the way ----------------------------------------------------------------------------------


def former_stack(stage: Stage) -> Finding:
    """Whether a stack of this name stands, and lets itself be deployed to."""
    name = stage.stack_name
    answer = found(lambda: stage.aws.cloudformation.describe_stacks(StackName=name))
    if answer is None or not answer["Stacks"]:
        return ok(f"there is no {name} yet")
    status = answer["Stacks"][0]["StackStatus"]
    if status in _BLOCKED:
        return fail(
            f"{name} is in the state {status}: nothing can be deployed to it",
            f"Delete it: `aws cloudformation delete-stack --stack-name {name}`; it holds no data yet.",
        )
    if status.endswith("_IN_PROGRESS") and "CLEANUP" not in status and status not in _UNDECIDED:
        return warn(f"{name} is being changed ({status})", "Wait for the deployment that is under way.")
    return ok(f"{name} stands ({status}): this will be a change of it")


def left_over(stage: Stage) -> Finding:
    """Names of the stack's own that something else has taken: a first deployment fails there."""
    name = stage.stack_name
    if stands(stage):
        return ok("the stack stands: its names are its own")
    problems = [
        fail(
            f"there is a queue {name}-{queue} without a stack",
            "Delete it, and wait a minute: SQS keeps the name for so long.",
        )
        for queue in ("jobs", "events", "relay", "notifications")
        if _has_queue(stage, f"{name}-{queue}")
    ]
    if found(lambda: stage.aws.events.describe_event_bus(Name=name)):
        problems.append(fail(f"there is an event bus {name} without a stack", "Delete it with its rules."))
    return together(problems, "no name is taken")


def _has_queue(stage: Stage, name: str) -> bool:
    return bool(found(lambda: stage.aws.sqs.get_queue_url(QueueName=name)))


CHECKS: Final = (
    Check("configuration", "the configuration file can be used", configuration),
    Check("account", "the credentials lead to the account and region that are meant", guarded(account)),
    Check("bootstrap", "the CDK has prepared the region", guarded(bootstrap)),
    Check("concurrency", "enough functions may run at once", guarded(concurrency)),
    Check("code-storage", "there is room for the functions' packages", guarded(code_storage)),
    *quotas.CHECKS,
    Check("issuer", "the identity provider can be read", guarded(issuer)),
    Check("certificate", "the certificate is issued, here, for the host name", certificate),
    Check("hosted-zone", "the host name is in the DNS zone", hosted_zone),
    Check("existing", "what the file names as existing is there", existing),
    Check("former-stack", "a stack of that name can be deployed to", guarded(former_stack)),
    Check("hubs", "each further hub is in the secret, and 360dialog takes its key", guarded(hubs)),
    Check("left-over", "nothing has taken the stack's names", guarded(left_over)),
)
