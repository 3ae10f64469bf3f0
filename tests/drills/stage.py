"""What a drill works on: the local run, its customer, and whoever types the runbook's commands."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from harness.waiting import PATIENCE, eventually
from infra.local_run import RUN_FILE_VARIABLE
from local import deploy
from local.demo import new_client
from local.journey import submitted
from local.options import RunOptions
from local.run import LocalStack
from tests.drills.book import ROOT
from tests.flow.walks import Dialog, Tenant

type Json = dict[str, Any]

OPTIONS: Final = RunOptions(
    budget_calls=500,
    budget_window_seconds=30,
    step_seconds=0.1,
    reconcile_after_seconds=3,
    retry_schedule="1,2,4,8",
)
"""The schedules of the flow tests: what takes minutes or hours elsewhere takes seconds here."""
REDELIVERY_SECONDS: Final = 2.0
"""How long the simulated 360dialog waits at most before it sends a refused webhook again."""


@dataclass(slots=True)
class Keys:
    """What stands in the secret, and at Meta's and 360dialog's: a drill may leave another one behind.

    `others`: what no drill touches.
    """

    meta_app_secret: str
    partner_api_key: str
    platform_secret: str
    others: Mapping[str, Any] = field(default_factory=dict)

    def as_secret(self) -> Json:
        return {
            **self.others,
            "meta_app_secret": self.meta_app_secret,
            "partner_api_key": self.partner_api_key,
            "platform_secrets": [self.platform_secret],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The local run that all drills share.

    `file` tells `onramp` of it, `keys` are those that are right, and the options those that the simulated
    360dialog and Meta began with.
    """

    run: LocalStack
    file: Path
    keys: Keys
    dialog_options: Mapping[str, Any]
    meta_options: Mapping[str, Any]

    @property
    def dialog(self) -> Dialog:
        """The simulated 360dialog from behind."""
        return Dialog(self.run)

    def meta(self, method: str, path: str, body: object = None) -> Json:
        """An admin route of the simulated Meta."""
        url = f"{self.run.upstreams.meta_admin}/admin/{path}"
        answer: Json = self.run.http.request(method, url, json=body).raise_for_status().json()
        return answer

    def mappings(self, function: str) -> list[Any]:
        """The event source mappings of a function, as Lambda tells of them."""
        name = self.run.deployed.functions[function]
        answer = self.run.aws.functions.list_event_source_mappings(FunctionName=name)
        return list(answer["EventSourceMappings"])

    def turn_mapping(self, function: str, *, on: bool) -> None:
        """Switch what is handed to a function on or off, as somebody does by hand."""
        for one in self.mappings(function):
            self.run.aws.functions.update_event_source_mapping(UUID=one["UUID"], Enabled=on)

    def rules(self) -> list[str]:
        """Names of the schedules' rules."""
        return [name.rpartition("|")[2] for name in self.run.deployed.resources["AWS::Events::Rule"].values()]

    def onramp(
        self, words: Sequence[str], typed: Sequence[str] = (), *, at_terminal: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Type a command in a shell of its own, as the runbook's first steps prepare it.

        `typed`: the lines of standard input; `at_terminal`: a person types them, whom the command may ask.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {
            "ONRAMP_STAGE": "local",
            RUN_FILE_VARIABLE: str(self.file),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "functions"), str(ROOT)]),
        }
        with _standard_input(typed, at_terminal=at_terminal) as given:
            return subprocess.run(
                [str(Path(sys.executable).with_name("onramp")), *words],
                **given,
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
                env=environment,
                timeout=PATIENCE,
            )

    def level(self, check: str) -> str:
        """What the doctor finds: ``ok``, ``warn``, ``fail`` or ``skipped``."""
        answer = self.onramp(["doctor", "--json", "--only", check, "--timeout", "5"])
        findings = json.loads(answer.stdout)["result"]["findings"]
        return str(next(found["level"] for found in findings if found["check"] == check))

    def counted(self, metric: str, since: float) -> float:
        """What functions have counted since a time (epoch seconds): the sum of their lines of that metric."""
        return sum(sum(values_of(line, metric)) for line in self._lines(since))

    def _lines(self, since: float) -> Iterator[str]:
        logs = self.run.aws.logs
        for group in self.run.deployed.resources["AWS::Logs::LogGroup"].values():
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=int(since * 1000)
            )
            for page in pages:
                yield from (event["message"] for event in page["events"])

    def set_right(self) -> None:
        """Leave the stage as a drill has to find it, whatever the one before has broken or not mended."""
        self._set_upstreams_right()
        self._set_switches_right()
        deploy.put_secret(self.run.aws, self.run.secret_id, self.keys.as_secret())
        for queue in ("JobsDlq", "EventsDlq", "SchedulesDlq", "StreamDlq"):
            self.run.aws.sqs.purge_queue(QueueUrl=self.run.queue_url(queue))

    def _set_upstreams_right(self) -> None:
        dialog, keys = self.dialog, self.keys
        dialog.call("DELETE", "faults")
        dialog.call("DELETE", "webhook-faults")
        dialog.call("PATCH", "options", dict(self.dialog_options))
        dialog.call("PATCH", "webhook-options", {"redelivery_cap_seconds": REDELIVERY_SECONDS})
        dialog.call(
            "POST",
            "partner",
            {
                "webhook_url": self.run.webhook_url,
                "platform_secret": keys.platform_secret,
                "partner_key": keys.partner_api_key,
            },
        )
        self.meta("DELETE", "faults")
        self.meta("PATCH", "options", dict(self.meta_options))
        self.meta("POST", "app", {"app_secret": keys.meta_app_secret})

    def _set_switches_right(self) -> None:
        run = self.run
        for function in ("onboarding_worker", "partner_event_worker", "event_publisher"):
            if any(one["State"] != "Enabled" for one in self.mappings(function)):
                self.turn_mapping(function, on=True)
        for rule in self.rules():
            run.aws.events.enable_rule(Name=rule)
        for physical in run.deployed.functions.values():
            run.aws.functions.delete_function_concurrency(FunctionName=physical)


