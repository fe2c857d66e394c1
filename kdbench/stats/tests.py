"""p-values of differences over seeds, and Holm's correction for asking several questions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from kdbench.stats.bootstrap import generator
from kdbench.stats.intervals import mean, sd

LEAST = 5  # seeds an arm below which labels cannot be permuted often enough to show anything
EXACT = 50_000  # relabellings that are all tried; of more, a sample of this size
ROUNDING = 1e-12


def paired_p(differences: Sequence[float]) -> float:
    """Two-sided p of the paired t test; NaN for fewer than two differences or where one is not finite."""
    n = len(differences)
    if n < 2 or not all(map(math.isfinite, differences)):
        return math.nan
    return _t_p(mean(differences), sd(differences) / math.sqrt(n), n - 1)


def welch_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of Welch's t test: no pairing, unequal spread."""
    if not _usable(first, second):
        return math.nan
    parts = [(sd(group) ** 2 / len(group), len(group) - 1) for group in (first, second)]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / df for part, df in parts) if variance > 0 else 1.0
    return _t_p(mean(first) - mean(second), math.sqrt(variance), freedom)


def pooled_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of Student's t test with one spread for both arms: the gate's, where the noise is that of the task."""
    if not _usable(first, second):
        return math.nan
    freedom = len(first) + len(second) - 2
    pooled = ((len(first) - 1) * sd(first) ** 2 + (len(second) - 1) * sd(second) ** 2) / freedom
    return _t_p(mean(first) - mean(second), math.sqrt(pooled * (1 / len(first) + 1 / len(second))), freedom)


def permutation_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of the difference of means under relabelling of the seeds; NaN below five seeds an arm.

    All relabellings are tried where they are few, else a fixed sample of them, of which the one at hand is a part.
    """
    if min(len(first), len(second)) < LEAST or not _usable(first, second):
        return math.nan
    values = [*first, *second]
    total, n, m = math.fsum(values), len(first), len(second)
    observed = abs(mean(first) - mean(second)) - ROUNDING * max(map(abs, values))

    def extreme(part: float) -> bool:
        return abs(part / n - (total - part) / m) >= observed

    if math.comb(n + m, n) <= EXACT:
        sums = [math.fsum(values[i] for i in chosen) for chosen in combinations(range(n + m), n)]
        return sum(map(extreme, sums)) / len(sums)
    stream = generator("permutation", n, m)
    hits = sum(extreme(math.fsum(values[i] for i in stream.permutation(n + m)[:n])) for _ in range(EXACT // 5))
    return (hits + 1) / (EXACT // 5 + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given: below α, the chance that any of them is not real is α. NaN is no question."""
    asked = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for place, i in enumerate(asked):
        highest = max(highest, min(1.0, (len(asked) - place) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _usable(first: Sequence[float], second: Sequence[float]) -> bool:
    return min(len(first), len(second)) >= 2 and all(map(math.isfinite, (*first, *second)))


def _t_p(difference: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(difference) / error))
