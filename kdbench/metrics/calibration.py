"""Does confidence mean what it says: expected calibration error, of all decisions or column by column.

Bins are equal in width and closed on the right: (0, 1/15], (1/15, 2/15] ... ; a confidence of 0 goes to the first.
"""

import numpy as np

from kdbench.metrics.arrays import Array

BINS = 15


def bin_of(confidence: Array, bins: int = BINS) -> Array:
    """The bin number of each confidence."""
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, confidence, side="left")


def bin_gaps(confidence: Array, target: Array, bins: int = BINS) -> Array:
    """Per bin, the sum of (target - confidence). |.| summed and divided by the items is the ECE."""
    return np.bincount(bin_of(confidence, bins), weights=np.asarray(target, float) - confidence, minlength=bins)


def expected_calibration_error(confidence: Array, target: Array, bins: int = BINS) -> float:
    """sum over bins of share * |mean target - mean confidence|; an empty bin adds 0.

    `target` is 1/0 for right/wrong (ECE), or the teacher's belief in the student's answer (ECE_T).
    """
    return float(np.abs(bin_gaps(confidence, target, bins)).sum() / confidence.size)


def macro_ece(probs: Array, targets: Array, bins: int = BINS) -> float:
    """Mean over columns of the ECE of each column [N, C] as a forecast of its targets [N, C]."""
    return float(column_ece(probs, targets, bins).mean())


def column_ece(probs: Array, targets: Array, bins: int = BINS) -> Array:
    """ECE of each column [C]."""
    return np.abs(column_gaps(probs, targets, bins)).sum(axis=1) / len(probs)


def column_gaps(probs: Array, targets: Array, bins: int = BINS) -> Array:
    """`bin_gaps` of each column [C, bins]; those of parts of the items add up."""
    columns = probs.shape[1]
    cell = bin_of(probs, bins) + np.arange(columns) * bins
    gaps = np.bincount(cell.ravel(), weights=(targets - probs).ravel(), minlength=columns * bins)
    return gaps.reshape(columns, bins)
