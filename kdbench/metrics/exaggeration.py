"""Does the student exaggerate its teacher's confidence: slope of logit p_s[y_t] on logit p_t[y_t] (1 = faithful)."""

import numpy as np

from kdbench.metrics.arrays import Array

EPSILON = 1e-6
MOST_PAIRED = 1000


def exaggeration(p_t: Array, p_s: Array) -> dict[str, float]:
    """Least-squares slope and intercept, and the Theil-Sen slope, from both nets' probabilities [N] of the class that
    the teacher chose."""
    x, y = log_odds(p_t), log_odds(p_s)
    slope, intercept = line(x, y)
    return {
        "exaggeration_slope": slope,
        "exaggeration_intercept": intercept,
        "exaggeration_theil_sen": theil_sen(x, y),
    }


def log_odds(probability: Array) -> Array:
    """log p/(1-p) with p kept 1e-6 away from 0 and 1."""
    kept = np.clip(probability, EPSILON, 1.0 - EPSILON)
    return np.log(kept) - np.log1p(-kept)


def line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and intercept of y on x by least squares; NaN where x does not vary."""
    deviation = x - x.mean()
    variation = float(deviation @ deviation)
    if (x == x[0]).all() or variation == 0:
        return float("nan"), float("nan")
    slope = float(deviation @ y) / variation
    return slope, float(y.mean() - slope * x.mean())


def theil_sen(x: Array, y: Array) -> float:
    """Median slope over pairs of items; of more than 1,000 items, 1,000 at equal distances in their stored order."""
    if len(x) > MOST_PAIRED:
        chosen = np.linspace(0, len(x) - 1, MOST_PAIRED).astype(np.int64)
        x, y = x[chosen], y[chosen]
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    usable = run != 0
    return float(np.median((y[second] - y[first])[usable] / run[usable])) if usable.any() else float("nan")
