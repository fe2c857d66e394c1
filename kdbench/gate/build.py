"""Puts the gate's report together: each cell of the suite, and each cell that only the baseline knows, gets its verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kdbench.gate.baseline import Baseline, absent
from kdbench.gate.candidates import Candidate
from kdbench.gate.comparison import comparison, without_echo
from kdbench.gate.experiments import Experiments, differences, identity_of, listed_differences
from kdbench.gate.judge import endpoints
from kdbench.gate.notes import notes
from kdbench.gate.removed import removed
from kdbench.gate.settings import check
from kdbench.gate.verdicts import OPEN, CellVerdict, ClaimVerdict, Endpoint, GateReport, Verdict, worst
from kdbench.gate.words import count, numbers
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.results.readings import Readings
from kdbench.results.unit_reader import UnitReader
from kdbench.stats.suite_claims import judge_claim
from kdbench.suite.arm import ArmClaim
from kdbench.suite.schema import Suite


def build(
    suite: Suite,
    jobs: JobSet,
    candidates: Mapping[Cell, Candidate],
    baseline: Baseline,
    experiments: Experiments,
    planned: Collection[Cell],
    claims: Sequence[ClaimVerdict] = (),
) -> GateReport:
    """All verdicts. `planned` are the cells of the whole suite, whatever part of it is asked about: a cell of the baseline that
    is not among them was taken out."""
    check(suite.gate, [cell.task for cell in planned])
    candidates = {cell: without_echo(one, baseline) for cell, one in candidates.items()}
    changed = mismatches({cell: baseline for cell in candidates if cell in baseline.cells}, experiments)
    excuses = {cell: excused(one, cell in baseline.cells, changed.get(cell)) for cell, one in candidates.items()}
    unfit = {cell: excuse for cell, excuse in excuses.items() if excuse is not None}
    same = [cell for cell in candidates if cell in baseline.cells and cell not in changed]
    compared = [comparison(cell, baseline, candidates[cell], cell not in unfit) for cell in same]
    found, tests = endpoints(compared, suite.gate)
    cells = []
    for cell, candidate in candidates.items():
        seeds, known = candidate.seeds, tuple(sorted(baseline.runs(cell)))
        parts = tuple(found.get(cell, ()))
        verdict, why = unfit.get(cell) or concluded(parts)
        cells.append(CellVerdict(cell, candidate.family, verdict, why, seeds, known, parts))
    refused = [
        CellVerdict(refusal.cell, "", Verdict.missing, f"cannot run: {'; '.join(refusal.reasons)}") for refusal in jobs.refusals
    ]
    every = (*cells, *refused, *removed(baseline, {*planned, *(one.cell for one in refused)}, experiments))
    gate = suite.gate
    more = notes(compared, baseline, every)
    why = absent(baseline.folder) if not baseline.cells else ""
    return GateReport(suite.name, str(baseline.folder), every, tuple(claims), gate.alpha, tuple(gate.looks), tests, more, why)


def excused(candidate: Candidate, known: bool, changed: str | None) -> tuple[Verdict, str] | None:
    """The verdict of a cell that the rule cannot judge; None where it can."""
    total = len(candidate.runs) + len(candidate.missing) + len(candidate.stale)
    if changed:  # also before anything was trained for it, which may not be what was wanted
        return Verdict.incomparable, changed
    if candidate.missing:
        lack = f"{len(candidate.missing)} of {count(total, 'seed')} without a result"
        return Verdict.missing, f"{lack}: {reasons(candidate.missing)}"
    if candidate.stale:
        return Verdict.stale, f"{len(candidate.stale)} of {count(total, 'seed')} outdated: {reasons(candidate.stale)}"
    if not known:
        return Verdict.new, "no baseline: `kdbench baseline accept` makes one"
    if candidate.diverged:
        what = f"diverged in seed {numbers(candidate.diverged)} of {count(total, 'seed')}"
        return Verdict.regressed, f"{what}; no seed of the baseline did"
    return None


def concluded(parts: Sequence[Endpoint]) -> tuple[Verdict, str]:
    """The worst endpoint's verdict, with its reason. A cell is unjudged where nothing of it could be judged."""
    if not parts:
        return Verdict.new, "the baseline has none of the cell's primary metrics"
    moved = [part for part in parts if part.verdict is not Verdict.identical]
    judged = [part for part in moved if part.verdict is not Verdict.unjudged]
    verdict = worst(part.verdict for part in judged or parts)
    if judged and len(judged) < len(moved):  # what is seen of it is judged; of the rest nothing is known
        verdict = worst([verdict, Verdict.inconclusive])
    decisive = [part for part in parts if part.verdict is verdict or (verdict in OPEN and part.verdict in OPEN)]
    if len(decisive) == len(parts) and verdict in (Verdict.passed, Verdict.identical):
        return verdict, decisive[0].why if verdict is Verdict.identical else "no endpoint is worse"
    return verdict, "; ".join(f"{part.metric.name} {part.why}" for part in decisive)


def reasons(seeds: Sequence[tuple[int, str]]) -> str:
    """`no result yet (seed 0, 1); failed: oom (seed 2)`"""
    grouped: dict[str, list[int]] = {}
    for seed, reason in seeds:
        grouped.setdefault(reason, []).append(seed)
    return "; ".join(f"{reason} (seed {numbers(tuple(those))})" for reason, those in grouped.items())


def mismatches(known: Mapping[Cell, Baseline], experiments: Experiments) -> dict[Cell, str]:
    """The cells whose baseline lines are not of the jobs that the suite makes for those seeds now, with what changed."""
    wanted = {cell: list(baseline.runs(cell)) for cell, baseline in known.items()}
    made = experiments.graph_at(wanted)
    found = {}
    for cell, baseline in known.items():
        jobs = {made.jobs[key].labels["seed"]: made.jobs[key] for key in made.cells.get(cell, ())}
        other = tuple(seed for seed, line in baseline.runs(cell).items() if seed not in jobs or jobs[seed].key != line.key)
        if other:
            found[cell] = explained(cell, baseline, other, jobs, made.jobs)
    return found


def explained(cell: Cell, baseline: Baseline, other: tuple[int, ...], own: Mapping[int, Job], jobs: Mapping[str, Job]) -> str:
    before = baseline.identities.get(cell.title)
    lead = "the baseline is of another experiment"
    if before is None or not own:
        return f"{lead} (what changed was not kept)"
    lines = differences(before, identity_of(next(iter(own.values())), jobs))
    return f"{lead}: {listed_differences(lines)}" if lines else f"{lead}: seed {numbers(other)} had other teachers"


def judged_claims(
    claims: Sequence[ArmClaim], jobs: JobSet, readings: Readings, reader: UnitReader | None = None
) -> list[ClaimVerdict]:
    """Each claim of the suite with its verdict."""
    return [ClaimVerdict(claim, judge_claim(claim, jobs, readings, reader)) for claim in claims]
