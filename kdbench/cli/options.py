"""The arguments and options that several verbs share, so that they are called and explained alike."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli import complete


class Stale(StrEnum):
    """What to do with results that older code made."""

    auto = "auto"
    keep = "keep"
    rerun = "rerun"
    fail = "fail"


SuiteArgument = Annotated[
    Path,
    typer.Argument(
        help="A suite file, or the name of one (kdbench list suites).", metavar="SUITE", autocompletion=complete.suites
    ),
]
ProfileOption = Annotated[str | None, typer.Option("--profile", "-p", help="A profile of the suite, e.g. smoke.")]
OnlyOption = Annotated[str | None, typer.Option("--only", help="Only some arms, e.g. 'task=digits,method=kd|dkd,seed=0'.")]
PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with plugins. May be repeated.")
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of results.")]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder of reports.")]
BaselineOption = Annotated[Path, typer.Option("--baseline", help="Folder of baselines.")]
StaleOption = Annotated[
    Stale,
    typer.Option("--stale", help="Results of older code: keep, make anew, or stop; auto: anew where a plugin of yours changed."),
]
TrackingOption = Annotated[
    str | None, typer.Option("--tracking-uri", help="MLflow server or store; default: sqlite in .kdbench.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
