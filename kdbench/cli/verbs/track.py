"""kdbench track: bring MLflow up to what the results folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.help import Verbs
from kdbench.cli.on_suite import on_suite
from kdbench.cli.options import ReportsOption, TrackingOption
from kdbench.cli.session import Session
from kdbench.cli.text import count

if TYPE_CHECKING:
    from kdbench.results.record import Record
    from kdbench.track.mlflow import SyncReport

app = Verbs()


@app.callback()
def track() -> None:
    """Bring MLflow up to what the results folder holds."""


@app.command("sync")
@on_suite
def sync(
    session: Session,
    reports: ReportsOption = Path("reports"),
    tracking_uri: TrackingOption = None,
) -> int:
    """Write every result that MLflow does not have yet; rebuilds a lost store.

    Example: kdbench track sync suites/quickstart.yaml
    """
    from kdbench.report.model import Part

    folder = reports / Part(session.profile, session.only).folder(session.suite.name)
    pages = [path for path in (folder / "index.html", folder / "report.md") if path.exists()]
    done = sync_session(session, {**session.records(), **further_records(session)}, tracking_uri, pages)
    if done.failed:
        typer.echo(f"kdbench: MLflow was not updated: {done.failed}", err=True)
        return Exit.incomplete
    typer.echo(f"mlflow: {count(done.created, 'run')} written, {done.skipped} were there: {done.uri}")
    return Exit.ok


def further_records(session: Session) -> dict[str, Record]:
    """Results of seeds that the suite does not plan, which `run --decide` made: the gate judges by them."""
    from kdbench.gate.candidates import further
    from kdbench.gate.experiments import Experiments

    records = session.store.scan().records
    experiments = Experiments.of(session.expansion.arms, session.registry, session.path.parent)
    made = further(session.jobs, records, experiments)
    return {key: records[key] for key in made.jobs if key in records}


def sync_session(session: Session, records: Mapping[str, Record], tracking_uri: str | None, pages: Sequence[Path]) -> SyncReport:
    from kdbench.track.mlflow import sync as sync_records

    def defaults(kind: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of the plugin as it is now, if that is the version of which the result is."""
        try:
            info = session.registry.get(kind, told.get("name") or told["model"])
        except KeyError:
            return {}
        return info.defaults if info.version == told.get("version") else {}

    name, home = session.suite.name, session.home
    return sync_records(records.values(), home, name, tracking_uri, pages, profile=session.profile, defaults=defaults)
