"""Cells that only the baseline knows: each with the cell of the suite that it may have become."""

from __future__ import annotations

from collections.abc import Collection

from kdbench.gate.baseline import Baseline
from kdbench.gate.experiments import SHOWN, Experiments, differences, identity_of, listed_differences
from kdbench.gate.verdicts import CellVerdict, Verdict
from kdbench.jobs.job import Cell

GONE = "in the baseline, and no longer in the suite"


def removed(baseline: Baseline, there: Collection[Cell], experiments: Experiments) -> list[CellVerdict]:
    """A verdict for each cell of the baseline that is not `there`."""
    gone = [cell for cell in baseline.cells if cell not in there]
    heirs = successors(gone, baseline, experiments)
    return [CellVerdict(cell, "", Verdict.removed, f"{GONE}{heirs.get(cell, '')}") for cell in gone]


def successors(gone: Collection[Cell], baseline: Baseline, experiments: Experiments) -> dict[Cell, str]:
    """`; is it mine now? (method.params.weight: 10, now not set)`, for each cell that has an heir: a cell without a baseline, of
    the same task and pair, that differs in a few values at most."""
    seeds = {cell: (arm.seed,) for cell, arm in experiments.arms.items() if gone and cell not in baseline.cells}
    made = experiments.graph_at(seeds)
    now = {cell: identity_of(made.jobs[keys[0]], made.jobs) for cell, keys in made.cells.items()}
    found = {}
    for cell in gone:
        before = baseline.identities.get(cell.title)
        near = [one for one in now if (one.task, one.pair) == (cell.task, cell.pair)] if before is not None else []
        apart = {one: differences(before, now[one]) for one in near}
        heir = min(apart, key=lambda one: len(apart[one]), default=None)
        if heir is not None and len(apart[heir]) <= SHOWN:
            how = f" ({listed_differences(apart[heir])})" if apart[heir] else ""
            found[cell] = f"; is it {heir.cell} now?{how}"
    return found
