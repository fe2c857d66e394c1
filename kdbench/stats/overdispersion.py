"""Whether runs differ by more than the finite test set makes them: over-dispersion of a metric that is a mean over units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def overdispersion(arms: Sequence[np.ndarray]) -> float:
    """φ of arms [seeds, units]: the variance of a run's mean over what it would be if units erred independently.

    Near 1, seeds differ only because the test set is finite; above 2, runs truly differ (bad learning rate, a teacher's effect).
    The expected part is the mean over units of the variance over seeds, divided by the units: p(1-p) S/(S-1) for right and wrong.
    Pooled over arms; NaN where no arm has two seeds, or no unit varies.
    """
    import numpy as np

    observed = expected = 0.0
    for arm in arms:
        values = np.asarray(arm, dtype=np.float64)
        seeds, units = values.shape
        if seeds < 2:
            continue
        observed += (seeds - 1) * float(values.mean(axis=1).var(ddof=1))
        expected += (seeds - 1) * float(values.var(axis=0, ddof=1).mean()) / units
    return observed / expected if expected > 0 else math.nan
