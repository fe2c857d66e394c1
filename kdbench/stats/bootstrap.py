"""Crossed bootstrap: would a difference stand with other seeds, other teachers and other examples at once?

Examples are drawn once for all runs (every net saw the same test set), runs are drawn beside them, and the metric is computed
anew on what was drawn. Teachers are drawn first and then, within each teacher drawn, its runs: seeds that share a teacher are
alike in more than chance. Arms of one suite are paired: a run of one arm is drawn with the run of the other that had the same
seed, and so the same teacher. Percentiles of the replicates are the interval. It is conservative, since the noise of examples is
counted with that of the runs (coverage measured: tests/stats/test_bootstrap_coverage.py).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from kdbench.stats.intervals import LEVEL, Interval, mean

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000
AT_ONCE = 2_000_000  # counts held in memory at a time
DEFINED = 0.9  # share of the replicates that must have a value


class Resampled(Hashable, Protocol):
    """What is known of a run's units."""

    def size(self, metric: str) -> int: ...
    def on_resamples(self, metric: str, counts: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Run:
    """One trained net: its seed, the teacher that its seed goes with, its units and its metric on all of them."""

    seed: Hashable
    teacher: Hashable
    units: Resampled


@dataclass(frozen=True)
class Crossed:
    """The interval; the two-sided p-value that goes with it; how far the replicates spread."""

    interval: Interval
    p: float
    spread: float


def difference(
    metric: str,
    first: Sequence[Run],
    second: Sequence[Run],
    pairing: bool = True,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Crossed | None:
    """first - second. Paired, only runs that both arms have count. None for fewer than two runs on a side, or without a value."""
    if pairing:
        both = {run.seed for run in first} & {run.seed for run in second}
        first, second = ([run for run in sorted(arm, key=order) if run.seed in both] for arm in (first, second))
    runs = min(len(first), len(second))
    if runs < 2:
        return None
    table = replicates(metric, [*first, *second], resamples)
    ours, theirs = table[: len(first)], table[len(first) :]
    drawn = [draw_runs(first, resamples, "first"), draw_runs(second, resamples, "second")]
    if pairing:  # what a run without a teacher lacks in ties, the run that it is paired with has
        drawn = [drawn[0] if teachers(first) <= teachers(second) else draw_runs(second, resamples, "first")] * 2
    found = weighted(ours, drawn[0]) - weighted(theirs, drawn[1])
    estimate = whole(metric, first) - whole(metric, second)
    return _summary(found, estimate, runs, first[0].units.size(metric), level)


def average(metric: str, runs: Sequence[Run], resamples: int = RESAMPLES, level: float = LEVEL) -> Crossed | None:
    """The mean over runs of one arm; `p` is against zero."""
    if len(runs) < 2:
        return None
    found = weighted(replicates(metric, runs, resamples), draw_runs(runs, resamples, "first"))
    return _summary(found, whole(metric, runs), len(runs), runs[0].units.size(metric), level)


def replicates(metric: str, runs: Sequence[Run], resamples: int = RESAMPLES) -> np.ndarray:
    """The metric of each run on each resample of the units [runs, resamples]: the same resamples for all, whatever the arm."""
    import numpy as np

    sizes = {run.units.size(metric) for run in runs}
    if len(sizes) != 1:
        raise ValueError(f"runs on sets of {sorted(sizes)} units cannot be resampled together")
    return np.stack([_replicates(metric, run.units, resamples) for run in runs])


@lru_cache(maxsize=256)  # a control is compared with every arm
def _replicates(metric: str, units: Resampled, resamples: int) -> np.ndarray:
    import numpy as np

    step = at_once(units.size(metric))
    ends = [(start, min(start + step, resamples)) for start in range(0, resamples, step)]
    return np.concatenate([units.on_resamples(metric, draw_units(units.size(metric), *end)) for end in ends])


def weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over the runs drawn, of each replicate; runs that were not drawn do not matter, even where undefined."""
    import numpy as np

    return np.where(weights.T > 0, weights.T * values, 0.0).sum(axis=0)


def whole(metric: str, runs: Sequence[Run]) -> float:
    """The mean over runs on the units as they are."""
    import numpy as np

    ones = np.ones((1, runs[0].units.size(metric)))
    return mean([float(run.units.on_resamples(metric, ones)[0]) for run in runs])


def at_once(size: int) -> int:
    return max(1, AT_ONCE // max(size, 1))


@lru_cache(maxsize=2)
def draw_units(size: int, start: int, stop: int) -> np.ndarray:
    """How often each unit is drawn in resamples start..stop [stop - start, size]; a function of its arguments alone."""
    import numpy as np

    stream = generator("units", size, start)
    rows = stop - start
    index = stream.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
    counts = np.bincount(index.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)
    counts.setflags(write=False)
    return counts


def draw_runs(runs: Sequence[Run], resamples: int, side: str) -> np.ndarray:
    """Weights of the runs in each replicate [resamples, runs], each row summing to one.

    Depends on the order of the runs and on which share a teacher, not on names, so that any two arms of a suite that have the
    same seeds are drawn alike.
    """
    kinds = list(dict.fromkeys(run.teacher for run in runs))
    return _draw_runs(tuple(kinds.index(run.teacher) for run in runs), resamples, side)


@lru_cache(maxsize=64)
def _draw_runs(teacher_of: tuple[int, ...], resamples: int, side: str) -> np.ndarray:
    import numpy as np

    stream = generator("runs", side, *teacher_of)
    teachers = max(teacher_of) + 1
    members = [np.flatnonzero(np.array(teacher_of) == number) for number in range(teachers)]
    weights = np.zeros((resamples, len(teacher_of)))
    chosen = stream.integers(0, teachers, (resamples, teachers))
    rows = np.arange(resamples)
    for slot in range(teachers):
        for number, group in enumerate(members):
            here = rows[chosen[:, slot] == number]
            drawn = group[stream.integers(0, len(group), (len(here), len(group)))]
            np.add.at(weights, (here[:, None], drawn), 1.0)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.setflags(write=False)
    return weights


def generator(*parts: object) -> np.random.Generator:
    """A stream of its own for every purpose, the same on every machine."""
    import numpy as np

    digest = hashlib.sha256("\x1f".join(map(str, ("kdbench bootstrap", *parts))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def teachers(runs: Sequence[Run]) -> int:
    return len({run.teacher for run in runs})


def order(run: Run) -> tuple[str, str]:
    return (str(run.seed).zfill(12), str(run.teacher))


def p_value(found: np.ndarray, estimate: float) -> float:
    """Two-sided: the smallest level at which a percentile interval leaves zero out. Where no replicate lies beyond zero, the
    normal tail stands in, since replicates cannot show less than one in their number."""
    low, high = int((found <= 0).sum()), int((found >= 0).sum())
    beyond = min(low, high)
    counted = min(1.0, 2 * (beyond + 1) / (len(found) + 1))
    if beyond:
        return counted
    spread = float(found.std(ddof=1))
    return min(counted, math.erfc(abs(estimate) / spread / math.sqrt(2))) if spread > 0 else 0.0


def _summary(found: np.ndarray, estimate: float, runs: int, units: int, level: float) -> Crossed | None:
    import numpy as np

    defined = found[np.isfinite(found)]
    if not math.isfinite(estimate) or len(defined) < DEFINED * len(found):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    how = f"crossed bootstrap over {runs} seeds × {units} units, {level:.0%}"
    interval = Interval(float(low), estimate, float(high), runs, how)
    return Crossed(interval, p_value(defined, estimate), float(defined.std(ddof=1)))
