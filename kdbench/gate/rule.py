"""The rule of the gate, on arrays whose last axis is cells: worse, not worse than the margin, better, or not known yet.

With d the gain (mean of the new runs minus mean of the baseline, positive is better) and h = q·s·√(1/n + 1/m) its uncertainty:
d + h < 0 is worse; else d - h > -margin is let pass, and d - h > 0 is better; else it is open. q is the t quantile of the tail
that one test may spend: α over endpoints × cells × looks, halved where both directions alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kdbench.gate.noise import Array, Pool, Sample, assumed

WORSE, OPEN, PASS, BETTER = -1, 0, 1, 2
ROUNDING = 1e-12
WIDENED = 2.0  # a margin is at least so many standard deviations of a run: below, no affordable number of seeds would pass
POWER = 0.8


@dataclass(frozen=True)
class Judged:
    """What the rule found, for each cell: the outcome, the gain, its half width, spread and freedom of the noise, the margin."""

    outcome: Array
    gain: Array
    half: Array
    spread: Array
    freedom: Array
    margin: Array


def judge(
    base: Sample, new: Sample, noise: Pool, uneven: Array, tail: float, margin: float, sign: float = 1.0, known: float = 0.0
) -> Judged:
    """`sign` is -1 where less is better. `known` is a standard deviation that somebody vouches for: the least that is assumed,
    and without it a single run on either side decides nothing."""
    variance, freedom = assumed(noise, uneven)
    spread = np.sqrt(variance)
    vouched = known >= spread if known > 0 else np.zeros(spread.shape, dtype=bool)
    spread = np.where(vouched, known, spread)
    freedom = np.where(vouched, np.inf, np.broadcast_to(freedom, spread.shape))
    fewest = np.minimum(base.n, new.n)
    enough = (freedom > 0) & (fewest >= (1 if known > 0 else 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        half = quantile(np.where(enough, freedom, 1.0), tail) * spread * np.sqrt(1 / base.n + 1 / new.n)
        gain = sign * (new.mean - base.mean)
    scale = np.maximum(np.abs(base.mean), np.abs(new.mean))
    gain = np.where(np.abs(gain) <= ROUNDING * scale, 0.0, gain)
    half = np.where(enough, half, np.inf)
    wide = np.maximum(margin, WIDENED * spread)
    harmless = (gain - half > -wide) & ~noise.wild  # runs that scatter as never before are not as good as they were
    outcome = np.select([gain + half < 0, gain - half > 0, harmless], [WORSE, BETTER, PASS], OPEN)
    return Judged(outcome, gain, half, spread, freedom, wide)


def quantile(freedom: Array, tail: float) -> Array:
    """The upper `tail` point of t; of the normal where the freedom is infinite."""
    from scipy.special import ndtri, stdtrit

    finite = np.isfinite(freedom)
    return np.where(finite, stdtrit(np.where(finite, freedom, 1.0), 1 - tail), -ndtri(tail))


def detectable(spread: float, freedom: float, n: int, m: int, tail: float) -> float:
    """The true loss that is called worse with a chance of 80 %; infinite where nothing can be."""
    if min(n, m) < 1 or not freedom > 0:
        return float("inf")
    return noncentral(round(min(freedom, 1e4), 1), tail) * spread * float(np.sqrt(1 / n + 1 / m))


@lru_cache(maxsize=4096)
def noncentral(freedom: float, tail: float) -> float:
    from kdbench.stats.power import noncentrality

    return noncentrality(freedom, POWER, tail)
