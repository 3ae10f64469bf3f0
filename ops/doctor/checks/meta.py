"""Meta: app, secret, Graph version, solution, and the login configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import httpx

from onramp.adapters.upstream import ErrorBody, read_error
from onramp.domain.text import text
from ops.doctor.findings import Finding, Stop, fail, ok, skipped, together, warn
from ops.doctor.http import read_object, send
from ops.doctor.stage import Stage

VERSION_ENDS: Final[Mapping[tuple[int, int], date | None]] = MappingProxyType(
    {(25, 0): date(2028, 7, 29), (26, 0): None}
)
"""The last day of each Graph version, None while Meta has named none. As of November 2026: v26.0 came out on
2026-07-29 and is the newest; v25.0 ends two years after that."""
WARNING: Final = timedelta(days=90)
_THROTTLED: Final = frozenset({4, 17, 32, 341, 613})
_OUTAGE: Final = frozenset({2})
_BAD_APP: Final = 101
_BAD_TOKEN: Final = 190
_VERSION_OVER: Final = 2635
_UNKNOWN_PATH: Final = 2500
"""Meta's word for an address of the Graph API that it cannot make out, as that of a version to come."""
_SPENT_CODE: Final = "onramp-doctor"
"""No code of Meta's: what the exchange says about it shows whether app id and secret were right."""
_APP_ADVICE: Final = "Compare [meta] app_id with the app's dashboard (App settings, Basic)."
_COPY_IT: Final = (
    "Copy the app's secret from its dashboard (App settings, Basic) into the secret as meta_app_secret."
)


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """An answer of the Graph API; `version` is the one that it says to have answered with."""

    status: int
    content: Mapping[str, object]
    error: ErrorBody
    version: str = ""

    @property
    def is_success(self) -> bool:
        """Whether it is what was asked for."""
        return self.status == HTTPStatus.OK

    @property
    def is_trouble(self) -> bool:
        """Whether it says nothing about us: throttling, an outage."""
        return (
            self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status == HTTPStatus.TOO_MANY_REQUESTS
            or self.error.code in _THROTTLED | _OUTAGE
            or self.error.transient
        )

    @property
    def told(self) -> str:
        """Status and Meta's own numbers, which its support asks for; never its text."""
        return f"HTTP {self.status}{f', error {self.error.reference}' if self.error.reference else ''}"


def _read(response: httpx.Response) -> GraphAnswer:
    content = read_object(response)
    version = response.headers.get("facebook-api-version", "")
    return GraphAnswer(response.status_code, content, read_error(content), version)


def _graph(stage: Stage, node: str, fields: str) -> GraphAnswer:
    answer = send(
        stage.http,
        "Meta's Graph API",
        "GET",
        f"{_base(stage)}/{node}",
        params={"fields": fields},
        headers={"Authorization": f"Bearer {stage.app_token}"},
    )
    return _read(answer)


def _base(stage: Stage) -> str:
    return f"{stage.value('meta.graph_base_url').rstrip('/')}/{stage.value('meta.graph_version')}"


def meta_app(stage: Stage) -> Finding:
    """App id and secret together: the app reads itself."""
    app_id = stage.value("meta.app_id")
    answer = _graph(stage, app_id, "id")
    if answer.is_success and text(answer.content.get("id")) == app_id:
        return ok(f"Meta knows the app {app_id}, and the secret is its")
    return _common(answer, stage) or _tried_by_exchange(stage, answer)


def _common(answer: GraphAnswer, stage: Stage) -> Finding | None:
    if answer.error.code == _VERSION_OVER:
        version = stage.value("meta.graph_version")
        return fail(
            f"Meta serves {version} no more", "Set [meta] graph_version to the current one and deploy."
        )
    if answer.error.code == _BAD_APP:
        return fail(f"Meta knows no app {stage.value('meta.app_id')} ({answer.told})", _APP_ADVICE)
    if answer.is_trouble:
        return warn(f"Meta has trouble of its own ({answer.told})", "Run it again later.")
    return None


def _tried_by_exchange(stage: Stage, refusal: GraphAnswer) -> Finding:
    """Which of the two is wrong: the exchange of a code that is none tells them apart."""
    form = {
        "client_id": stage.value("meta.app_id"),
        "client_secret": stage.secret().text("meta_app_secret"),
        "code": _SPENT_CODE,
    }
    url = f"{_base(stage)}/oauth/access_token"
    answer = _read(send(stage.http, "Meta's Graph API", "POST", url, data=form))
    if "client secret" in answer.error.message.lower():
        return fail(f"the secret is not that of app {stage.value('meta.app_id')} ({answer.told})", _COPY_IT)
    if (known := _common(answer, stage)) is not None:
        return known
    if answer.error.code == 100 and answer.error.subcode != 36008:  # noqa: PLR2004 - as Meta numbers them
        return warn(
            f"app id and secret fit, yet Meta does not let the app read itself ({refusal.told})", _APP_ADVICE
        )
    return fail(
        f"Meta refuses app {stage.value('meta.app_id')} with this secret ({refusal.told})",
        f"{_COPY_IT} {_APP_ADVICE}",
    )


