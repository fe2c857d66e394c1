"""Where a metric's level changed: each commit's values against all since the last step, by the gate's own rule and noise.

A step is a change in either direction that the rule proves, with 5 % shared over all comparisons of the history. A commit whose
values have other keys at the same seeds is another experiment: the level begins anew, and no step is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kdbench.gate.history import Point, Series, Value
from kdbench.gate.noise import Pool, Sample, assumed, pool, unevenness
from kdbench.gate.rule import BETTER, WORSE, judge
from kdbench.gate.words import HEADS, bare
from kdbench.jobs.job import Cell
from kdbench.metrics.catalogue import MetricInfo
from kdbench.stats.intervals import mean

ALPHA = 0.05
VOUCHED = 1e-12  # lets a single run be judged by the noise of the others: a plot is no gate


@dataclass
class Level:
    """A stretch without a step: where it begins (number of the point), its mean, the noise of one run, and how it began."""

    start: int
    values: list[Value]
    began: str = ""  # "step", "another experiment", or nothing for the first
    change: float = math.nan
    noise: float = math.nan

    @property
    def mean(self) -> float:
        return mean([value.value for value in self.values])

    def said(self, info: MetricInfo) -> str:
        """`−1.47 pp, worse`"""
        size = f"{bare(self.change, info.unit, sign=True)} {HEADS.get(info.unit, '')}".rstrip()
        return f"{size}, {'worse' if self.worse(info) else 'better'}"

    def worse(self, info: MetricInfo) -> bool:
        return (self.change < 0) == (info.direction == "up")


@dataclass
class Track:
    """A series with its levels."""

    series: Series
    levels: list[Level] = field(default_factory=list)

    def level_at(self, point: int) -> Level:
        return [level for level in self.levels if level.start <= point][-1]


def tracks(series: Mapping[tuple[Cell, str], Series]) -> list[Track]:
    """Every series with its steps. The noise of a metric is pooled over the cells of its task, within their levels."""
    total = sum(max(0, len(one.points) - 1) for one in series.values())
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for one in series.values():
        groups.setdefault((one.cell.task, one.cell.pair, one.metric), []).append(one)
    scatter = {place: spread(group) for place, group in groups.items()}
    uneven = unevenness(list(scatter.values()))
    found = []
    for place, group in groups.items():
        for number, one in enumerate(group):
            found.append(Track(one, levels(one.points, scatter[place], number, uneven, ALPHA / max(total, 1) / 2)))
    return found


def spread(group: Sequence[Series]) -> Pool:
    """The noise within commits: what a commit brought for a cell scatters about its own mean, whatever the level."""
    n, square = [], []
    for one in group:
        samples = [Sample.of([[value.value for value in point.values]]) for point in one.points]
        freedom = sum(int(sample.freedom[0]) for sample in samples)
        n.append(freedom + 1)
        square.append(sum(float(sample.square[0]) for sample in samples))
    within = Sample(np.array(n), np.zeros(len(n)), np.array(square))
    return pool(within, Sample.of([[] for _ in group]))


def levels(points: Sequence[Point], noise: Pool, number: int, uneven: np.ndarray, tail: float) -> list[Level]:
    """The levels of one series; `number` is its place among those that share the noise."""
    found: list[Level] = []
    for place, point in enumerate(points):
        fresh = list(point.values)
        if not found:
            found.append(Level(place, fresh))
        elif other_experiment(found[-1].values, fresh):
            found.append(Level(place, fresh, "another experiment"))
        elif not noise.freedom[0] > 0:  # single runs everywhere: nobody knows their noise
            found[-1].values += fresh
        else:
            before, after = (Sample.of([[value.value for value in side]]) for side in (found[-1].values, fresh))
            own = Pool(noise.together, noise.freedom, noise.own[[number]], noise.own_freedom[[number]], noise.wild[[number]])
            judged = judge(before, after, own, uneven, tail, math.inf, known=VOUCHED)
            if judged.outcome[0] in (WORSE, BETTER):
                found.append(Level(place, fresh, "step", float(judged.gain[0])))
            else:
                found[-1].values += fresh
        found[-1].noise = float(assumed(noise, uneven)[0][number] ** 0.5) if noise.freedom[0] > 0 else math.nan
    return found


def other_experiment(before: Sequence[Value], after: Sequence[Value]) -> bool:
    keys = {value.seed: value.key for value in before}
    return any(keys.get(value.seed, value.key) != value.key for value in after)
