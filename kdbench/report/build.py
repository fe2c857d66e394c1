"""Writes a suite's report: page, Markdown, LaTeX, CSV and the terminal's text, from one model and nothing but the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbench.compare.beside import Beside
from kdbench.compare.cells import Group
from kdbench.jobs.job import JobSet
from kdbench.report.assemble import assemble
from kdbench.report.html import html
from kdbench.report.markdown import markdown
from kdbench.report.model import NONE_OLDER, Part
from kdbench.report.papers import csv_text, latex, seeds_text
from kdbench.report.terminal import terminal
from kdbench.results.files import write_atomically
from kdbench.results.older import Older
from kdbench.results.readings import Readings
from kdbench.results.record import Record
from kdbench.results.unit_reader import UnitReader
from kdbench.suite.arm import Expansion
from kdbench.suite.schema import Suite


@dataclass
class Built:
    """Where the report lies, its form for the terminal, and what decides the exit code."""

    html: Path
    markdown: Path
    latex: Path
    csv: Path
    terminal: str
    failed_claims: list[str]
    missing: int


def build(
    suite: Suite,
    part: Part,
    expansion: Expansion,
    jobs: JobSet,
    readings: Readings,
    records: Mapping[str, Record],
    reports: Path,
    reader: UnitReader | None = None,
    published: Sequence[Beside] = (),
    imported: Sequence[Group] = (),
    older: Older = NONE_OLDER,
) -> Built:
    """Write all files; the same results give the same bytes."""
    page = assemble(suite, part, expansion, jobs, readings, records, reader, published, imported, older)
    folder = reports / part.folder(suite.name)
    texts = {"index.html": html, "report.md": markdown, "tables.tex": latex, "cells.csv": csv_text, "seeds.csv": seeds_text}
    for name, write in texts.items():
        write_atomically(folder / name, write(page).encode())
    return Built(
        html=folder / "index.html",
        markdown=folder / "report.md",
        latex=folder / "tables.tex",
        csv=folder / "cells.csv",
        terminal=terminal(page),
        failed_claims=page.failed_claims,
        missing=page.missing,
    )
