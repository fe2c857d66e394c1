"""What a reader of verdicts must know beside them: losses too small to be seen, runs that do not repeat, one teacher for all."""

from __future__ import annotations

from collections.abc import Sequence

from kdbench.gate.baseline import Baseline
from kdbench.gate.comparison import Comparison
from kdbench.gate.looks import undecided
from kdbench.gate.verdicts import CellVerdict, Endpoint, Verdict
from kdbench.gate.words import numbers
from kdbench.metrics.catalogue import primary


def least_certain(cells: Sequence[CellVerdict]) -> dict[tuple[str, str], Endpoint]:
    """For each task and metric that was judged, the endpoint of the cell in which the largest loss stays unseen."""
    found: dict[tuple[str, str], Endpoint] = {}
    for cell in cells:
        for part in cell.endpoints:
            known = found.setdefault((cell.place, part.metric.name), part)
            if part.detectable > known.detectable:
                found[cell.place, part.metric.name] = part
    return found


def notes(compared: Sequence[Comparison], baseline: Baseline, cells: Sequence[CellVerdict]) -> list[str]:
    return [*fewer(cells), *dim(cells), *unrepeated(compared, baseline), *one_teacher(compared), *unmeasured(compared)]


def fewer(cells: Sequence[CellVerdict]) -> list[str]:
    """Cells that are open and have fewer new seeds than the baseline: somebody may have cut them down."""
    short = [cell for cell in cells if undecided(cell) and len(cell.seeds) < len(cell.base_seeds)]
    if not short:
        return []
    told = [f"{cell.place} {cell.label} ({len(cell.seeds)} of {len(cell.base_seeds)})" for cell in short]
    return [f"fewer new seeds than the baseline has, and so undecided: {', '.join(told)}"]


def dim(cells: Sequence[CellVerdict]) -> list[str]:
    """Losses that may pass and that the seeds do not see: most unchanged cells will be inconclusive."""
    found: dict[str, list[str]] = {}
    for (place, metric), one in least_certain([cell for cell in cells if cell.verdict is not Verdict.identical]).items():
        if one.margin < one.detectable and not one.blind:
            found.setdefault(place, []).append(metric)
    return [
        f"{place}: these seeds do not see every loss that is too large to pass, in {', '.join(metrics)}: unchanged cells may "
        "stay inconclusive"
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


def unmeasured(compared: Sequence[Comparison]) -> list[str]:
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
