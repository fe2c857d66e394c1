"""Ours beside published figures: within their spread, above, below; or why the two cannot be compared.

A verdict is a matter of runs: of ours, and of theirs where their spread is told. See apart.py for what may be compared at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kdbench.compare.apart import reasons_of
from kdbench.compare.cells import Group
from kdbench.compare.lines import Side, side, values
from kdbench.jobs.job import where
from kdbench.metrics.catalogue import MetricInfo
from kdbench.registry import Registry
from kdbench.results.figure import Figure
from kdbench.stats import Interval, mean
from kdbench.stats.intervals import LEVEL, satterthwaite, t_quantile

Verdict = Literal["within", "above", "below", "not comparable"]


@dataclass(frozen=True)
class Beside:
    """A cell and a figure. `interval` is of ours minus theirs; `reasons` say why there is no verdict."""

    task: str
    pair: str
    metric: MetricInfo
    ours: Side
    figure: Figure
    difference: float
    interval: Interval | None
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def place(self) -> str:
        return where(self.task, self.pair)


def beside(groups: Sequence[Group], figures: Sequence[Figure], registry: Registry) -> list[Beside]:
    """A line for each cell with results and each figure of its task, networks and method."""
    aliases = registry.aliases()
    return [line(group, figure, registry) for group in groups if group.readings for figure in of_cell(group, figures, aliases)]


def of_cell(group: Group, figures: Sequence[Figure], aliases: Mapping[str, str]) -> list[Figure]:
    """The figures of a cell: of its task (by its plugin's name or the suite's own), method and networks. A figure without a
    teacher is of any."""
    identity = group.reader.records[group.readings[0].key].identity
    tasks = (group.task, identity.get("task", {}).get("name"))
    method, student = identity.get("method") or {}, (identity.get("student") or {}).get("model")
    called = (method.get("name"), tuple(part["name"] for part in method.get("wrap", ())))
    alike = [
        figure
        for figure in figures
        if figure.task in tasks
        and figure.student == student
        and (aliases.get(figure.method, figure.method), figure.wrap) == called
    ]
    taught = {teacher.identity["student"]["model"] for teacher in group.teachers} if alike else set()
    return [figure for figure in alike if figure.teacher == "" or taught == {figure.teacher}]


def line(group: Group, figure: Figure, registry: Registry) -> Beside:
    found = values(group, figure.metric.name)
    ours = side(group, found)
    reasons = tuple(reasons_of(group, figure, list(found.values()), registry))
    interval = None if reasons else against(list(found.values()), figure)
    verdict: Verdict = "not comparable"
    if interval is not None:
        verdict = "above" if interval.low > 0 else "below" if interval.high < 0 else "within"
    return Beside(
        group.task, group.pair, figure.metric, ours, figure, ours.mean - figure.value, interval, verdict, reasons
    )  # fmt: skip


def against(ours: Sequence[float], figure: Figure) -> Interval:
    """Ours minus theirs. With their spread known, Welch's interval; else that of so many further runs of ours, as if theirs had
    been trained like ours. The figure's rounding widens both."""
    n, runs = len(ours), figure.runs or 1
    own = sum((value - mean(ours)) ** 2 for value in ours) / (n - 1)
    if figure.spread is not None:
        parts = [(own / n, n - 1), (figure.spread**2 / runs, runs - 1)]
        how = "Welch t, 95 %"
    else:
        parts = [(own / n + own / runs, n - 1)]
        more = "one further run" if runs == 1 else f"the mean of {runs} further runs"
        how = f"95 % for {more} like ours: their spread is not known"
    variance, freedom = satterthwaite(parts)
    half = figure.rounding
    if variance > 0:
        half += t_quantile(freedom, (1 + LEVEL) / 2) * math.sqrt(variance)
    middle = mean(ours) - figure.value
    return Interval(middle - half, middle, middle + half, n, how)
