"""The public API: it answers, and it lets nobody in who is nobody."""

from http import HTTPStatus

from onramp.domain.text import text
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
    return together(
        (
            fail(
                f"browsers are told another {name} than {stage.values.place} says",
                "Run `cdk deploy` for this stage.",
            )
            for name, value in expected.items()
            if text(content.get(name)) != value
        ),
        f"browsers are told app {expected['app_id']}, configuration {expected['config_id']}",
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
