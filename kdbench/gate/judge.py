"""From baselines and results to verdicts: first what may be compared at all, then the rule, with the noise of each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kdbench.gate.baseline import Baseline
from kdbench.gate.candidates import Candidate
from kdbench.gate.noise import Pool, Sample, pool, unevenness
from kdbench.gate.rule import BETTER, OPEN, PASS, WORSE, Judged, detectable, judge
from kdbench.gate.settings import known_noise, tolerance
from kdbench.gate.verdicts import Endpoint, Side, Verdict
from kdbench.gate.words import amount, numbers, span
from kdbench.jobs.job import Cell
from kdbench.metrics.catalogue import MetricInfo, primary
from kdbench.stats.intervals import mean, sd
from kdbench.suite.gate import Gate


@dataclass(frozen=True)
class Comparison:
    """A cell whose baseline is of the same experiment. `fit` says that its results may be judged; the baseline's noise counts in
    any case."""

    cell: Cell
    family: str
    baseline: Mapping[str, Mapping[int, float]]  # metric -> seed -> value
    candidate: Candidate
    repeated: frozenset[int]  # seeds whose runs are, value for value, those of the baseline
    fit: bool

    def new(self, metric: str, fresh: bool = False) -> dict[int, float]:
        """The new values by seed; `fresh` without the runs that are the baseline's own."""
        runs = self.candidate.runs if self.fit else ()
        found = {run.seed: run.values[metric] for run in runs if metric in run.values}
        return {seed: value for seed, value in found.items() if not (fresh and seed in self.repeated)}


@dataclass
class Block:
    """One metric of one task and pair: the cells that are judged with one noise."""

    info: MetricInfo
    cells: list[Comparison] = field(default_factory=list)

    def judged_by(self, metric: str) -> tuple[Sample, Sample, Pool]:
        """Baselines, new runs, and the noise of both."""
        base = Sample.of([finite(one.baseline[metric].values()) for one in self.cells])
        new = Sample.of([finite(one.new(metric).values()) for one in self.cells])
        fresh = Sample.of([finite(one.new(metric, fresh=True).values()) for one in self.cells])
        return base, new, pool(base, fresh)


def endpoints(comparisons: Sequence[Comparison], gate: Gate) -> tuple[dict[Cell, list[Endpoint]], int]:
    """Every endpoint that has a baseline, by cell, and their number: they share α with the looks."""
    blocks: dict[tuple[str, str, str], Block] = {}
    for one in comparisons:
        for info in primary(one.family):
            if info.name in one.baseline:
                blocks.setdefault((one.cell.task, one.cell.pair, info.name), Block(info)).cells.append(one)
    tests = sum(len(block.cells) for block in blocks.values())
    samples = {place: block.judged_by(place[2]) for place, block in blocks.items()}
    uneven = unevenness([noise for _, _, noise in samples.values()])
    found: dict[Cell, list[Endpoint]] = {one.cell: [] for one in comparisons}
    for (task, _, _), block in blocks.items():
        info = block.info
        base, new, noise = samples[task, block.cells[0].cell.pair, info.name]
        tail = gate.alpha / (tests * len(gate.looks)) / (2 if info.kind == "fidelity" else 1)
        allowed, known = tolerance(gate, task, info), known_noise(gate, task, info)
        sign = -1.0 if info.direction == "down" else 1.0
        judged = judge(base, new, noise, uneven, tail, allowed, sign, known)
        for place, one in enumerate(block.cells):
            if one.fit:
                found[one.cell].append(_endpoint(info, one, judged, place, sign, allowed, tail, bool(noise.wild[place])))
    return found, tests


