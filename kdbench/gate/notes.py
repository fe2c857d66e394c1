"""What a reader of verdicts must know beside them: losses too small to be seen, runs that do not repeat, one teacher for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kdbench.gate.baseline import Baseline
from kdbench.gate.comparison import Comparison
from kdbench.gate.verdicts import CellVerdict, Verdict
from kdbench.gate.words import amount, numbers
from kdbench.metrics.catalogue import MetricInfo, primary


@dataclass(frozen=True)
class Sensitivity:
    """The smallest true loss of a metric that is found four times of five, in the least certain cell of a task, beside what is
    let pass; `seeds` are those of that cell, on both sides."""

    place: str
    metric: MetricInfo
    detectable: float
    tolerance: float
    seeds: tuple[int, int]


def sensitivities(cells: Sequence[CellVerdict]) -> list[Sensitivity]:
    """One for each metric of each task that was judged."""
    found: dict[tuple[str, str], Sensitivity] = {}
    for cell in cells:
        place = cell.place
        for part in cell.endpoints:
            seeds = (len(part.new.seeds), len(part.base.seeds))
            one = Sensitivity(place, part.metric, part.detectable, part.tolerance, seeds)
            known = found.setdefault((place, part.metric.name), one)
            if one.detectable > known.detectable:
                found[place, part.metric.name] = one
    return list(found.values())


def notes(compared: Sequence[Comparison], baseline: Baseline, cells: Sequence[CellVerdict]) -> list[str]:
    return [*blind(cells), *unrepeated(compared, baseline), *one_teacher(compared), *unjudged(compared)]


def blind(cells: Sequence[CellVerdict]) -> list[str]:
    """Tolerances that the seeds cannot resolve: most unchanged cells will be inconclusive."""
    found: dict[str, list[str]] = {}
    for one in sensitivities([cell for cell in cells if cell.verdict is not Verdict.identical]):
        if one.tolerance < one.detectable:
            unit = one.metric.unit
            found.setdefault(one.place, []).append(f"{one.metric.name} ({amount(one.tolerance, unit)})")
    return [
        f"{place}: the tolerance lies below the smallest loss that these seeds show, for {', '.join(metrics)}: "
        "unchanged cells may stay inconclusive"
        for place, metrics in found.items()
    ]


def unrepeated(compared: Sequence[Comparison], baseline: Baseline) -> list[str]:
    """Jobs that gave other numbers on the same code, torch and device."""
    found: dict[str, list[str]] = {}
    for one in compared:
        lines = baseline.runs(one.cell)
        seeds = tuple(
            run.seed
            for run in one.candidate.runs
            if run.seed in lines
            and (run.code, run.torch, run.device) == lines[run.seed].made[1:]
            and run.seed not in one.repeated
        )
        if one.fit and seeds:
            found.setdefault(one.place, []).append(f"{one.cell.cell} (seed {numbers(seeds)})")
    return [
        f"{place}: runs did not repeat, on the same code, torch and device: {', '.join(cells)}" for place, cells in found.items()
    ]


def one_teacher(compared: Sequence[Comparison]) -> list[str]:
    """Tasks in which every student has the same teacher: what a new teacher would change is in no interval."""
    teachers: dict[str, set[tuple[str, ...]]] = {}
    runs: dict[str, int] = {}
    for one in compared:
        taught = [run for run in one.candidate.runs if run.teachers]
        place = one.place
        teachers.setdefault(place, set()).update(run.teachers for run in taught)
        runs[place] = max(runs.get(place, 0), len(taught))
    return [
        f"{place}: all seeds learn from one teacher: one trained anew may shift them together, and no interval knows; a pool does"
        for place, known in teachers.items()
        if len(known) == 1 and runs[place] > 1
    ]


def unjudged(compared: Sequence[Comparison]) -> list[str]:
    """Metrics that only one side has."""
    found: dict[str, None] = {}
    for one in compared:
        gated = [info.name for info in primary(one.family)]
        measured = {metric for run in one.candidate.runs for metric in run.values}
        place = f"{one.place} {one.cell.cell}"
        for metric in one.baseline:
            if metric not in gated:
                found[f"{place}: {metric} is in the baseline, but no primary metric: it is not judged"] = None
        for metric in gated:
            if one.fit and metric in measured and metric not in one.baseline:
                found[f"{place}: {metric} has no baseline: it is not judged"] = None
    return list(found)
