"""Making results the baseline: what would change, cell by cell, and which cells are refused. Nothing here writes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kdbench.contract.errors import KdbenchError
from kdbench.gate.baseline import Baseline
from kdbench.gate.baseline_file import Line, is_text
from kdbench.gate.build import mismatches, reasons
from kdbench.gate.candidates import Candidate, Run
from kdbench.gate.experiments import Experiments, identity_of
from kdbench.gate.verdicts import Verdict
from kdbench.gate.words import count, level, numbers
from kdbench.jobs.job import Cell
from kdbench.metrics.catalogue import primary
from kdbench.stats.intervals import mean


@dataclass(frozen=True)
class Refused:
    """A cell that stays as it was, and why."""

    cell: Cell
    verdict: Verdict
    why: str


@dataclass
class Acceptance:
    """The baseline as it would be, and in words what changes: cells that stay as they are have no words."""

    baseline: Baseline
    changes: dict[Cell, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def accept(
    baseline: Baseline,
    candidates: Mapping[Cell, Candidate],
    experiments: Experiments,
    reason: str,
    today: str,
    replace: bool = False,
    planned: Collection[Cell] | None = None,
) -> Acceptance:
    """`replace` lets a cell become another experiment. With `planned`, all cells of the suite, others leave the baseline."""
    reason = " ".join(reason.split())
    if not is_text(reason):
        raise KdbenchError("a baseline needs a reason: say in a few words why these results are right")
    changed = mismatches({cell: baseline for cell in candidates if cell in baseline.cells}, experiments)
    result = Acceptance(baseline)
    cells, identities = dict(baseline.cells), dict(baseline.identities)
    made = experiments.graph_at({cell: one.seeds[:1] for cell, one in candidates.items() if one.seeds})
    for cell, candidate in candidates.items():
        refusal = refused(candidate, changed.get(cell) if not replace else None)
        if refusal is not None:
            result.refused.append(refusal)
            continue
        old = () if cell in changed else baseline.cells.get(cell, ())
        cells[cell] = merged(cell, old, candidate, reason, today, result.remarks)
        identities[cell.title] = identity_of(made.jobs[made.cells[cell][0]], made.jobs)
        if words := told(candidate.family, baseline.cells.get(cell, ()), cells[cell], changed.get(cell)):
            result.changes[cell] = words
    if planned is not None:
        for cell in [cell for cell in cells if cell not in planned]:
            result.changes[cell] = f"taken out: the suite no longer has it ({count(len(baseline.runs(cell)), 'seed')})"
            del cells[cell]
            identities.pop(cell.title, None)
    result.baseline = Baseline(baseline.folder, cells, identities)
    return result


def refused(candidate: Candidate, changed: str | None) -> Refused | None:
    """Why the results of a cell cannot become its baseline."""
    if candidate.missing:
        return Refused(candidate.cell, Verdict.missing, reasons(candidate.missing))
    if candidate.stale:
        return Refused(candidate.cell, Verdict.stale, reasons(candidate.stale))
    if candidate.diverged:
        return Refused(candidate.cell, Verdict.missing, f"diverged (seed {numbers(candidate.diverged)})")
    if changed:
        return Refused(candidate.cell, Verdict.incomparable, f"{changed}; --replace takes the new one")
    return None


def merged(
    cell: Cell, old: tuple[Line, ...], candidate: Candidate, reason: str, today: str, remarks: list[str]
) -> tuple[Line, ...]:
    """The new lines of a cell. A line whose value stands stays as it is, unless another run made other values of its seed. Seeds
    that were not run again stay if the others repeat, or if the same code, torch and device made them."""
    metrics = measured(candidate, remarks)
    before = {(line.metric, line.seed): line for line in old}
    lines = []
    for run in candidate.runs:
        fresh = [line_of(cell, run, metric, run.values[metric], reason, today) for metric in metrics]
        known = [before.get((line.metric, line.seed)) for line in fresh]
        stands = all(had is not None and had.value == line.value for had, line in zip(known, fresh))
        for had, line in zip(known, fresh):
            kept = had is not None and had.value == line.value and (stands or had.made == line.made)
            lines.append(had if kept and had is not None else line)
    ran = {run.seed for run in candidate.runs}
    repeated = all(line.metric in metrics and line in lines for line in old if line.seed in ran)
    makers = {(run.code, run.torch, run.device) for run in candidate.runs}
    overlap = any(line.seed in ran for line in old)
    others = [line for line in old if line.seed not in ran and line.metric in metrics]
    return tuple(lines + [line for line in others if (overlap and repeated) or line.made[1:] in makers])


def measured(candidate: Candidate, remarks: list[str]) -> list[str]:
    """The primary metrics that every run has as a finite number; others are left out with a remark."""
    names = [info.name for info in primary(candidate.family)]
    usable = [name for name in names if all(math.isfinite(run.values.get(name, math.nan)) for run in candidate.runs)]
    for name in names:
        some = [run.seed for run in candidate.runs if name in run.values]
        if name not in usable and some:
            remarks.append(f"{candidate.cell.title}: {name} is left out: it is not a finite number in every seed")
    return usable


def line_of(cell: Cell, run: Run, metric: str, value: float, reason: str, today: str) -> Line:
    return Line(cell.cell, cell.pair, metric, run.seed, float(value), run.key, run.code, run.torch, run.device, today, reason)


def told(family: str, old: tuple[Line, ...], new: tuple[Line, ...], changed: str | None) -> str:
    """`accuracy 86.21 → 87.02 %; seeds 0-9 → 0-2`: what a reviewer will see change; empty where nothing does."""
    if set(old) == set(new):
        return ""
    before, after = ({line.seed for line in lines} for lines in (old, new))
    parts = ["another experiment"] if changed else []
    if not old:
        parts.append(f"new: {count(len(after), 'seed')}")
    elif before != after:
        parts.append(f"seeds {numbers(tuple(before))} → {numbers(tuple(after))}")
    for info in primary(family):
        was, now = ([line.value for line in lines if line.metric == info.name] for lines in (old, new))
        if was and now and sorted(was) != sorted(now):
            parts.append(f"{info.name} {level(mean(was), info)} → {level(mean(now), info)}")
        elif now and not was:
            parts.append(f"{info.name} {level(mean(now), info)}")
        elif was and not now:
            parts.append(f"{info.name} gone")
    return "; ".join(parts) if parts else "what made the values"
