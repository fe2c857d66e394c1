"""kdbench report: tables, Markdown and one self-contained page, from the results folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.on_suite import on_suite
from kdbench.cli.options import ReportsOption
from kdbench.cli.session import Session
from kdbench.cli.text import near

if TYPE_CHECKING:
    from kdbench.report.build import Built
    from kdbench.results.figure import Figure
    from kdbench.results.record import Record


@on_suite
def report(
    session: Session,
    reports: ReportsOption = Path("reports"),
) -> int:
    """Write a suite's report: Markdown and one offline HTML page.

    Exit code 3 when results are missing; without a single one no page is written. 1 when a claim fails.

    Example: kdbench report suites/quickstart.yaml
    """
    records = session.records()
    if not records and not session.imported():
        where = f"{near(session.store.folder)} has no result of {session.suite.name}, so no page is written"
        typer.echo(f"kdbench: {where}; `{session.command('run')}` makes some", err=True)
        return Exit.incomplete
    built = make_report(session, records, reports)
    typer.echo(built.terminal)
    typer.echo(f"report: {built.html}")
    typer.echo(f"        {built.markdown}")
    if built.missing:
        return Exit.incomplete
    return Exit.claim_failed if built.failed_claims else Exit.ok


def make_report(session: Session, records: Mapping[str, Record], reports: Path) -> Built:
    """Read every number of the suite and write its report."""
    from kdbench.compare.beside import beside
    from kdbench.compare.cells import of_suite
    from kdbench.report.build import build
    from kdbench.report.model import Part

    readings, reader = session.read(records)
    part = Part(session.profile, session.only)
    arms, jobs = session.expansion.arms, session.jobs
    older = session.older(records)
    cells = of_suite(arms, jobs, readings, reader, session.registry.aliases(), older)
    published = beside(cells, figures(session), session.registry)
    return build(
        session.suite, part, session.expansion, jobs, readings, records, reports, reader, published, session.imported(), older
    )  # fmt: skip


def figures(session: Session) -> list[Figure]:
    """Published figures, where there are any. What is wrong with them is told, and is no reason not to report."""
    from kdbench.contract.errors import DataError
    from kdbench.results.published import find, read

    folder = find()
    try:
        return read(folder, session.registry) if folder else []
    except DataError as error:
        typer.echo(f"{error}\nkdbench: no published figures are shown", err=True)
        return []
