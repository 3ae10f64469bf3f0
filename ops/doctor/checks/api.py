"""The public API: it answers, and it lets nobody in who is nobody."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from onramp.domain.text import mapping, text
from ops.doctor.findings import Finding, fail, together
from ops.doctor.http import read_object, send
from ops.doctor.stage import Stage


def public_config(stage: Stage) -> Finding:
    """What the browser is told must be what the configuration says."""
    answer = send(stage.http, "the API", "GET", f"{stage.api_url}/v1/config")
    if answer.status_code != HTTPStatus.OK:
        return fail(
            f"GET /v1/config answers {answer.status_code}",
            "Read the log of signup_queries; is the ApiUrl this stage's?",
        )
    content = read_object(answer)
    expected = {name: stage.values.text(f"meta.{name}") for name in ("app_id", "config_id", "graph_version")}
    problems = [
        fail(
            f"browsers are told another {name} than {stage.values.place} says",
            "Run `cdk deploy` for this stage.",
        )
        for name, value in expected.items()
        if text(content.get(name)) != value
    ]
    return together(
        [*problems, *_another_solution(stage, content)],
        f"browsers are told app {expected['app_id']}, configuration {expected['config_id']}",
    )


def _another_solution(stage: Stage, content: Mapping[str, object]) -> Iterator[Finding]:
    """The popup of the standard flow has to name the solution by which 360dialog takes the number."""
    expected = stage.values.text("partner.solution_id")
    told = text(mapping(mapping(content.get("extras")).get("setup")).get("solutionID"))
    if told is None:
        yield fail(
            "browsers are told no solution, so that no customer comes in under it",
            "Run `cdk deploy` for this stage.",
        )
    elif told != expected:
        yield fail(
            f"browsers are told another solution than [partner] solution_id of {stage.values.place}",
            "Run `cdk deploy` for this stage.",
        )


def token_required(stage: Stage) -> Finding:
    """A front-end route without a token, and with one that is none."""
    problems = []
    for how, headers in (
        ("without a token", {}),
        ("with a made-up token", {"Authorization": "Bearer doctor"}),
    ):
        answer = send(stage.http, "the API", "GET", f"{stage.api_url}/v1/signups", headers=headers)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            problems.append(
                fail(
                    f"GET /v1/signups {how} answers {answer.status_code}, not 401",
                    "The route has lost its authorizer, or its issuer cannot be read: deploy again.",
                )
            )
    return together(problems, "front-end routes want a token (401)")
