"""What the archived catalogue measured of a method: its rows of the reports' cells.csv, as lines of a Markdown table."""

from __future__ import annotations

import csv
import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path

from kdbench.metrics.catalogue import MetricInfo, primary
from kdbench.report.numbers import number, points, span

ARCHIVE = Path("reports") / "archive"  # of the repository, in which pages are made
MEASURED = """\
Arms of `suites/catalogue/` with weights chosen on validation, at the last step, on the held-out test split; the difference to the
student alone with its 95 % interval over seeds and examples. It is a finding about these small sets, networks and budgets.

| set | arm | seeds | | to the student alone | fidelity |
|---|---|---|---|---|---|"""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def measured(name: str) -> Iterator[str]:
    """A row for each archived arm of a method, wrapper or preset, family by family."""
    for folder in sorted(ARCHIVE.glob("catalogue_*")):
        family = folder.name.removeprefix("catalogue_")
        truth = next(metric for metric in primary(family) if metric.kind == "truth")
        match = next(metric for metric in primary(family) if metric.kind == "fidelity")
        for (task, pair, cell), values in _cells(folder / "cells.csv").items():
            if plugin_of(cell) == name:
                title = f"{task}, {pair}" if pair != "default" else task
                yield f"| {title} | {cell} | {' | '.join(_told(values, truth, match))} |"


def plugin_of(cell: str) -> str:
    """The plugin that a cell is about: of a wrapper around a method, the wrapper."""
    found = NAME.match(cell)
    return found.group() if found else ""


def _told(values: dict[str, dict[str, str]], truth: MetricInfo, match: MetricInfo) -> Iterator[str]:
    row = values[truth.name]
    yield row["n"]
    yield _value(row, truth)
    difference = _number(row, "difference")
    crossed = (_number(row, "low_crossed"), _number(row, "high_crossed"))
    if any(map(math.isnan, crossed)):  # examples that are no units of their own, as frames of one clip
        inside = span(_number(row, "low"), _number(row, "high"), truth.unit) + " over seeds alone"
    else:
        inside = span(*crossed, truth.unit)
    verdict = f": {row['verdict']}" if row["verdict"] else ""
    yield "" if math.isnan(difference) else f"{number(difference, truth.unit, True)} {points(truth.unit)} {inside}{verdict}"
    yield _value(values[match.name], match) if match.name in values else ""


def _value(row: dict[str, str], metric: MetricInfo) -> str:
    return f"{metric.title} {number(_number(row, 'mean'), metric.unit)}"


def _number(row: dict[str, str], column: str) -> float:
    return float(row[column] or "nan")


@functools.cache
def _cells(path: Path) -> dict[tuple[str, str, str], dict[str, dict[str, str]]]:
    """The rows of each arm and control by metric."""
    found: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] != "teacher":
                found.setdefault((row["task"], row["pair"], row["cell"]), {})[row["metric"]] = row
    return found
