"""What a number of seeds can show: the smallest true difference that a t test would notice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdbench.stats.intervals import Part, t_quantile


def detectable(sd: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The difference that a two-sided paired t test at `alpha` finds with probability `power`; NaN for fewer than two seeds.

    `sd` is that of one seed's difference. Solved for the noncentrality d·√n/sd of the t distribution; the chance of a
    significant result of the wrong sign is left out (below 1e-3 at 80 % power).
    """
    if n < 2 or not sd >= 0:
        return math.nan
    return noncentrality(n - 1, power, alpha / 2) * sd / math.sqrt(n)


def detectable_of(parts: Sequence[Part], power: float = 0.8, alpha: float = 0.05) -> float:
    """The same of any difference with its parts of variance: of arms that are not paired, or of several kinds of chance, whose
    shares add as in `intervals.half_width`; NaN without parts."""
    if not parts:
        return math.nan
    known = [[noncentrality(freedom, power, alpha / 2) ** 2 * v for v, freedom in part if v > 0] for part in parts]
    return math.sqrt(math.fsum(max(squares, default=0.0) for squares in known))


def seeds_for(difference: float, sd: float, most: int = 1000, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """The fewest seeds with which a true difference of this size would be noticed; None where more than `most` are needed."""
    if not abs(difference) > 0 or not sd >= 0:
        return None
    low, high = 2, most
    if detectable(sd, most, power, alpha) > abs(difference):
        return None
    while low < high:
        middle = (low + high) // 2
        if detectable(sd, middle, power, alpha) <= abs(difference):
            high = middle
        else:
            low = middle + 1
    return low


def noncentrality(freedom: float, power: float, tail: float) -> float:
    """The noncentrality at which t of `freedom` exceeds its upper `tail` point with probability `power`."""
    from scipy.special import nctdtr

    critical = t_quantile(freedom, 1 - tail)
    low, high = 0.0, 1.0
    while 1 - float(nctdtr(freedom, high, critical)) < power:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        if 1 - float(nctdtr(freedom, middle, critical)) < power:
            low = middle
        else:
            high = middle
    return high
