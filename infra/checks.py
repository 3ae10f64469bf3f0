"""cdk-nag at synthesis: two packs of rules; a finding nobody has acknowledged fails the build."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

REPORT = "validation-report.json"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule broken by one resource, named by its path in the stack."""

    path: str
    rule: str
    about: str


class FindingsError(Exception):
    """There are findings; the message has a line for each."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        lines = (f"  {one.path}: {one.rule}: {one.about}" for one in self.findings)
        told = "\n".join(lines)
        super().__init__(f"cdk-nag: mend these, or give a reason in infra/acknowledged.py:\n{told}")


def add_rule_packs(app: cdk.App) -> None:
    """Let the packs look at the app when it is synthesized."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))


def synthesize(app: cdk.App) -> cdk.cx_api.CloudAssembly:
    """Synthesize. Raises `FindingsError`; the template is written all the same, to look at."""
    try:
        return app.synth()
    except RuntimeError as failure:
        findings = list(_findings(Path(app.outdir)))
        if not findings:
            raise
        raise FindingsError(findings) from failure


def _findings(assembly: Path) -> Iterator[Finding]:
    report = assembly / REPORT
    if not report.is_file():
        return
    for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]:
        for broken in plugin["violations"]:
            for construct in broken["violatingConstructs"]:
                path = construct["constructPath"].partition("/")[2].removesuffix("/Resource")
                # The Onramp of our own stack; paths are those below it.
                path = path.removeprefix("Default/")
                yield Finding(path, broken["ruleName"], broken["description"].partition("\n")[0])
