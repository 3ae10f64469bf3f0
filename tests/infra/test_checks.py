"""What the scanners may find: the exact lists, so that none grows unseen."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from infra.acknowledged import ACKNOWLEDGED
from infra.cards import CARDS
from infra.paths import ROOT
from tests.infra.conftest import NOTIFIED

LAMBDAS = frozenset(f"Functions/{card.logical_id}" for card in CARDS.values())
ROLES = frozenset(f"{path}Role" for path in LAMBDAS)
EVERYWHERE: Mapping[str, frozenset[str]] = {
    "AwsSolutions-APIG4": frozenset(
        {
            "Api/Http/GET--signup",
            "Api/Http/GET--signup--{file}",
            "Api/Http/GET--v1--config",
            "Api/Http/GET--v1--linked-signup",
            "Api/Http/POST--v1--linked-signup--code",
            "Api/Http/POST--v1--linked-signup--numbers",
            "Api/Http/POST--v1--linked-signup--outcome",
            "Api/Http/POST--v1--linked-signup--retry",
            "Api/Http/POST--v1--webhooks--360dialog",
        }
    ),
    "AwsSolutions-IAM5[Resource::{bodies}]": frozenset(
        {"Functions/EventRelayRole", "Functions/PartnerEventWorkerRole"}
    ),
    "AwsSolutions-L1": LAMBDAS,
    "AwsSolutions-S1": frozenset({"Bodies/Bucket"}),
    "AwsSolutions-SMG4": frozenset({"Secrets/Secret"}),
    "AwsSolutions-SQS3": frozenset({"Messaging/SchedulesDlq", "Messaging/StreamDlq"}),
    "Serverless-LambdaDLQ": LAMBDAS,
    "Serverless-LambdaEventSourceMappingDestination": frozenset(
        {f"{name}Consumer/Source" for name in ("Events", "Jobs", "Notifications", "Relay")}
    ),
    "Serverless-LambdaLatestVersion": LAMBDAS,
    "Serverless-SQSRedrivePolicy": frozenset(
        {
            "Messaging/EventsDlq",
            "Messaging/JobsDlq",
            "Messaging/NotificationsDlq",
            "Messaging/RelayDlq",
            "Messaging/SchedulesDlq",
            "Messaging/StreamDlq",
        }
    ),
}
WITH_TRACING: Mapping[str, frozenset[str]] = {
    "AwsSolutions-IAM5[Resource::*]": ROLES,
    "Serverless-LambdaStarPermissions": ROLES,
}
WITHOUT_TRACING: Mapping[str, frozenset[str]] = {"Serverless-LambdaTracing": LAMBDAS}
WITH_USER_POOL: Mapping[str, frozenset[str]] = {
    "AwsSolutions-COG2": frozenset({"Users/Pool"}),
    "AwsSolutions-COG8": frozenset({"Users/Pool"}),
}
WITH_EMAIL: Mapping[str, frozenset[str]] = {"Serverless-SNSRedrivePolicy": frozenset({"Alarms/Email*"})}
WITH_SHIFTS: Mapping[str, frozenset[str]] = {"AwsSolutions-IAM5[Resource::*]": frozenset({"Releases/Role"})}
WITH_READERS: Mapping[str, frozenset[str]] = {
    "AwsSolutions-IAM5[Resource::{key_route}]": frozenset({"Api/KeyReader"})
}
WITH_MAKERS: Mapping[str, frozenset[str]] = {
    "AwsSolutions-IAM5[Resource::{link_routes}]": frozenset({"Api/LinkMaker"})
}
WITH_HUBS: Mapping[str, frozenset[str]] = {
    "AwsSolutions-APIG4": frozenset({"Api/Http/POST--v1--webhooks--360dialog--{hub}"})
}
WITH_META: Mapping[str, frozenset[str]] = {
    "AwsSolutions-APIG4": frozenset(
        {
            "Api/Http/GET--v1--deletions--{code}",
            "Api/Http/GET--v1--webhooks--meta",
            "Api/Http/POST--v1--webhooks--meta",
            "Api/Http/POST--v1--webhooks--meta--data-deletion",
            "Api/Http/POST--v1--webhooks--meta--deauthorize",
        }
    )
}
ALL = (
    EVERYWHERE,
    WITH_TRACING,
    WITHOUT_TRACING,
    WITH_USER_POOL,
    WITH_EMAIL,
    WITH_SHIFTS,
    WITH_READERS,
    WITH_MAKERS,
    WITH_HUBS,
    WITH_META,
)
USUAL = (EVERYWHERE, WITHOUT_TRACING)


def together(*tables: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Several tables as one: the paths of each rule."""
    found: dict[str, frozenset[str]] = {}
    for table in tables:
        for rule, paths in table.items():
            found[rule] = found.get(rule, frozenset()) | paths
    return found


