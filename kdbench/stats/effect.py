"""How large a difference is beside the noise of seeds: Hedges' g, and how often one run beats another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdbench.stats.intervals import LEVEL, Interval, mean, sd, t_quantile

MEANINGFUL = 0.75  # of Bouthillier et al. 2021


def hedges_g(first: Sequence[float], second: Sequence[float]) -> float:
    """Difference of means in pooled standard deviations, corrected for small samples; NaN where there is no spread."""
    n, m = len(first), len(second)
    if min(n, m) < 2:
        return math.nan
    freedom = n + m - 2
    pooled = math.sqrt(((n - 1) * sd(first) ** 2 + (m - 1) * sd(second) ** 2) / freedom)
    if not pooled > 0:
        return math.nan
    correction = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return correction * (mean(first) - mean(second)) / pooled


def superiority(first: Sequence[float], second: Sequence[float]) -> float:
    """P(A > B): the share of seed pairs that `first` wins, ties for half; NaN where an arm is empty."""
    if not first or not second:
        return math.nan
    return sum((a > b) + (a == b) / 2 for a in first for b in second) / (len(first) * len(second))


def superiority_interval(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Interval | None:
    """P(A > B) with Brunner and Munzel's interval; None for fewer than two seeds an arm, or where one arm wins every pair:
    then nothing shows how sure that is."""
    n, m = len(first), len(second)
    if min(n, m) < 2:
        return None
    over = [superiority([a], second) for a in first]
    under = [superiority([b], first) for b in second]
    parts = [(sd(over) ** 2 / n, n - 1), (sd(under) ** 2 / m, m - 1)]
    variance = sum(part for part, _ in parts)
    if not variance > 0:
        return None
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    middle, half = mean(over), t_quantile(freedom, (1 + level) / 2) * math.sqrt(variance)
    return Interval(max(0.0, middle - half), middle, min(1.0, middle + half), min(n, m), f"Brunner-Munzel, {level:.0%}")


def meaningful(found: Interval) -> bool:
    """Whether P(A > B) is above a half for sure and above three quarters by the look of it."""
    return found.low > 0.5 and found.estimate > MEANINGFUL
