"""From both sides of each cell to verdicts on its endpoints: the rule, with the noise of each task, and its outcome in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kdbench.gate.comparison import Comparison
from kdbench.gate.noise import Array, Sample, assumed, foreseen, pool, unevenness
from kdbench.gate.rule import BETTER, OPEN, PASS, WORSE, Judged, detectable, judge
from kdbench.gate.settings import known_noise, tolerance
from kdbench.gate.verdicts import Endpoint, Side, Verdict
from kdbench.gate.words import amount, numbers, span
from kdbench.jobs.job import Cell
from kdbench.metrics.catalogue import MetricInfo, primary
from kdbench.stats.intervals import mean, sd
from kdbench.suite.gate import Gate


@dataclass
class Block:
    """One metric of one task and pair: the cells that are judged with one noise."""

    task: str
    info: MetricInfo
    cells: list[Comparison] = field(default_factory=list)

    def samples(self) -> tuple[Sample, Sample, Sample]:
        """Baselines, new runs, and those of the new runs that are not the baselines' own."""
        name = self.info.name
        base = [one.baseline[name] for one in self.cells]
        new = [one.new(name) for one in self.cells]
        fresh = [one.fresh(name) for one in self.cells]
        return _sample(base), _sample(new), _sample(fresh)


@dataclass(frozen=True)
class Terms:
    """What all cells of a block are judged by: the share of α of one test, the sign by which more is better, the loss that may
    pass, and the noise that somebody vouches for."""

    tail: float
    sign: float
    tolerance: float
    known_noise: float

    @staticmethod
    def of(gate: Gate, block: Block, tests: int) -> Terms:
        info = block.info
        tail = gate.alpha / (tests * len(gate.looks)) / (2 if info.kind == "fidelity" else 1)
        sign = -1.0 if info.direction == "down" else 1.0
        return Terms(tail, sign, tolerance(gate, block.task, info), known_noise(gate, block.task, info))


def endpoints(comparisons: Sequence[Comparison], gate: Gate) -> tuple[dict[Cell, list[Endpoint]], int]:
    """Every endpoint that has a baseline, by cell, and their number: they share α with the looks."""
    blocks: dict[tuple[str, str, str], Block] = {}
    for one in comparisons:
        for info in primary(one.family):
            if info.name in one.baseline:
                place = (one.cell.task, one.cell.pair, info.name)
                blocks.setdefault(place, Block(one.cell.task, info)).cells.append(one)
    tests = sum(len(block.cells) for block in blocks.values())
    samples = [block.samples() for block in blocks.values()]
    noises = [pool(base, fresh) for base, _, fresh in samples]
    uneven = unevenness(noises)
    found: dict[Cell, list[Endpoint]] = {one.cell: [] for one in comparisons}
    for block, (base, new, fresh), noise in zip(blocks.values(), samples, noises, strict=True):
        terms = Terms.of(gate, block, tests)
        judged = judge(base, new, noise, uneven, terms.tail, terms.tolerance, terms.sign, terms.known_noise)
        _, freedom = assumed(foreseen(noise, new.freedom - fresh.freedom), uneven)
        sees = np.where(np.isinf(judged.freedom), np.inf, freedom)
        for at, one in enumerate(block.cells):
            if one.fit:
                found[one.cell].append(_endpoint(block.info, one, terms, judged, sees, at, bool(noise.wild[at])))
    return found, tests


