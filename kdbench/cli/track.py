"""MLflow: bring the tracker up to what the results folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.session import (
    OnlyOption,
    PluginOption,
    ProfileOption,
    ReportsOption,
    ResultsOption,
    Session,
    SuiteArgument,
    TrackingOption,
    open_suite,
)

if TYPE_CHECKING:
    from kdbench.track.mlflow import SyncReport

app = typer.Typer(no_args_is_help=True)


@app.callback()
def track() -> None:
    """MLflow: bring the tracker up to what the results folder holds."""


@app.command("sync")
def sync(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
    reports: ReportsOption = Path("reports"),
    tracking_uri: TrackingOption = None,
) -> int:
    """Write every result that MLflow does not have yet; rebuilds a lost store.

    Example: kdbench track sync suites/quickstart.yaml
    """
    session = open_suite(suite, results, profile, only, plugin)
    name = session.suite.name
    pages = [path for path in (reports / name / "index.html", reports / name / "report.md") if path.exists()]
    done = sync_session(session, tracking_uri, pages)
    if done.failed:
        typer.echo(f"kdbench: MLflow was not updated: {done.failed}", err=True)
        return Exit.incomplete
    typer.echo(f"mlflow: {done.created} runs written, {done.skipped} were there: {done.uri}")
    return Exit.ok


def sync_session(session: Session, tracking_uri: str | None, pages: list[Path] | tuple[Path, ...]) -> SyncReport:
    from kdbench.track.mlflow import sync as sync_records

    records = session.records(session.scan())
    return sync_records(records.values(), session.home.jobs, session.suite.name, tracking_uri, pages, session.home)
