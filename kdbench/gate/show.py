"""A baseline in a terminal: a block a cell, a line a metric."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from kdbench.gate.baseline_file import Line
from kdbench.gate.words import amount, level, numbers
from kdbench.jobs.job import Cell, where
from kdbench.metrics.catalogue import by_name
from kdbench.stats.intervals import mean, sd


def shown(cells: Mapping[Cell, tuple[Line, ...]]) -> list[str]:
    """Mean, standard deviation and seeds of every metric, then what made the values and why they were accepted."""
    found = []
    for cell in sorted(cells, key=lambda cell: (cell.task, cell.pair, cell.cell)):
        lines = cells[cell]
        found.append(f"{where(cell.task, cell.pair)} {cell.cell}")
        for metric in dict.fromkeys(line.metric for line in lines):
            values = [line.value for line in lines if line.metric == metric]
            info = by_name(metric)
            noise = f" ± {amount(sd(values), info.unit)}" if len(values) > 1 else ""
            found.append(f"  {metric:18}  {level(mean(values), info)}{noise}")
        runs = sorted({(line.accepted_on, line.reason, line.code, line.torch, line.device, line.seed) for line in lines})
        for made, group in groupby(runs, key=lambda run: run[:5]):
            accepted_on, reason, code, torch, device = made
            seeds = numbers(tuple(run[5] for run in group))
            found.append(f"  seed {seeds}: {accepted_on}: {reason} (code {code}, torch {torch}, {device})")
    return found