def _endpoint(info: MetricInfo, one: Comparison, terms: Terms, judged: Judged, sees: Array, at: int, wild: bool) -> Endpoint:
    """The endpoint of one cell, which is number `at` of its block. `sees`: the degrees of freedom by which new runs would be
    judged; `wild`: its new seeds scatter beyond the noise."""
    new, base = _side(one.new(info.name)), _side(one.baseline[info.name])
    arrays = (judged.gain, judged.half, judged.spread, sees, judged.margin)
    gain, half, spread, freedom, margin = (float(array[at]) for array in arrays)
    sign, n, m = terms.sign, len(new.seeds), len(base.seeds)
    least = detectable(spread, freedom, n, m, terms.tail) if math.isfinite(half) else math.inf
    low, high = sorted((sign * (gain - half), sign * (gain + half))) if math.isfinite(gain) else (math.nan, math.nan)
    open_yet = Verdict.inconclusive
    part = Endpoint(info, open_yet, "", new, base, sign * gain, low, high, spread, margin, terms.tolerance, least)
    verdict, why = _beyond_the_rule(info, one) or _by_the_rule(part, int(judged.outcome[at]))
    if wild and verdict is not Verdict.missing:
        scatter = f"the new seeds scatter {new.sd / spread:.0f} times as widely as the noise"
        harmless = verdict is Verdict.inconclusive and gain - half > -margin
        why = f"the mean is no worse, but {scatter}" if harmless else f"{why}; {scatter}"
    return replace(part, verdict=verdict, why=why)


def _beyond_the_rule(info: MetricInfo, one: Comparison) -> tuple[Verdict, str] | None:
    """What needs no statistics: values that lack, are no numbers, or are those of the baseline."""
    ours, theirs = one.new(info.name), one.baseline[info.name]
    if len(ours) < len(one.candidate.runs):
        return Verdict.missing, f"{len(one.candidate.runs) - len(ours)} of {len(one.candidate.runs)} results lack it"
    if bad := tuple(seed for seed, value in ours.items() if not math.isfinite(value)):
        return Verdict.regressed, f"undefined or infinite in seed {numbers(bad)}, where every baseline seed has a value"
    if all(theirs.get(seed) == value for seed, value in ours.items()):  # equal seeds have equal keys: else incomparable
        return Verdict.identical, "every seed has the very value of the baseline"
    return None


def _by_the_rule(part: Endpoint, outcome: int) -> tuple[Verdict, str]:
    """The verdict that an outcome of the rule is, and why."""
    unit = part.metric.unit
    size, where = amount(abs(part.difference), unit), span(part.low, part.high, unit)
    if outcome == WORSE:
        little = abs(part.difference) < part.tolerance
        small = f", though by less than the {amount(part.tolerance, unit)} that are let pass" if little else ""
        return Verdict.regressed, f"worse by {size}: {where} leaves out zero{small}"
    if outcome == BETTER and part.metric.kind == "fidelity":
        return Verdict.drifted, f"nearer to the teacher by {size}: {where} leaves out zero"
    if outcome == BETTER:
        return Verdict.improved, f"better by {size}: {where} leaves out zero"
    if outcome == PASS:
        return Verdict.passed, f"not worse by {amount(part.margin, unit)} or more"
    assert outcome == OPEN
    if part.blind:
        return Verdict.unjudged, _blind(part)
    most = f"worse by {amount(part.margin, unit)}, {_allowed(part)}"
    return Verdict.inconclusive, f"{where} leaves both open: no change, and {most}"


def _blind(part: Endpoint) -> str:
    """Why no loss could be seen, however large."""
    if math.isfinite(part.low):
        return "these seeds scatter so that no loss could be proved, however large"
    few = "the baseline has" if len(part.base.seeds) < 2 else "there is"
    return f"{few} one seed, which may be chance, and `gate: noise:` does not say how far runs vary"


def _allowed(part: Endpoint) -> str:
    """Where the margin comes from."""
    if part.margin <= part.tolerance:
        return "the most that may pass"
    tolerance = amount(part.tolerance, part.metric.unit)
    return f"the most that may pass (twice the noise of a run; the tolerance, {tolerance}, is below)"


def _side(values: Mapping[int, float]) -> Side:
    usable = _finite(values.values())
    return Side(mean(usable), sd(usable), tuple(sorted(values)))


def _sample(by_cell: Iterable[Mapping[int, float]]) -> Sample:
    return Sample.of([_finite(values.values()) for values in by_cell])


def _finite(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]
