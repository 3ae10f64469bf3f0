"""The local run: emulator, simulators and the deployed stack, brought up and taken down as one.

Used by the demo, the page, the flow tests and the soak.
"""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from infra.config import load_config
from infra.config_values import STANDARD_FLOW
from infra.environment import notifications, relay, signup_flows, signup_links
from infra.paths import CONFIG
from local import deploy, stack
from local.aws import Aws
from local.children import PROJECT_ROOT, Child, ChildFailedError, clean_environment, run_folder, tail
from local.deploy import Deployed
from local.journey import FrontEnd
from local.ministack import Emulator, emulator
from local.options import RunOptions
from local.template import Overlay

type Json = dict[str, Any]
type Progress = Callable[[str], contextlib.AbstractContextManager[None]]

WEBHOOK_PATH = "/v1/webhooks/360dialog"
META_WEBHOOK_PATH = "/v1/webhooks/meta"
META_VERIFY_TOKEN = "local-verify-token"
CRM_AUTHORIZATION = "Bearer local-crm"
"""What the messaging webhook `crm` of the stage is sent with."""
META_SYSTEM_USER = "EAAlocalSystemUser"
"""What the simulated Meta takes for a system user of ours."""

_READY_SECONDS = 60.0
_GREETING_END = "CTRL + C to quit"
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """Where the services are that the stack calls. No URL ends with a slash, but an issuer's may.

    Attributes:
        graph: Base URL of the Graph API.
        meta_admin: Where codes are made; ``/admin/signups`` below it stands for Meta's popup.
        partner: Base URL of the Partner API.
        messaging: Base URL of the messaging host.
        issuer: The identity provider, as its tokens name it.
        simulated: What the simulators answered at their start, by ``meta``, ``partner``,
            ``messaging`` and ``issuer``.
    """

    graph: str
    meta_admin: str
    partner: str
    messaging: str
    issuer: str
    simulated: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """A local run that is up.

    Attributes:
        options: What it was started with, secrets included.
        folder: Folder of the run; it goes when the run ends.
        emulator: The AWS emulator.
        upstreams: The services around the stack.
        deployed: The stack's outputs, resources and functions.
        children: The processes of the emulator and of the simulators.
        api_url: Base URL of the API, without a slash at its end.
        http: A client for everything that is no route of the API.
    """

    options: RunOptions
    folder: Path
    emulator: Emulator
    upstreams: Upstreams
    deployed: Deployed
    children: tuple[Child, ...]
    api_url: str
    http: httpx.Client

    @property
    def aws(self) -> Aws:
        """Clients of the emulated account."""
        return self.emulator.aws

    @property
    def webhook_url(self) -> str:
        """The public route for 360dialog's partner events."""
        return self.api_url + WEBHOOK_PATH

    @property
    def meta_webhook_url(self) -> str:
        """The route for Meta's own webhooks; the simulated Meta sends none until it is told this."""
        return self.api_url + META_WEBHOOK_PATH

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self.deployed.outputs["TableName"]

    @property
    def bus_name(self) -> str:
        """Name of the event bus."""
        return self.deployed.outputs["BusName"]

    @property
    def secret_id(self) -> str:
        """ARN of the secret."""
        return self.deployed.outputs["SecretArn"]

    def queue_url(self, name: str) -> str:
        """Gives the URL of a queue.

        Args:
            name: ``Jobs``, ``JobsDlq``, ``Events``, ``EventsDlq``, ``Relay``, ``RelayDlq``,
                ``SchedulesDlq`` or ``StreamDlq``.
        """
        return self.deployed.outputs[f"{name}QueueUrl" if not name.endswith("Dlq") else f"{name}Url"]

    def queue_depth(self, name: str) -> int:
        """Counts the messages of a queue, those put off and those being worked on included.

        Args:
            name: As for ``queue_url``.
        """
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=self.queue_url(name), AttributeNames=["All"])
        counted = answer["Attributes"].items()
        return sum(int(value) for name, value in counted if name.startswith("ApproximateNumberOf"))

    def token(self, tenant: str, **fields: object) -> str:
        """Gets a JWT of the identity provider.

        Args:
            tenant: Whom it is for; becomes the claim ``sub``.
            fields: Other fields of the request, such as ``ttl`` in seconds.

        Returns:
            The token.

        Raises:
            httpx.HTTPStatusError: The provider refused.
        """
        answer = self.http.post(f"{self._token_url}", json={"sub": tenant, **fields})
        return str(answer.raise_for_status().json()["access_token"])

    @property
    def _token_url(self) -> str:
        base = self.upstreams.simulated.get("issuer", self.upstreams.issuer)
        return f"{(self.options.jwt_issuer or base).rstrip('/')}/token"

    def token_command(self, tenant: str) -> str:
        """Gives a shell command that prints a token for a tenant."""
        body = json.dumps({"sub": tenant})
        # Any Python reads JSON, so the command needs no tool that may be missing.
        pick = 'import json, sys; print(json.load(sys.stdin)["access_token"])'
        header = "-H 'Content-Type: application/json'"
        return f"curl -s {self._token_url} {header} -d '{body}' | python3 -c '{pick}'"

    def front_end(self, tenant: str) -> FrontEnd:
        """Gives a front end signed in as a tenant; the caller closes it."""
        return FrontEnd(self.api_url, self.token(tenant))

    def meta_signup(self, **fields: object) -> Json:
        """Lets a simulated customer go through Meta's popup.

        Args:
            fields: The request as the simulator's README tells, such as how many numbers.

        Returns:
            What the browser gets (``code``, ``session_info``) and what Meta knows (``wabas``, …).

        Raises:
            httpx.HTTPStatusError: The simulator refused.
        """
        answer = self.http.post(f"{self.upstreams.meta_admin}/admin/signups", json=fields)
        body: Json = answer.raise_for_status().json()
        return body

    def invoke(self, function: str, event: object) -> Json:
        """Invokes a function and waits for its answer.

        Args:
            function: The module that holds its handler, such as ``reconciler``.
            event: The event.

        Returns:
            The answer as parsed from JSON, under ``payload``, and ``error``: the kind of failure or None.
        """
        answer = self.aws.functions.invoke(
            FunctionName=self.deployed.called(function), Payload=json.dumps(event).encode()
        )
        return {
            "payload": json.loads(answer["Payload"].read() or b"null"),
            "error": answer.get("FunctionError"),
        }

    def desk(self, command: str, **arguments: object) -> Json:
        """Asks the operator's desk.

        Raises:
            RuntimeError: It did not do it; the message says why.
        """
        answer = self.invoke("operator_desk", {"command": command, "arguments": arguments})["payload"]
        if not isinstance(answer, dict) or "result" not in answer:
            raise RuntimeError(f"{command}: {answer}")
        result: Json = answer["result"]
        return result

    def check_running(self) -> None:
        """Raises ``ChildFailedError`` when the emulator or the simulators have ended."""
        for child in self.children:
            child.check_running()

    def memory_bytes(self) -> int:
        """Measures the resident memory of everything this run started, pages in common counted each time.

        Raises:
            OSError: There is no ``ps``.
        """
        return _memory_of({str(child.pid) for child in self.children})

    def function_log(self) -> str:
        """Reads all that the functions wrote so far, by time."""
        events: list[dict[str, Any]] = []
        for group in self.deployed.resources.get("AWS::Logs::LogGroup", {}).values():
            for page in self.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                events += page["events"]
        events.sort(key=lambda event: int(event["timestamp"]))
        return "\n".join(event["message"].rstrip() for event in events)

    def emulator_log(self, *, lines: int = 10) -> str:
        """Reads what the emulator wrote last; a function that cannot even start shows here."""
        return tail(self.emulator.log, lines=lines, after=_GREETING_END)


