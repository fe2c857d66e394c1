"""Means over seeds and the t intervals of their differences; where there are too few seeds there is no interval, not a guess.

The noise is that of training: these intervals speak of other seeds on the same test set, not of other test examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
Known = tuple[float, float]  # a variance of an estimate, and its degrees of freedom
Part = tuple[Known, ...]  # a kind of chance: what is known of its variance, once or from two sides, of which the wider counts


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds; `n` is the number of seeds (of pairs, or of the smaller group), `how` the method."""

    low: float
    estimate: float
    high: float
    n: int
    how: str

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def sd(values: Sequence[float]) -> float:
    """The sample standard deviation (n - 1); NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def paired(differences: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The t interval of the mean of paired differences; None for fewer than two, or where one is not finite."""
    n = len(differences)
    if n < 2 or not all(map(math.isfinite, differences)):
        return None
    half = t_quantile(n - 1, (1 + level) / 2) * sd(differences) / math.sqrt(n)
    middle = mean(differences)
    return Interval(middle - half, middle, middle + half, n, f"paired t, {level:.0%}")


def welch(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval of mean(first) - mean(second) for groups without pairing and with unequal spread; None as in `paired`."""
    n = min(len(first), len(second))
    if n < 2 or not all(map(math.isfinite, (*first, *second))):
        return None
    middle = mean(first) - mean(second)
    variance, freedom = satterthwaite([(sd(group) ** 2 / len(group), len(group) - 1) for group in (first, second)])
    half = t_quantile(freedom, (1 + level) / 2) * math.sqrt(variance) if variance > 0 else 0.0
    return Interval(middle - half, middle, middle + half, n, f"Welch t, {level:.0%}")


def satterthwaite(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A sum of independent estimated variances and its degrees of freedom (Welch and Satterthwaite's), from those of each part.

    Without any variance there is nothing that freedom could be of; it is 1 then.
    """
    variance = sum(part for part, _ in parts)
    return variance, variance**2 / sum(part**2 / freedom for part, freedom in parts) if variance > 0 else 1.0


def combined(estimate: float, parts: Sequence[Part], n: int, how: str, level: float = LEVEL) -> Interval:
    """The interval of an estimate with several independent kinds of chance."""
    half = half_width(parts, 1 - level)
    return Interval(estimate - half, estimate, estimate + half, n, how)


def half_width(parts: Sequence[Part], alpha: float) -> float:
    """Each part's own t interval, their half widths added as squares (Zou and Donner's recovery of variance estimates). Never
    narrower than any part alone, as a sum of variances with Satterthwaite's freedom would be at few seeds."""
    squares = (max(t_quantile(freedom, alpha / 2) ** 2 * variance for variance, freedom in part) for part in parts)
    return math.sqrt(math.fsum(squares))


def t_quantile(freedom: float, probability: float) -> float:
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    return float(stdtrit(freedom, probability))
