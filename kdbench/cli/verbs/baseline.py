"""kdbench baseline: accept results as what later ones are judged by; show them; say what accepting would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.choices import not_yet
from kdbench.cli.exits import Exit, worst
from kdbench.cli.help import Verbs
from kdbench.cli.on_suite import on_suite
from kdbench.cli.options import BaselineOption, JsonOption, OnlyOption, PluginOption, ProfileOption, SuiteArgument
from kdbench.cli.session import Session, open_suite
from kdbench.cli.text import count, near, wrapped
from kdbench.cli.verbs.gate import gather

if TYPE_CHECKING:
    from kdbench.gate.accept import Acceptance

app = Verbs()
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Also cells that are another experiment than their baseline.")]


@app.callback()
def baseline() -> None:
    """Accepted results: what the gate judges later ones by."""


@app.command("accept")
@on_suite
def accept(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", help="Why these results are right; it stands in every line.")],
    baseline: BaselineOption = Path("baselines"),
    replace: ReplaceOption = False,
) -> int:
    """Make results the baseline, and say what changes.

    Cells without a result, with a diverged run, or with results of older code are refused (exit code 3), and so are cells that
    have become another experiment, unless --replace is given (exit code 4). The others are written. Values that stand keep
    their line.

    Example: kdbench baseline accept suites/core.yaml --reason "first baseline, ten seeds"
    """
    from kdbench.gate.baseline import save

    if not_yet(session):
        return Exit.incomplete
    found = proposed(session, reason, baseline, replace)
    tell(found, "accepted")
    for path in save(found.baseline):
        typer.echo(f"{'written' if path.exists() else 'removed'}: {near(path)}")
    return code(found)


@app.command("diff")
@on_suite
def diff(
    session: Session,
    baseline: BaselineOption = Path("baselines"),
    replace: ReplaceOption = False,
) -> int:
    """Say what accepting would change; nothing is written.

    Example: kdbench baseline diff suites/core.yaml
    """
    if not_yet(session):
        return Exit.incomplete
    found = proposed(session, "not written", baseline, replace)
    tell(found, "would change")
    return code(found)


@app.command("show")
def show(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    baseline: BaselineOption = Path("baselines"),
    as_json: JsonOption = False,
) -> int:
    """Show the baseline: each cell's metrics over its seeds, what made them, and why they were accepted.

    Exit code 4 where there is none.

    Example: kdbench baseline show suites/core.yaml
    """
    from dataclasses import asdict

    from kdbench.gate.baseline import load
    from kdbench.gate.show import shown
    from kdbench.jobs.job import Cell

    session = open_suite(suite, Path("results"), profile, only, plugin)
    tasks = {arm.task["name"]: arm.task["plugin"] for arm in session.expansion.arms}
    loaded = load(baseline, session.suite.name, tasks)
    asked = {Cell(arm.task["name"], arm.pair, arm.cell) for arm in session.expansion.arms}
    cells = {cell: lines for cell, lines in loaded.cells.items() if only is None or cell in asked}
    if as_json:
        rows = [{"task": cell.task, **asdict(line)} for cell, lines in cells.items() for line in lines]
        typer.echo(
            json.dumps({"suite": session.suite.name, "folder": str(loaded.folder), "lines": rows}, indent=1, ensure_ascii=False)
        )
    else:
        for line in shown(cells):
            typer.echo(line)
    if not cells:
        typer.echo(f"kdbench: no baseline in {near(loaded.folder)}; `kdbench baseline accept` makes one", err=True)
    return Exit.ok if cells else Exit.incomparable


def proposed(session: Session, reason: str, baseline: Path, replace: bool) -> Acceptance:
    """What accepting would make of the baseline. Only a whole suite takes cells out."""
    from datetime import UTC, datetime

    from kdbench.gate.accept import accept as accept_all

    found = gather(session, baseline)
    whole = session.profile is None and session.only is None
    planned = found.planned | {refusal.cell for refusal in session.jobs.refusals} if whole else None
    today = datetime.now(UTC).date().isoformat()
    return accept_all(found.baseline, found.candidates, found.experiments, reason, today, replace, planned)


def tell(found: Acceptance, done: str) -> None:
    from kdbench.jobs.job import where

    for cell, words in found.changes.items():
        typer.echo(wrapped(f"{where(cell.task, cell.pair)} {cell.cell}: {words}", 14, done))
    for one in found.refused:
        typer.echo(wrapped(f"{where(one.cell.task, one.cell.pair)} {one.cell.cell}: {one.verdict}: {one.why}", 14, "refused"))
    for remark in found.remarks:
        typer.echo(wrapped(remark, 14, "note"))
    kept = len(found.baseline.cells) - sum(cell in found.baseline.cells for cell in found.changes)
    typer.echo(f"{count(len(found.changes), 'cell')} {done}, {len(found.refused)} refused, {kept} as before")


def code(found: Acceptance) -> Exit:
    from kdbench.gate.verdicts import Verdict

    other = {one.verdict is Verdict.incomparable for one in found.refused}
    return worst([Exit.incomparable if incomparable else Exit.incomplete for incomparable in other])