def test_the_list_of_what_is_acknowledged() -> None:
    found: dict[str, set[str]] = {}
    for line in ACKNOWLEDGED:
        known = found.setdefault(line.rule, set())
        assert not known & set(line.paths), f"{line.rule} twice"
        known |= set(line.paths)
        assert len(line.reason) > 30
    assert found == together(*ALL)


@pytest.mark.parametrize(
    ("stage", "values", "expected"),
    [
        ("example", {}, together(*USUAL, WITH_USER_POOL, WITH_EMAIL)),
        (
            "example",
            {"stage.tracing": "true", "stage.release": "canary"},
            together(EVERYWHERE, WITH_TRACING, WITH_SHIFTS, WITH_USER_POOL, WITH_EMAIL),
        ),
        ("local", {}, together(*USUAL, WITH_HUBS, WITH_META)),
    ],
)
def test_all_of_them_are_really_found(
    stage: str, values: Mapping[str, object], expected: Mapping[str, frozenset[str]], tmp_path: Path
) -> None:
    from infra.app import build_app  # noqa: PLC0415 - the CDK takes long to load
    from infra.checks import FindingsError, synthesize  # noqa: PLC0415

    context = {"stage": stage, "skip_bundling": "true", **NOTIFIED, **values}
    app = build_app(context=context, outdir=str(tmp_path), acknowledged=())
    with pytest.raises(FindingsError) as caught:
        synthesize(app)
    found: dict[str, set[str]] = {}
    for finding in caught.value.findings:
        # One address after the other is subscribed; the table has a line for all.
        path = re.sub(r"^(Alarms/Email)\d+$", r"\1*", finding.path)
        rule = re.sub(r"<Bodies\w+\.Arn>/\*", "{bodies}", finding.rule)
        found.setdefault(rule, set()).add(path)
    assert found == expected


def test_a_finding_ends_the_synthesis_with_a_status_and_its_name(tmp_path: Path) -> None:
    code = (
        "import infra.app as app\n"
        "build = app.build_app\n"
        "app.build_app = lambda: build(context={'skip_bundling': 'true'}, acknowledged=())\n"
        "app.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "", "ONRAMP_STAGE": "local", "CDK_OUTDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Secrets/Secret: AwsSolutions-SMG4: The secret does not have automatic rotation" in done.stderr
    assert "Traceback" not in done.stderr


# --- checkov -----------------------------------------------------------------------------------------


def test_the_list_of_what_checkov_skips() -> None:
    text = (ROOT / ".checkov.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    assert settings["skip-check"] == [
        "CKV_AWS_18",
        "CKV_AWS_21",
        "CKV_AWS_27",
        "CKV_AWS_115",
        "CKV_AWS_116",
        "CKV_AWS_117",
        "CKV_AWS_149",
        "CKV_AWS_158",
        "CKV_AWS_173",
    ]
    assert settings["skip-download"] is True
    assert not {"check", "soft-fail", "skip-path"} & set(settings)
    reasons = re.findall(r"^  - CKV_AWS_\d+ # (.{30,})$", text, re.MULTILINE)
    assert len(reasons) == len(settings["skip-check"])
