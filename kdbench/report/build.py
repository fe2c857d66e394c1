"""Writes a suite's report: the terminal's text, report.md and index.html, from one model and nothing but the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kdbench.jobs.job import JobSet
from kdbench.report.assemble import assemble
from kdbench.report.html import html
from kdbench.report.markdown import markdown
from kdbench.report.terminal import terminal
from kdbench.results.files import write_atomically
from kdbench.results.readings import Readings
from kdbench.results.record import Record
from kdbench.suite.arm import Expansion
from kdbench.suite.schema import Suite


@dataclass
class Built:
    """Where the report lies, its form for the terminal, and what decides the exit code."""

    html: Path
    markdown: Path
    terminal: str
    failed_claims: list[str]
    missing: int


def build(
    suite: Suite,
    profile: str | None,
    expansion: Expansion,
    jobs: JobSet,
    readings: Readings,
    records: Mapping[str, Record],
    reports: Path,
) -> Built:
    """Write both files; the same results give the same bytes."""
    page = assemble(suite, profile, expansion, jobs, readings, records)
    folder = reports / (suite.name if profile is None else f"{suite.name}-{profile}")
    files = {folder / "index.html": html(page), folder / "report.md": markdown(page)}
    for path, text in files.items():
        write_atomically(path, text.encode())
    first, second = files
    return Built(first, second, terminal(page), page.failed_claims, page.missing)
