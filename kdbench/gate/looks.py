"""Which cells need more seeds: those that are undecided, up to the next look. All looks share α, so looking again is free."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice

from kdbench.gate.verdicts import OPEN, CellVerdict, GateReport, Verdict
from kdbench.jobs.job import Cell


@dataclass(frozen=True)
class More:
    """Seeds to run for a cell, so that it has as many as the look asks."""

    cell: Cell
    seeds: tuple[int, ...]
    look: int


def next_look(report: GateReport) -> list[More]:
    """What would take each inconclusive cell to its next look; nothing once a cell has had its last, or where the baseline's one
    seed is what stands in the way. The seeds are new to both sides."""
    found = []
    for cell in report.cells:
        look = next((look for look in report.looks if look > len(cell.seeds)), None)
        if undecided(cell) and look is not None and not hopeless(cell):
            used = {*cell.seeds, *cell.base_seeds}
            fresh = islice((seed for seed in count() if seed not in used), look - len(cell.seeds))
            found.append(More(cell.cell, tuple(fresh), look))
    return found


def undecided(cell: CellVerdict) -> bool:
    """Whether something is open, and nothing is proved worse."""
    return any(part.verdict in OPEN for part in cell.endpoints) and cell.verdict in (*OPEN, Verdict.drifted)


def hopeless(cell: CellVerdict) -> bool:
    """Whether no number of new seeds decides: a single seed of a baseline has no noise."""
    open_ones = [part for part in cell.endpoints if part.verdict in OPEN]
    return len(cell.base_seeds) < 2 and all(part.detectable == float("inf") for part in open_ones)


def held_back(report: GateReport) -> list[CellVerdict]:
    """Undecided cells that new seeds hardly help any more: the baseline has fewer than they have, or has only one."""
    more = {one.cell for one in next_look(report)}
    left = [cell for cell in report.cells if undecided(cell) and cell.cell not in more]
    return [cell for cell in left if len(cell.base_seeds) < max(2, len(cell.seeds))]
