"""The deployed stage, as all checks see it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import httpx

from infra.config_values import STANDARD_FLOW
from infra.environment import CONFIGURED
from onramp.domain.text import mapping, members, text
from ops.doctor.findings import Stop, skipped
from ops.doctor.partner import PartnerDesk
from ops.doctor.secret import Secret, hub_names, read_secret
from ops.stage.aws import Aws, DeployedFunction, StackFacts, list_resources, read_functions
from ops.stage.configuration import Values
from ops.stage.once import Once

_COMPOUND: Final = (list, tuple, dict)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that tests can bring their own: `now` in UTC, `monotonic` and `sleep` in seconds."""

    now: Callable[[], datetime] = lambda: _now()  # noqa: PLW0108 - looked up when called
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(kw_only=True)
class Stage:
    """What there is to look at. Facts that cost a call are read when first asked for, and once.

    Attributes:
        values: the configuration file's values.
        stack_name: name of the CloudFormation stack.
        outputs: its outputs.
        stack: what CloudFormation says of it; None when the outputs came from a file.
        aws: clients with the operator's credentials.
        http: client for everything else.
        clock: the time here.
        fix: whether a check may mend what it finds.
        patience: seconds that a check waits for something to happen.
        token: a front-end's token that somebody wants to know about; empty for none.
        number: Meta's phone number id of the one whose key is to be tried; empty for a sample.
    """

    values: Values
    stack_name: str
    outputs: Mapping[str, str]
    aws: Aws
    http: httpx.Client
    stack: StackFacts | None = None
    clock: Clock = field(default_factory=Clock)
    fix: bool = False
    patience: float = 40.0
    token: str = field(default="", repr=False)
    number: str = ""
    secret: Once[Secret] = field(init=False)
    resources: Callable[[], dict[str, dict[str, str]]] = field(init=False)
    functions: Callable[[], dict[str, DeployedFunction]] = field(init=False)
    partner: PartnerDesk = field(init=False)
    hubs: Mapping[str, PartnerDesk] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the facts; nothing is read yet."""
        self.secret = Once(lambda: read_secret(self.aws, self.output("SecretArn"), self.clock.now()))
        self.resources = Once(lambda: list_resources(self.aws, self.stack_name))
        self.functions = Once(lambda: read_functions(self.aws, self.resources()))
        self.partner = PartnerDesk(self)
        self.hubs = {hub: PartnerDesk(self, hub) for hub in hub_names(self.values)}

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.values.stage

    @property
    def api_url(self) -> str:
        """The API's address, without a slash at its end. Raises `Stop` when the stack names none."""
        return self.output("ApiUrl").rstrip("/")

    def output(self, name: str) -> str:
        """One of the stack's outputs. Raises `Stop` when it is missing."""
        value = self.outputs.get(name)
        if not value:
            raise Stop(skipped(f"the stack has no output {name}: see the check `stack`"))
        return value

    def value(self, name: str) -> str:
        """One of the configuration's values. Raises `Stop` when it is missing."""
        value = self.values.text(name)
        if not value:
            raise Stop(skipped(f"{self.values.place} has no {name}: see the check `configuration`"))
        return value

    def conceal(self, text: str) -> str:
        """A text without any secret in it."""
        text = text.replace(self.token, "•••") if self.token else text
        # What nobody has read, nobody can have said.
        return self.secret.known.conceal(text) if self.secret.known is not None else text

    @property
    def app_token(self) -> str:
        """Meta's app access token. Raises `Stop` when the secret or the configuration lacks a part of it."""
        return f"{self.value('meta.app_id')}|{self.secret().text('meta_app_secret')}"


def local_values(values: Values, functions: Mapping[str, DeployedFunction]) -> dict[str, object]:
    """What a local run's functions were given in place of the file's values, by ``section.key``.

    Addresses, ids and numbers, and where links and signups may lead; other lists and tables no run replaces.
    """
    found: dict[str, object] = {}
    for function in functions.values():
        for variable, name in CONFIGURED.items():
            if function.environment.get(variable) and not isinstance(values.get(name), _COMPOUND):
                found[name] = function.environment[variable]
        found |= _standard_flow(function.environment.get("SIGNUP_FLOWS"))
        found |= _return_origins(function.environment.get("SIGNUP_LINKS"))
        found |= _redirect_uris(function.environment.get("META_REDIRECT_URIS"))
    # The same text as in the file stays as it is there.
    return {name: value for name, value in found.items() if str(values.get(name)) != value}


def _return_origins(links: str | None) -> dict[str, object]:
    """The pages that links may lead back to, which a local run opens on free ports."""
    try:
        origins = members(mapping(json.loads(links or "{}")).get("return_origins"))
    except ValueError:
        return {}
    return {"links.return_origins": origins} if origins else {}


def _redirect_uris(addresses: str | None) -> dict[str, object]:
    """The pages that a signup without a popup may come back to, of which the same is true."""
    try:
        uris = members(json.loads(addresses or "[]"))
    except ValueError:
        return {}
    return {"meta.redirect_uris": uris} if uris else {}


def _standard_flow(flows: str | None) -> dict[str, object]:
    """The login configuration that a function was given, which a variable of its own does not carry."""
    try:
        standard = mapping(mapping(json.loads(flows or "{}")).get(STANDARD_FLOW))
    except ValueError:
        return {}
    config_id = text(standard.get("config_id"))
    return {"meta.config_id": config_id} if config_id else {}
