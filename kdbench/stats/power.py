"""The smallest true difference that a paired t test would notice: what a table of few seeds cannot show."""

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
    from scipy.special import nctdtr

    critical = t_quantile(n - 1, 1 - alpha / 2)
    low, high = 0.0, 1.0
    while 1 - float(nctdtr(n - 1, high, critical)) < power:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        if 1 - float(nctdtr(n - 1, middle, critical)) < power:
            low = middle
        else:
            high = middle
    return high * sd / math.sqrt(n)