def _endpoint(
    info: MetricInfo, one: Comparison, judged: Judged, place: int, sign: float, allowed: float, tail: float, wild: bool
) -> Endpoint:
    ours, theirs = one.new(info.name), one.baseline[info.name]
    new, base = side(ours), side(theirs)
    spread, margin, half = (float(part[place]) for part in (judged.spread, judged.margin, judged.half))
    gain = float(judged.gain[place])
    least = detectable(spread, float(judged.freedom[place]), len(ours), len(theirs), tail) if math.isfinite(half) else math.inf
    low, high = sorted((sign * (gain - half), sign * (gain + half))) if math.isfinite(gain) else (math.nan, math.nan)
    verdict, why = spoken(info, one, int(judged.outcome[place]), sign * gain, low, high, margin, allowed)
    if wild and verdict is not Verdict.missing:
        scatter = f"the new seeds scatter {new.sd / spread:.0f} times as widely as the noise"
        harmless = verdict is Verdict.inconclusive and gain - half > -margin
        why = f"the mean is no worse, but {scatter}" if harmless else f"{why}; {scatter}"
    return Endpoint(info, verdict, why, new, base, sign * gain, low, high, spread, margin, allowed, least)


def spoken(
    info: MetricInfo, one: Comparison, outcome: int, difference: float, low: float, high: float, margin: float, allowed: float
) -> tuple[Verdict, str]:
    """The verdict of one endpoint, and why."""
    ours, theirs = one.new(info.name), one.baseline[info.name]
    unit = info.unit
    if len(ours) < len(one.candidate.runs):
        return Verdict.missing, f"{len(one.candidate.runs) - len(ours)} of {len(one.candidate.runs)} results lack it"
    if bad := tuple(seed for seed, value in ours.items() if not math.isfinite(value)):
        return Verdict.regressed, f"undefined or infinite in seed {numbers(bad)}, where every baseline seed has a value"
    if all(theirs.get(seed) == value for seed, value in ours.items()):  # equal seeds have equal keys: else incomparable
        return Verdict.identical, "every seed has the very value of the baseline"
    if outcome == WORSE:
        small = f", though by less than the {amount(allowed, unit)} that are let pass" if abs(difference) < allowed else ""
        return Verdict.regressed, f"worse by {amount(abs(difference), unit)}: {span(low, high, unit)} leaves out zero{small}"
    if outcome == BETTER and info.kind == "fidelity":
        near = f"nearer to the teacher by {amount(abs(difference), unit)}"
        return Verdict.drifted, f"{near}: {span(low, high, unit)} leaves out zero"
    if outcome == BETTER:
        return Verdict.improved, f"better by {amount(abs(difference), unit)}: {span(low, high, unit)} leaves out zero"
    if outcome == PASS:
        return Verdict.passed, f"not worse by {amount(margin, unit)} or more"
    assert outcome == OPEN
    if not math.isfinite(low):
        few = "the baseline has" if len(theirs) < 2 else "there is"
        what = f"{few} one seed" if min(len(ours), len(theirs)) < 2 else "no cell of the task has two seeds"
        return Verdict.inconclusive, f"{what}, and `gate: noise:` gives no noise"
    return Verdict.inconclusive, f"{span(low, high, unit)} rules out neither zero nor a loss of {amount(margin, unit)}"


def side(values: Mapping[int, float]) -> Side:
    usable = finite(values.values())
    return Side(mean(usable), sd(usable), tuple(sorted(values)))


def finite(values: object) -> list[float]:
    return [float(value) for value in values if np.isfinite(value)]  # type: ignore[attr-defined]


def comparison(cell: Cell, baseline: Baseline, candidate: Candidate, fit: bool) -> Comparison:
    """Both sides of a cell, by metric."""
    known = {metric: baseline.values(cell, metric) for metric in baseline.metrics(cell)}
    return Comparison(cell, candidate.family, known, candidate, frozenset(repeated(candidate, baseline)), fit)


def repeated(candidate: Candidate, baseline: Baseline) -> set[int]:
    """The seeds whose runs are the baseline's own, value for value."""
    runs = baseline.runs(candidate.cell)
    known = {metric: baseline.values(candidate.cell, metric) for metric in baseline.metrics(candidate.cell)}
    return {
        run.seed
        for run in candidate.runs
        if run.seed in runs
        and runs[run.seed].key == run.key
        and all(run.values.get(metric) == values.get(run.seed) for metric, values in known.items())
    }


def without_echo(candidate: Candidate, baseline: Baseline) -> Candidate:
    """Without unplanned runs that the baseline was made from: they lie in the folder still, and would water down what is new."""
    echo = repeated(candidate, baseline)
    return replace(candidate, runs=tuple(run for run in candidate.runs if run.planned or run.seed not in echo))
