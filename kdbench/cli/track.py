"""kdbench track: bring MLflow up to what the results folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.options import (
    OnlyOption,
    PluginOption,
    ProfileOption,
    ReportsOption,
    ResultsOption,
    SuiteArgument,
    TrackingOption,
)
from kdbench.cli.session import Session, open_suite
from kdbench.cli.text import count

if TYPE_CHECKING:
    from kdbench.results.record import Record
    from kdbench.track.mlflow import SyncReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def track() -> None:
    """Bring MLflow up to what the results folder holds."""


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
    folder = reports / (session.suite.name if profile is None else f"{session.suite.name}-{profile}")
    pages = [path for path in (folder / "index.html", folder / "report.md") if path.exists()]
    done = sync_session(session, session.records(), tracking_uri, pages)
    if done.failed:
        typer.echo(f"kdbench: MLflow was not updated: {done.failed}", err=True)
        return Exit.incomplete
    typer.echo(f"mlflow: {count(done.created, 'run')} written, {done.skipped} were there: {done.uri}")
    return Exit.ok


def sync_session(session: Session, records: Mapping[str, Record], tracking_uri: str | None, pages: Sequence[Path]) -> SyncReport:
    from kdbench.track.mlflow import sync as sync_records

    return sync_records(records.values(), session.home.jobs, session.suite.name, tracking_uri, pages, session.home)