@contextlib.contextmanager
def _silent(_: str) -> Iterator[None]:
    yield


@contextlib.contextmanager
def local_stack(options: RunOptions | None = None, *, progress: Progress = _silent) -> Iterator[LocalStack]:
    """Brings a local run up and takes it down again, whatever happens in between.

    Args:
        options: How it is put together.
        progress: Opened around each step with its description.

    Yields:
        The run, with the stack deployed and the partner webhook set.

    Raises:
        ChildFailedError: The emulator or the simulators did not start.
        SynthError: The stack cannot be synthesized.
        DeployError: The stack cannot be deployed.
    """
    options = options or RunOptions()
    with contextlib.ExitStack() as exits:
        with progress("stack synthesized" + (" (kept from before)" if stack.is_kept(options.stage) else "")):
            assembly_folder = stack.synthesize(options.stage)
        folder = exits.enter_context(run_folder())
        with progress("AWS emulator and simulators started"):
            # Callers are ended before those they call: an open connection would delay a server's end.
            settings = dataclasses.replace(options.emulator, port=options.api_port)
            running = exits.enter_context(emulator(folder, settings))
            simulators = exits.enter_context(_simulators(folder, options))
            http = exits.enter_context(httpx.Client(timeout=30, trust_env=False))
            upstreams = _upstreams(options, _addresses(simulators, folder / "simulators.json"))
        with progress("stack deployed"):
            deployed = _deploy(running, assembly_folder, options, upstreams)
        run = LocalStack(
            options=options,
            folder=folder,
            emulator=running,
            upstreams=upstreams,
            deployed=deployed,
            children=(running.child, simulators),
            api_url=running.api_url(deployed.only("AWS::ApiGatewayV2::Api")),
            http=http,
        )
        with progress("partner webhook set at 360dialog"):
            _set_partner_webhook(run)
        yield run