def graph_version(stage: Stage) -> Finding:
    """How long the Graph version lives."""
    version = stage.values.text("meta.graph_version")
    found = re.fullmatch(r"v(\d{1,4})\.(\d{1,4})", version)
    if found is None:
        return fail(f"{version!r} is no Graph version", "Write it as v26.0.")
    number = (int(found[1]), int(found[2]))
    oldest, newest = min(VERSION_ENDS), max(VERSION_ENDS)
    told = _asked(stage, version, _upgrade(newest))
    if told is not None:
        return told
    if number < oldest:
        return fail(f"{version} is older than v{oldest[0]}.{oldest[1]}", _upgrade(newest))
    if number not in VERSION_ENDS:
        return warn(f"this program does not know {version}", "Look it up in Meta's list of Graph versions.")
    return _lifetime(stage, version, VERSION_ENDS[number], _upgrade(newest))


def _asked(stage: Stage, version: str, advice: str) -> Finding | None:
    """What Meta itself says of a version; None when it serves it, or nobody can ask."""
    try:
        answer = _graph(stage, stage.value("meta.app_id"), "id")
    except Stop:
        return None
    if answer.error.code == _VERSION_OVER:
        return fail(f"Meta serves {version} no more", advice)
    if answer.error.code == _UNKNOWN_PATH:
        return fail(f"Meta knows no version {version}", advice)
    if answer.version and answer.version != version:
        # A version that has ended is answered by the oldest one that lives, without a word but this.
        return fail(f"Meta answers {version} with {answer.version[:10]}", advice)
    return None


def _lifetime(stage: Stage, version: str, end: date | None, advice: str) -> Finding:
    if end is None:
        return ok(f"{version} is current, Meta has named no end")
    left = end - stage.clock.now().date()
    if left < timedelta(0):
        return fail(f"{version} ended on {end}", advice)
    if left <= WARNING:
        return warn(f"{version} ends on {end}, in {left.days} days", advice)
    return ok(f"{version} lives until {end}")


def _upgrade(newest: tuple[int, int]) -> str:
    return f"Set [meta] graph_version to v{newest[0]}.{newest[1]}, read Meta's changelog, deploy."


def solution(stage: Stage) -> Finding:
    """Shape of the solution id, and the solution's status at Meta."""
    values, solution_id = stage.values, stage.values.text("partner.solution_id")
    place = f"The multi-partner solution's id is in the app's dashboard: put it into {values.place}."
    if not re.fullmatch(r"[0-9]{14,18}", solution_id):
        return fail("[partner] solution_id is not 14 to 18 digits", place)
    if values.is_example("partner.solution_id"):
        return fail("[partner] solution_id is still the one of example.toml", place)
    return _solution_status(stage, solution_id)


def _solution_status(stage: Stage, solution_id: str) -> Finding:
    try:
        answer = _graph(stage, solution_id, "id,name,status")
    except Stop:
        return skipped("the id has the right shape; Meta cannot be asked: see the check `meta-app`")
    status = text(answer.content.get("status"))
    if answer.is_success and status == "ACTIVE":
        return ok(f"solution {solution_id} is ACTIVE")
    if answer.is_success and status is not None:
        return fail(
            f"solution {solution_id} is {status[:40]}, not ACTIVE",
            "Accept it in the app's dashboard and have 360dialog do so: no number can be submitted before.",
        )
    if answer.error.code in {_BAD_TOKEN, _BAD_APP}:
        return skipped("needs an app secret that works: see the check `meta-app`")
    return skipped(
        f"the id has the right shape, but Meta does not show the solution to the app alone ({answer.told}): "
        "it is another app's, or there is none",
        "Look at its status in the app's dashboard.",
    )


def login_configuration(stage: Stage) -> Finding:
    """The id of the Facebook Login for Business configuration."""
    config_id = stage.values.text("meta.config_id")
    advice = (
        f"It is in the app's dashboard under Facebook Login for Business: put it into {stage.values.place}."
    )
    if not config_id:
        return fail("[meta] config_id is missing", advice)
    if not re.fullmatch(r"[0-9]{5,20}", config_id):
        return fail("[meta] config_id is not digits", advice)
    problems = []
    if stage.values.is_example("meta.config_id"):
        problems.append(fail("[meta] config_id is still the one of example.toml", advice))
    if config_id == stage.values.text("meta.app_id"):
        problems.append(fail("[meta] config_id is the app's id", advice))
    return together(problems, f"config id {config_id}")
