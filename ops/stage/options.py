"""The options by which a command line names its stage; the same for every command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from infra.config import LOCAL_STAGE

PANEL: Final = "Stage"
"""Under which the help lists them."""

Stage = Annotated[
    str | None,
    typer.Option("--stage", envvar="ONRAMP_STAGE", help="The stage.", rich_help_panel=PANEL),
]
Local = Annotated[
    bool,
    typer.Option("--local", help="The run that `make local` keeps up.", rich_help_panel=PANEL),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Its configuration (default: config/<stage>.toml).",
        rich_help_panel=PANEL,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        metavar="SECTION.KEY=VALUE",
        help="A value that was given to `cdk deploy -c`.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
Outputs = Annotated[
    Path | None,
    typer.Option(
        "--outputs",
        metavar="FILE",
        help="The stack's outputs, as `cdk deploy --outputs-file` writes.",
        rich_help_panel=PANEL,
    ),
]
Stack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        help="The stack's name (default: Onramp-<stage>).",
        rich_help_panel=PANEL,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="AWS region (default: [stage] region, else $AWS_REGION, else that of the credentials).",
        rich_help_panel=PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="Profile of the AWS credentials.", rich_help_panel=PANEL),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        envvar="AWS_ENDPOINT_URL",
        metavar="URL",
        help="AWS emulator (default for the stage local: that of `make local`).",
        rich_help_panel=PANEL,
    ),
]


@dataclass(kw_only=True)
class File:
    """Which configuration. `stage` is that of the local run where ``--local`` is given."""

    stage: Stage = None
    local: Local = False
    config: Config = None
    overrides: Overrides = None

    def __post_init__(self) -> None:
        """``--local`` comes before the variable's stage."""
        if self.local:
            self.stage = LOCAL_STAGE


@dataclass(kw_only=True)
class Where(File):
    """Which stage, and how AWS is asked."""

    outputs: Outputs = None
    stack: Stack = None
    region: Region = None
    profile: Profile = None
    endpoint_url: EndpointUrl = None
