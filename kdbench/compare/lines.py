"""One line of a comparison: a metric of a candidate against that of a baseline, with interval, p-value and verdict.

A difference is called real where it stands against other seeds and, if units are known, other examples too: the interval that
is shown is the one that decides. Holm's correction is over all lines that are shown together; what only one question would have
shown is called so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kdbench.compare.cells import Group
from kdbench.metrics.catalogue import MetricInfo, metric, primary
from kdbench.results.readings import ON_TEST
from kdbench.stats import Crossed, Interval, detectable_of, holm, mean, paired, sd, welch
from kdbench.stats.crossed_store import CellRuns, CrossedStore
from kdbench.stats.intervals import Part, satterthwaite
from kdbench.stats.significance import paired_p, welch_p

Verdict = Literal["better", "worse", "differs", "not after Holm", "no difference shown", "identical", "not comparable"]
ALPHA = 0.05


@dataclass(frozen=True)
class Side:
    """A metric over the runs of one side; `name` is what its suite calls the cell."""

    cell: str
    name: str
    mean: float
    sd: float
    seeds: int
    older: int = 0  # runs that older code made


@dataclass(frozen=True)
class Line:
    """`least` is the smallest true difference that these runs would show with a chance of 80 %, under Holm's correction as `p`
    is; `parts` are the variances it follows from; `why` explains a verdict."""

    task: str
    pair: str
    metric: str
    info: MetricInfo
    candidate: Side
    baseline: Side
    difference: float
    interval: Interval | None
    p: float
    adjusted: float
    verdict: Verdict
    why: str
    parts: tuple[Part, ...]
    least: float = math.nan


def lines(
    candidate: Group,
    baseline: Group,
    metrics: Sequence[str],
    store: CrossedStore,
    pairing: bool,
    refused: str = "",
    same: bool = False,
) -> list[Line]:
    """A line for each metric that either side has. `refused` says why they may not be compared, `same` that they are the same
    runs. Verdicts are final only after `judged`."""
    names = [name for name in metrics if values(candidate, name) or values(baseline, name)]
    crossed = {} if refused or same else crossed_of(candidate, baseline, names, store, pairing)
    return [line(candidate, baseline, name, crossed.get(name), pairing, refused, same) for name in names]


def crossed_of(
    candidate: Group, baseline: Group, names: Sequence[str], store: CrossedStore, pairing: bool
) -> dict[str, Crossed | None]:
    """Crossed differences of those metrics of which units are kept: the test set's."""
    bare = {name: name.rpartition(".")[2] for name in names if name.rpartition(".")[0] in ON_TEST}
    first, second = (CellRuns.of(group.family, group.readings, group.reader) for group in (candidate, baseline))
    found = store.differences(list(dict.fromkeys(bare.values())), first, second, pairing)
    return {name: found[plain] for name, plain in bare.items()}


def line(candidate: Group, baseline: Group, name: str, crossed: Crossed | None, pairing: bool, refused: str, same: bool) -> Line:
    ours, theirs = values(candidate, name), values(baseline, name)
    both = ours.keys() & theirs.keys()
    if pairing and both:
        ours, theirs = ({seed: value for seed, value in found.items() if seed in both} for found in (ours, theirs))
    found = over_seeds(ours, theirs, pairing)
    interval, p, parts = found.interval, found.p, found.parts
    if crossed is not None:
        interval, p, parts = crossed.interval, max(p, crossed.p), crossed.parts
    verdict: Verdict = "no difference shown"
    why = refused or reason(found.n, ours, theirs)
    if same:
        verdict, why = "identical", "the same runs with the same outcome, bit for bit"
    elif why:
        verdict = "not comparable"
    elif pairing and ours == theirs:
        why = "equal in every seed"
    return Line(
        task=candidate.task,
        pair=candidate.pair,
        metric=name,
        info=info_of(candidate.family, name),
        candidate=side(candidate, ours),
        baseline=side(baseline, theirs),
        difference=found.difference,
        interval=interval,
        p=p if verdict == "no difference shown" else math.nan,
        adjusted=math.nan,
        verdict=verdict,
        why=why,
        parts=() if why else parts,
    )


@dataclass(frozen=True)
class OverSeeds:
    """What the seeds alone say; `n` are pairs, or the runs of the smaller side."""

    n: int
    difference: float
    interval: Interval | None
    p: float
    parts: tuple[Part, ...]


def over_seeds(ours: Mapping[int, float], theirs: Mapping[int, float], pairing: bool) -> OverSeeds:
    if pairing:
        pairs = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
        return OverSeeds(len(pairs), mean(pairs), paired(pairs), paired_p(pairs), parts_of([pairs]))
    a, b = list(ours.values()), list(theirs.values())
    return OverSeeds(min(len(a), len(b)), mean(a) - mean(b), welch(a, b), welch_p(a, b), parts_of([a, b]))


def parts_of(groups: Sequence[Sequence[float]]) -> tuple[Part, ...]:
    """The variance of a mean, or of two means that are not paired; nothing where a group has no spread to be known."""
    if min(map(len, groups)) < 2:
        return ()
    return ((satterthwaite([(sd(group) ** 2 / len(group), len(group) - 1) for group in groups]),),)


def side(group: Group, found: Mapping[int, float]) -> Side:
    present = list(found.values())
    return Side(group.cell, group.name, mean(present), sd(present), len(present), len(group.older))


def judged(found: Sequence[Line]) -> list[Line]:
    """The lines with their verdicts: real where Holm's p, over all of them, is below 5 %."""
    adjusted = holm([line.p for line in found])
    asked = sum(not math.isnan(p) for p in adjusted)
    return [
        replace(line, adjusted=p, verdict=verdict(line, p), least=detectable_of(line.parts, alpha=ALPHA / max(1, asked)))
        for line, p in zip(found, adjusted, strict=True)
    ]


def verdict(line: Line, adjusted: float) -> Verdict:
    if line.verdict != "no difference shown" or not line.p < ALPHA or line.difference == 0:
        return line.verdict
    if not adjusted < ALPHA:
        return "not after Holm"
    if line.info.direction == "zero":
        return "differs"
    return "better" if (line.difference > 0) == (line.info.direction == "up") else "worse"


def reason(n: int, ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Why numbers that are there cannot be judged; empty where they can."""
    if not ours or not theirs:
        return f"measured on one side only ({'the candidate' if ours else 'the baseline'})"
    if not all(map(math.isfinite, (*ours.values(), *theirs.values()))):
        return "infinite in some runs"
    if n < 2:
        return "too few seeds: one gives no interval" if n == 1 else "no seed in common"
    return ""


def values(group: Group, name: str) -> dict[int, float]:
    """The metric by seed, of the finished runs that have it."""
    found = {reading.seed: reading.value(name) for reading in group.readings if reading.status == "done"}
    return {seed: value for seed, value in sorted(found.items()) if not math.isnan(value)}


def info_of(family: str, name: str) -> MetricInfo:
    return metric(family, name.rpartition(".")[2])


def endpoints(family: str) -> list[str]:
    """What is compared where nothing is asked for: the primary metrics."""
    return [entry.name for entry in primary(family)]
