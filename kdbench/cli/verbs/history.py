"""kdbench history: a suite's metrics over the commits that accepted them, with the steps that are more than noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.on_suite import on_suite
from kdbench.cli.options import BaselineOption, JsonOption, ReportsOption
from kdbench.cli.session import Session
from kdbench.cli.text import cut, near, width

if TYPE_CHECKING:
    from kdbench.gate.history import History
    from kdbench.gate.steps import Track

SHA = 7  # characters of a commit's name
LEAST = 6  # characters of a commit's subject that are kept


@on_suite
def history(
    session: Session,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="METRIC", help="A metric; may be repeated. Default: truth.")
    ] = None,
    baseline: BaselineOption = Path("baselines"),
    reports: ReportsOption = Path("reports"),
    as_json: JsonOption = False,
) -> int:
    """Show metrics over commits, with the steps that are no noise.

    They are read from the git log of baselines and of committed results. A step is a change that the gate's rule proves
    against all values since the last step. Exit code 4 where git has no history.

    Example: kdbench history suites/core.yaml --metric accuracy
    """
    from kdbench.gate.steps import tracks

    results = session.store.folder
    found = look(session, baseline, results, metric)
    order = list(session.jobs.cells)
    lines = sorted(tracks(found.series), key=lambda track: (order.index(track.series.cell), track.series.metric))
    for broken in found.broken:
        typer.echo(f"kdbench: left out: {broken}", err=True)
    if as_json:
        typer.echo(
            json.dumps({"suite": session.suite.name, "series": [plain(one) for one in lines]}, indent=1, ensure_ascii=False)
        )
    else:
        for one in lines:
            tell(one)
    if not lines:
        typer.echo(
            f"kdbench: git knows no baseline in {near(baseline)} and no results in {near(results)} of this suite", err=True
        )
        return Exit.incomparable
    if not as_json:
        typer.echo(f"plot: {near(draw(session, lines, found, reports))}")
    return Exit.ok


def look(session: Session, baseline: Path, results: Path, metric: list[str] | None) -> History:
    from kdbench.contract.errors import KdbenchError
    from kdbench.gate.git import Checkout
    from kdbench.gate.history import history as read
    from kdbench.metrics.catalogue import names, primary
    from kdbench.suite.metric_names import hint

    known = names()
    for name in metric or ():
        if name not in known:
            raise KdbenchError(f"no metric '{name}'; {hint(name, known)}")
    families = set(session.families.values())
    wanted = metric or [primary(family)[0].name for family in families]
    checkout = Checkout.around(baseline)
    return read(checkout, baseline, results, session.suite.name, set(session.jobs.cells), wanted)


def tell(one: Track) -> None:
    """A block a series, a line a commit."""
    from kdbench.gate.words import bare, level
    from kdbench.jobs.job import where
    from kdbench.metrics.catalogue import by_name
    from kdbench.stats.intervals import mean, sd

    info = by_name(one.series.metric)
    cell = one.series.cell
    typer.echo(f"{where(cell.task, cell.pair)} {cell.cell}: {info.name}")
    rows = []
    for place, point in enumerate(one.series.points):
        values = [value.value for value in point.values]
        noise = f" ± {bare(sd(values), info.unit)}" if len(values) > 1 else ""
        now = one.level_at(place)
        began = now.began if now.start == place else ""
        event = f"step {now.said(info)}" if began == "step" else began
        rows.append((f"  {point.day}  {point.commit[:SHA]}  {len(values):2} new", level(mean(values), info) + noise, event))
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    for row, point in zip(rows, one.series.points, strict=True):
        text = "  ".join(cell.ljust(room) for cell, room in zip(row, wide) if room)
        typer.echo(f"{text}  {cut(point.subject, max(LEAST, width() - len(text) - 2))}".rstrip())


def plain(one: Track) -> dict[str, Any]:
    """A series for --json."""
    from dataclasses import asdict
    from math import isnan

    levels = [
        {
            "start": level.start,
            "mean": level.mean,
            "began": level.began or None,
            "change": None if isnan(level.change) else level.change,
            "noise": None if isnan(level.noise) else level.noise,
        }
        for level in one.levels
    ]
    points = [asdict(point) for point in one.series.points]
    return {**asdict(one.series.cell), "metric": one.series.metric, "points": points, "levels": levels}


def draw(session: Session, lines: list[Track], found: History, reports: Path) -> Path:
    from kdbench.gate.plot import page
    from kdbench.report.model import Part
    from kdbench.results.files import write_atomically

    path = reports / Part(session.profile, session.only).folder(session.suite.name) / "history.html"
    notes = [f"left out: {broken}" for broken in found.broken]
    write_atomically(path, page(session.suite.name, lines, notes).encode())
    return path
