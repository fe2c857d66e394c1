"""One number over tasks: how much of the way from the plain student to its teacher each method goes, and the middle of these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdbench.stats.bootstrap import RESAMPLES, generator
from kdbench.stats.intervals import LEVEL, Interval, half_width, mean, satterthwaite, sd

if TYPE_CHECKING:
    import numpy as np

INFORMATIVE = 2.0  # standard deviations of the plain student that its teacher must stand away from it


@dataclass(frozen=True)
class Middle:
    """Mean and interquartile mean over runs × tasks, with intervals for other runs on these tasks; and, as a check of how much
    hangs on which tasks there are, the interquartile mean's interval for other tasks.

    All are t intervals. The spread of an interquartile mean is that of a bootstrap, made up for what drawing from few leaves out
    (a draw of n varies by 1 - 1/n of what it should); its percentiles would be far too sure.
    """

    mean: Interval
    iqm: Interval
    iqm_over_tasks: Interval


def normalised(value: float, plain: float, teacher: float) -> float:
    """0 at the plain student, 1 at its teacher, whichever way the metric runs; NaN where the two are equal."""
    return (value - plain) / (teacher - plain) if teacher != plain else math.nan


def informative(plain: Sequence[float], teacher: Sequence[float]) -> bool:
    """Whether there is a way to go: |teacher - plain| is at least two standard deviations of the plain student.

    To be asked before a method's results are looked at; a task that fails is left out for all methods.
    """
    away = abs(mean(teacher) - mean(plain))
    return away > 0 and away >= INFORMATIVE * sd(plain)


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean without the lowest and the highest quarter (rounded down to whole values); NaN of nothing."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return mean(ordered[cut : len(ordered) - cut])


def middle(scores: Mapping[str, Sequence[float]], resamples: int = RESAMPLES, level: float = LEVEL) -> Middle | None:
    """Of the normalised scores of each task's runs. None where a task has fewer than two, or a score is undefined: a method that
    lacks a task has no such number."""
    tasks = [list(values) for values in scores.values()]
    if not tasks or any(len(values) < 2 or not all(map(math.isfinite, values)) for values in tasks):
        return None
    import numpy as np

    runs = generator("scores", *map(len, tasks))
    within = [np.array(values)[runs.integers(0, len(values), (resamples, len(values)))] for values in tasks]
    pooled = np.concatenate(within, axis=1)
    chosen = runs.integers(0, len(tasks), (resamples, len(tasks)))
    across = [interquartile_mean([value for task in row for value in tasks[task]]) for row in chosen]
    flat = [value for values in tasks for value in values]
    iqm = interquartile_mean(flat)
    shares = [len(values) / len(flat) for values in tasks]
    parts = [(share**2 * sd(values) ** 2 / len(values), len(values) - 1) for share, values in zip(shares, tasks, strict=True)]
    variance, freedom = satterthwaite(parts)
    fewest = min(map(len, tasks))
    spread = float(_rows_iqm(pooled).var(ddof=1)) * fewest / (fewest - 1)
    drawn = float(np.var(across, ddof=1)) * len(tasks) / (len(tasks) - 1) if len(tasks) > 1 else math.inf
    runs_of, tasks_of = f"other runs of {len(tasks)} tasks, {level:.0%}", f"other tasks than these {len(tasks)}, {level:.0%}"
    return Middle(
        _interval(mean(flat), variance, freedom, len(flat), runs_of, level),
        _interval(iqm, spread, freedom, len(flat), runs_of, level),
        _interval(iqm, drawn, len(tasks) - 1, len(tasks), tasks_of, level),
    )


def _rows_iqm(table: np.ndarray) -> np.ndarray:
    """The interquartile mean of each row."""
    import numpy as np

    cut = table.shape[1] // 4
    return np.sort(table, axis=1)[:, cut : table.shape[1] - cut].mean(axis=1)


def _interval(estimate: float, variance: float, freedom: float, n: int, how: str, level: float) -> Interval:
    half = half_width([((variance, freedom),)], 1 - level) if math.isfinite(variance) else math.inf
    return Interval(estimate - half, estimate, estimate + half, n, how)