@contextlib.contextmanager
def _simulators(folder: Path, options: RunOptions) -> Iterator[Child]:
    """Starts the simulators; they write one line of JSON once all three listen."""
    arguments = {
        "--meta-port": options.meta_port,
        "--dialog-port": options.dialog_port,
        "--issuer-port": options.issuer_port,
        "--app-id": options.app_id,
        "--app-secret": options.app_secret,
        "--config-id": options.config_id,
        "--partner-id": options.partner_id,
        "--partner-key": options.partner_key,
        "--platform-secret": options.platform_secret,
        "--solution-id": options.solution_id,
        "--audience": options.jwt_audience,
        "--step-seconds": options.step_seconds,
        "--budget-calls": options.budget_calls,
        "--budget-window-seconds": options.budget_window_seconds,
    }
    child = Child(
        name="the simulators",
        python=Path(sys.executable),
        module="local.simulators",
        import_root=PROJECT_ROOT,
        arguments=[
            *(str(part) for pair in arguments.items() if pair[1] is not None for part in pair),
            *(f"--flow={name}={flow['config_id']}" for name, flow in _other_flows(options)),
            *(f"--other-partner={':'.join(hub)}" for hub in hubs_of(options).values()),
        ],
        environment=clean_environment({"PYTHONUNBUFFERED": "1"}),
        log=folder / "simulators.log",
        output=folder / "simulators.json",
    )
    with child:
        yield child


def _addresses(child: Child, output: Path) -> dict[str, str]:
    """Waits for the simulators' addresses."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        child.check_running()
        line, newline, _ = output.read_text().partition("\n")
        if newline:
            answer: dict[str, str] = json.loads(line)
            return {name: url.rstrip("/") for name, url in answer.items()}
        time.sleep(_POLL_SECONDS)
    raise ChildFailedError(f"the simulators were not ready within {_READY_SECONDS:.0f} s")


def _upstreams(options: RunOptions, simulated: Mapping[str, str]) -> Upstreams:
    graph = options.graph_base_url or simulated["meta"]
    return Upstreams(
        graph=graph,
        meta_admin=options.meta_admin_url or graph,
        partner=options.partner_base_url or simulated["partner"],
        messaging=options.messaging_base_url or simulated["messaging"],
        issuer=options.jwt_issuer or simulated["issuer"],
        simulated=simulated,
    )


def _deploy(running: Emulator, assembly_folder: Path, options: RunOptions, upstreams: Upstreams) -> Deployed:
    aws = running.aws
    assembly = deploy.read_assembly(assembly_folder, region=aws.region)
    deployed = deploy.deploy(
        aws,
        assembly,
        overlay=Overlay(
            # The gateway tells a function its own id, and no address that could be called here.
            environment=function_environment(options, upstreams)
            | {"API_ADDRESS": running.api_url("{api_id}")},
            jwt_issuer=upstreams.issuer,
            jwt_audience=(options.jwt_audience,),
            queue_concurrency=options.queue_concurrency,
        ),
        allowed_origins=options.allowed_origins,
        iam_enforced=options.emulator.enforce_iam,
    )
    deploy.put_secret(
        aws,
        deployed.outputs["SecretArn"],
        {
            "meta_app_secret": options.app_secret,
            "partner_api_key": options.partner_key,
            "platform_secrets": [options.platform_secret],
            "meta_verify_token": META_VERIFY_TOKEN,
            "meta_system_user_token": META_SYSTEM_USER,
            **{f"relay_key_{name}": key for name, key in options.relay_keys.items()},
            **{f"partner_api_key@{name}": hub.key for name, hub in hubs_of(options).items()},
            **{f"platform_secrets@{name}": [hub.secret] for name, hub in hubs_of(options).items()},
            "messaging_header@crm:Authorization": CRM_AUTHORIZATION,
        },
    )
    return deployed


class HubOfRun(NamedTuple):
    """A hub beside the default one: its partner's id, key, secret and solution."""

    partner_id: str
    key: str
    secret: str
    solution_id: str


def hubs_of(options: RunOptions) -> dict[str, HubOfRun]:
    """The stage's hubs beside the default one, by name; their secrets follow from the run's own."""
    hubs = load_config(directory=CONFIG, stage=options.stage).hubs
    return {
        name: HubOfRun(
            hub.partner_id,
            f"{options.partner_key}-{name}",
            f"{options.platform_secret}-{name}",
            hub.solution_id,
        )
        for name, hub in hubs.items()
    }