@contextmanager
def _standard_input(lines: Sequence[str], *, at_terminal: bool) -> Iterator[dict[str, Any]]:
    """What a program reads, as an argument for `subprocess.run`."""
    text = "".join(f"{line}\n" for line in lines)
    if not at_terminal:
        yield {"input": text}
        return
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, text.encode())
        yield {"stdin": terminal}
    finally:
        os.close(keyboard)
        os.close(terminal)


def values_of(line: str, metric: str) -> list[float]:
    """The values of a metric in a log line of CloudWatch's embedded format; none in any other line."""
    if f'"{metric}"' not in line or '"_aws"' not in line:
        return []
    try:
        content = json.loads(line)
    except ValueError:
        return []
    value = content.get(metric, []) if isinstance(content, dict) else []
    return [float(one) for one in (value if isinstance(value, list) else [value])]


@dataclass(slots=True, kw_only=True)
class Drill:
    """One trouble being practised: the stage, a tenant of its own, its customer's ids, when it began.

    `own` has what the runbook's examples stand for, by the names in `book.EXAMPLES`.
    """

    stage: Stage
    tenant: Tenant
    began: float = field(default_factory=time.time)
    own: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    """What a trouble's own functions tell each other."""
    exits: ExitStack = field(default_factory=ExitStack)
    """What is closed when the drill is over."""

    def __post_init__(self) -> None:
        self.own["began_at"] = datetime.fromtimestamp(self.began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def run(self) -> LocalStack:
        return self.stage.run

    @property
    def dialog(self) -> Dialog:
        return self.stage.dialog

    # --- the customer -----------------------------------------------------------------------------------

    def open(self) -> str:
        """Open a signup. Gives its id."""
        client = new_client()
        signup_id = str(self.tenant.front_end.open(client)["id"])
        self.own |= {"signup_id": signup_id, "email": client["email"]}
        return signup_id

    def authorize(self, **popup: object) -> str:
        """Open a signup, go through the popup and hand the code in. Gives the signup's id."""
        signup_id = self.open()
        answer = self.send_code(**popup)
        assert answer.is_success, answer.text
        return signup_id

    def submit(self, **popup: object) -> None:
        """The whole way of a customer up to the submitted numbers; the first is the drill's own."""
        signup_id = self.authorize(**popup)
        numbers = self.tenant.front_end.read(signup_id)["numbers"]
        self.tenant.front_end.submit(signup_id, [number["phone_number_id"] for number in numbers])

    def number(self) -> Json:
        """The drill's number as the API shows it."""
        return self.tenant.front_end.read_number(self.own["phone_number_id"])

    def send_code(self, **popup: object) -> httpx.Response:
        """Hand in the code of a new popup for the drill's signup, whatever becomes of it."""
        shared = self.tenant.popup(**popup)
        [waba] = shared["wabas"]
        number = waba["numbers"][0]
        self.own |= {
            "waba_id": waba["id"],
            "phone_number_id": number["id"],
            "digits": number["display_phone_number"],
        }
        body = {"code": shared["code"], "session_info": shared["session_info"]}
        return self.tenant.front_end.call("POST", f"/v1/signups/{self.own['signup_id']}/code", body=body)

    def is_(self, status: str) -> bool:
        """Whether the drill's number has a status."""
        return bool(self.number()["status"] == status)

    def reaches(self, status: str) -> None:
        """Wait until the drill's number has a status, and note its channel."""
        eventually(lambda: self.is_(status), f"the number is {status}, not {self.number()['status']}")
        self._note_channel()

    def is_connected(self) -> None:
        """The end of most drills: the drill's number is connected, and its key can be fetched."""
        self.reaches("connected")
        assert self.tenant.key(self.own["channel_id"])["api_key"]

    def connect(self, **popup: object) -> None:
        """Submit a number and wait until it is connected."""
        self.submit(**popup)
        self.is_connected()

    def _note_channel(self) -> None:
        channel_id = self.number().get("channel_id")
        if channel_id:
            channel = self.dialog.channel(channel_id)
            self.own |= {"channel_id": channel_id, "client_id": channel["client_id"]}

    # --- the operator -----------------------------------------------------------------------------------

    def counted(self, metric: str) -> float:
        """What was counted since the drill began."""
        return self.stage.counted(metric, self.began)


def stage_of(run: LocalStack, file: Path) -> Stage:
    """The stage of a run that has just come up, told of in a file."""
    options = run.options
    meta = run.http.get(f"{run.upstreams.meta_admin}/admin/options").raise_for_status().json()
    others = json.loads(run.aws.secrets.get_secret_value(SecretId=run.secret_id)["SecretString"])
    stage = Stage(
        run=run,
        file=file,
        keys=Keys(options.app_secret, options.partner_key, options.platform_secret, others),
        dialog_options=Dialog(run).call("GET", "options"),
        meta_options=meta,
    )
    stage.set_right()
    return stage


@contextmanager
def drill_on(stage: Stage) -> Iterator[Drill]:
    """A drill with a tenant of its own; afterwards the stage is as it was."""
    name = f"drill-{secrets.token_hex(4)}"
    with stage.run.front_end(name) as front_end:
        try:
            drill = Drill(stage=stage, tenant=Tenant(run=stage.run, name=name, front_end=front_end))
            with drill.exits:
                yield drill
        finally:
            stage.set_right()


def numbers_of(drill: Drill) -> Sequence[Mapping[str, Any]]:
    """The submitted numbers of the drill's signup."""
    return submitted(drill.tenant.front_end.read(drill.own["signup_id"]))
