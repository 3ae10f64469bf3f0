"""``onramp logs``: what functions and API have written, filtered, counted or line by line.

The lines are read one by one and filtered here, so that it is the same on AWS and on a local run. For days of
a busy stage CloudWatch's own Insights is faster.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from infra.cards import CARDS
from onramp.domain.text import iso
from ops.console import DONE, FAILED
from ops.running import Failed, Run, Until, command, group, moment, one_of
from ops.stage.aws import Aws, error_code, list_resources, read_functions
from ops.stage.configuration import UnusableError
from ops.stage.reaching import Reached

API: Final = "api"
ALL: Final = "all"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NOTHING: Final = "no line fits"
app = group("What is written.")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: of whose, when, and what it says."""

    of: str
    at: str
    content: Mapping[str, Any]


@command(app, "logs", epilog="Exit code 1: no line fits.")
def logs(
    run: Run,
    *,
    of: Annotated[
        str,
        typer.Argument(
            parser=one_of(ALL, API, *CARDS), metavar="WHOSE", help=f"{ALL}, {API}, or a function."
        ),
    ] = ALL,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="2026-11-23T09:00:00Z, or how long ago: 90m, 24h, 7d.")
    ] = "1h",
    until: Until = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Only lines with that value in that field; NAME~TEXT: with that text in it; repeatable.",
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(parser=one_of(*LEVELS), metavar="LEVEL", help="Only lines of at least this level."),
    ] = None,
    by: Annotated[str, typer.Option(metavar="NAME,…", help="Count lines by these fields.")] = "",
    show: Annotated[str, typer.Option(metavar="NAME,…", help="Only these fields of each line.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 200,
) -> int:
    """Show lines of the functions' logs, or of the API's, filtered or counted.

    Of one function, of the API's access log, or of all functions together. Only lines that are JSON objects
    count.
    """
    wanted = [_condition(text) for text in where or ()]
    now = datetime.now(UTC)
    span = (moment(since, now) or now, moment(until, now) or now)
    with run.console.progress("reading") as progress, run.reached() as found:
        lines = []
        for line in _lines(found, of, *span):
            progress(f"{line.of} {line.at}")
            if _is_loud(line.content, level) and all(_fits(line.content, *item) for item in wanted):
                lines.append(line)
    lines.sort(key=lambda line: line.at)
    if by:
        _tell_counts(run, lines, _names(by))
    else:
        shown = [_shown(line, _names(show)) for line in lines[-limit:]]
        told = [json.dumps(line, ensure_ascii=False, default=str) for line in shown]
        run.console.answer({"items": shown}, "\n".join(told) or NOTHING)
    return DONE if lines else FAILED


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _condition(text: str) -> tuple[str, str, str]:
    for sign in ("=", "~"):
        name, found, value = text.partition(sign)
        if found and name.replace(".", "").replace("_", "").isalnum():
            return name, sign, value
    raise UnusableError(f"--where {text}: write it as name=value, or as name~text")


def _fits(content: Mapping[str, Any], name: str, sign: str, value: str) -> bool:
    there = _field(content, name)
    return value in str(there) if sign == "~" else str(there) == value


def _field(content: Mapping[str, Any], name: str) -> object:
    """A field, also one within another: ``record.status``."""
    there: object = content
    for part in name.split("."):
        there = there.get(part) if isinstance(there, dict) else None
    return "" if there is None else there


def _is_loud(content: Mapping[str, Any], level: str | None) -> bool:
    if level is None:
        return True
    there = str(content.get("level", ""))
    return there in LEVELS and LEVELS.index(there) >= LEVELS.index(level)


def _tell_counts(run: Run, lines: list[Line], names: tuple[str, ...]) -> None:
    """Most often first."""
    counted = Counter(tuple(str(_shown(line, names).get(name, "")) for name in names) for line in lines)
    rows = [
        {"count": times, **dict(zip(names, values, strict=True))} for values, times in counted.most_common()
    ]
    told = [f"{row['count']:>7}  " + "  ".join(f"{name}={row[name]}" for name in names) for row in rows]
    run.console.answer({"items": rows}, "\n".join(told) or NOTHING)


def _shown(line: Line, names: tuple[str, ...]) -> dict[str, object]:
    if not names:
        return {"at": line.at, "of": line.of, **line.content}
    own = {"at": line.at, "of": line.of}
    return own | {name: own.get(name) or _field(line.content, name) for name in names}


# --- reading ---------------------------------------------------------------------------------------------


def _lines(found: Reached, of: str, since: datetime, until: datetime) -> Iterator[Line]:
    for name, group_ in _groups(found, of).items():
        yield from _of_group(found.aws, name, group_, since, until)


def _of_group(aws: Aws, name: str, group: str, since: datetime, until: datetime) -> Iterator[Line]:
    client = aws.client("logs")
    span = {"startTime": int(since.timestamp() * 1000), "endTime": int(until.timestamp() * 1000)}
    more: dict[str, Any] = {}
    while True:
        try:
            page = client.filter_log_events(logGroupName=group, **span, **more)
        except client.exceptions.ResourceNotFoundException:
            return
        for event in page.get("events", []):
            content = _object(event.get("message", ""))
            if content is not None:
                at = iso(datetime.fromtimestamp(event.get("timestamp", 0) / 1000, UTC))
                yield Line(name, at, content)
        if not page.get("nextToken") or page["nextToken"] == more.get("nextToken"):
            return
        more = {"nextToken": page["nextToken"]}


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    # Metrics travel in the same log, as lines of their own; the receiver's are metrics and words in one.
    return None if "_aws" in content and "message" not in content else content


def _groups(found: Reached, of: str) -> dict[str, str]:
    """The log groups that are asked for, by whose they are. Raises `Failed`."""
    if of == API:
        return {API: _access_log(found)}
    functions = read_functions(found.aws, list_resources(found.aws, found.stack_name))
    names = list(functions) if of == ALL else [of]
    if lacking := [name for name in names if name not in functions]:
        raise Failed(f"{found.stack_name} has no {lacking[0]}: deploy it first")
    return {name: _group(found.aws, functions[name].physical) for name in names}


def _group(aws: Aws, physical: str) -> str:
    settings = aws.functions.get_function_configuration(FunctionName=physical)
    return str(settings.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{physical}")


def _access_log(found: Reached) -> str:
    api_id = found.outputs.get("ApiId", "")
    try:
        stage: Any = found.aws.apis.get_stage(ApiId=api_id, StageName="$default")
    except found.aws.apis.exceptions.NotFoundException as error:
        raise Failed(f"the API has no stage ({error_code(error)})") from error
    arn = str(stage.get("AccessLogSettings", {}).get("DestinationArn", ""))
    if not arn:
        raise Failed("the API writes no access log")
    return arn.partition(":log-group:")[2].removesuffix(":*")