def function_environment(options: RunOptions, upstreams: Upstreams) -> dict[str, str]:
    """Gives the variables of functions that a run sets.

    Args:
        options: How the run is put together; options that are None leave the stage's value alone.
        upstreams: The addresses.

    Returns:
        Values by the name of the variable.
    """
    values = {
        "GRAPH_BASE_URL": upstreams.graph,
        "PARTNER_BASE_URL": upstreams.partner,
        "MESSAGING_BASE_URL": upstreams.messaging,
        "PARTNER_ID": options.partner_id,
        "SOLUTION_ID": options.solution_id,
        "META_APP_ID": options.app_id,
        "META_SDK_BASE_URL": upstreams.graph,
        "META_DIALOG_BASE_URL": upstreams.graph,
        # The page at the root of each origin, as the local page is.
        "META_REDIRECT_URIS": json.dumps([f"{origin}/" for origin in options.allowed_origins]),
        "NOTIFICATIONS": _notifications(options),
        "RELAY": _relay(options),
        "SIGNUP_FLOWS": _flows(options),
        "SIGNUP_LINKS": _links(options),
        "MESSAGING_WEBHOOK_URL": options.messaging_webhook_url,
        "PARTNER_BUDGET_CALLS": options.budget_calls,
        "PARTNER_BUDGET_WINDOW_SECONDS": options.budget_window_seconds,
        "RETRY_SCHEDULE_SECONDS": options.retry_schedule,
        "RECONCILE_AFTER_SECONDS": options.reconcile_after_seconds,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _flows(options: RunOptions) -> str:
    """The stage's flows with the run's own ids, as the functions read them."""
    config = load_config(directory=CONFIG, stage=options.stage)
    flows = {
        name: {**flow, "extras": _of_solution(flow["extras"], options.solution_id)}
        for name, flow in signup_flows(config).items()
    }
    flows[STANDARD_FLOW]["config_id"] = options.config_id
    return json.dumps(flows)


def _notifications(options: RunOptions) -> str:
    """The stage's rules for notifications, and those who listen in this run."""
    rules = notifications(load_config(directory=CONFIG, stage=options.stage))
    endpoints = {name: {"url": url, "events": ["*"]} for name, url in options.notified.items()}
    waits = [int(part) for part in (options.notify_schedule or "").split(",") if part]
    own = {"endpoints": endpoints, "allow_loopback": True}
    return json.dumps(rules | own | ({"retry_schedule_seconds": waits} if waits else {}))


def _relay(options: RunOptions) -> str:
    """What the stage hands on of 360dialog's events, and to whom in this run."""
    rules = relay(load_config(directory=CONFIG, stage=options.stage))
    if options.relayed is None:
        return json.dumps(rules)
    targets = {name: {"events": ["*"], **target} for name, target in options.relayed.items()}
    return json.dumps(rules | {"targets": targets})


def _links(options: RunOptions) -> str:
    """The stage's rules for links: a customer may go back to the pages that may call the API."""
    config = load_config(directory=CONFIG, stage=options.stage)
    return json.dumps(signup_links(config) | {"return_origins": list(options.allowed_origins)})


def _other_flows(options: RunOptions) -> list[tuple[str, dict[str, Any]]]:
    """The stage's flows beside the standard one, which Meta's side has to know, too."""
    flows: dict[str, dict[str, Any]] = json.loads(_flows(options))
    return [(name, flow) for name, flow in flows.items() if name != STANDARD_FLOW]


def _of_solution(extras: dict[str, Any], solution_id: str) -> dict[str, Any]:
    setup = extras.get("setup", {})
    return {**extras, "setup": {**setup, "solutionID": solution_id}} if "solutionID" in setup else extras


def _set_partner_webhook(run: LocalStack) -> None:
    """Tells 360dialog, simulated or not, where its partner events go."""
    url = f"{run.upstreams.partner}/partners/{run.options.partner_id}/webhook_url"
    answer = run.http.post(
        url, json={"webhook_url": run.webhook_url}, headers={"X-API-Key": run.options.partner_key}
    )
    answer.raise_for_status()
    if run.options.partner_base_url is not None:
        return
    for name, hub in hubs_of(run.options).items():
        url = f"{run.upstreams.partner}/partners/{hub.partner_id}/webhook_url"
        body = {"webhook_url": f"{run.webhook_url}/{name}"}
        run.http.post(url, json=body, headers={"X-API-Key": hub.key}).raise_for_status()


def _memory_of(groups: set[str]) -> int:
    """Adds up the resident memory of process groups, in bytes."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,rss="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return sum(int(kilobytes) * 1024 for group, kilobytes in rows if group in groups)
