"""What a number of seeds can show: the smallest true difference that a t test would notice."""

from __future__ import annotations

import math

from kdbench.stats.intervals import t_quantile


def detectable(sd: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The difference that a two-sided paired t test at `alpha` finds with probability `power`; NaN for fewer than two seeds.

    `sd` is that of one seed's difference. Solved for the noncentrality d·√n/sd of the t distribution; the chance of a
    significant result of the wrong sign is left out (below 1e-3 at 80 % power).
    """
    if n < 2 or not sd >= 0:
        return math.nan
    return noncentrality(n - 1, power, alpha / 2) * sd / math.sqrt(n)


def detectable_between(sd: float, n: int, m: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The same for arms of n and m seeds that are not paired; `sd` is that of a run."""
    if min(n, m) < 2 or not sd >= 0:
        return math.nan
    return noncentrality(n + m - 2, power, alpha / 2) * sd * math.sqrt(1 / n + 1 / m)


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
