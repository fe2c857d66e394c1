"""p-values of differences over seeds, and Holm's correction for asking several questions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdbench.stats.intervals import Part, half_width, mean, satterthwaite, sd


def paired_p(differences: Sequence[float]) -> float:
    """Two-sided p of the paired t test; NaN for fewer than two differences or where one is not finite."""
    n = len(differences)
    if n < 2 or not all(map(math.isfinite, differences)):
        return math.nan
    return _t_p(mean(differences), sd(differences) / math.sqrt(n), n - 1)


def welch_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of Welch's t test: no pairing, unequal spread."""
    if min(len(first), len(second)) < 2 or not all(map(math.isfinite, (*first, *second))):
        return math.nan
    variance, freedom = satterthwaite([(sd(group) ** 2 / len(group), len(group) - 1) for group in (first, second)])
    return _t_p(mean(first) - mean(second), math.sqrt(variance), freedom)


def p_of(estimate: float, parts: Sequence[Part]) -> float:
    """Two-sided: the level α at which the interval of these parts just reaches zero."""
    if not any(variance > 0 for part in parts for variance, _ in part):
        return 1.0 if estimate == 0 else 0.0
    low, high = -700.0, 0.0  # of log α
    for _ in range(50):
        middle = (low + high) / 2
        if half_width(parts, math.exp(middle)) > abs(estimate):
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given: below α, the chance that any of them is not real is α. NaN is no question."""
    asked = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for place, i in enumerate(asked):
        highest = max(highest, min(1.0, (len(asked) - place) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _t_p(difference: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(difference) / error))
