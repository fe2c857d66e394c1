"""Per-unit statistics from which a primary metric is recomputed on any resample of units (images, queries, clips).

A block is an array whose first axis is the unit, under the key "<metric>|<reduction>"; the reduction says how a
metric comes out of the units. The cards use the same reductions, so `from_blocks(..., arange)` is the metric itself.
"""

from collections.abc import Callable, Mapping

import numpy as np

from kdbench.metrics import average_precision as ap
from kdbench.metrics.arrays import Array
from kdbench.metrics.calibration import column_ece, expected_calibration_error
from kdbench.metrics.divergence import log_of


def mean(values: Array) -> float:
    """Mean of the units that have a value; NaN where none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def ratio_of_sums(pairs: Array) -> float:
    """Sum of [:, 0] over sum of [:, 1]: a mean over the pixels, or tags, inside the units."""
    numerator, denominator = pairs[:, 0].sum(), pairs[:, 1].sum()
    return float(numerator / denominator) if denominator > 0 else float("nan")


def mean_iou(matrices: Array) -> float:
    """Mean IoU of the sum of confusion matrices [n, K, K] over the classes with a union."""
    return mean(class_iou(matrices.sum(axis=0)))


def class_iou(matrix: Array) -> Array:
    """IoU of each class [K] from one confusion matrix; NaN for a class that neither side has."""
    hits = np.diag(matrix).astype(np.float64)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def ece(pairs: Array) -> float:
    """ECE from (confidence, right) of each unit."""
    return expected_calibration_error(pairs[:, 0], pairs[:, 1])


def ece_of_bins(table: Array) -> float:
    """ECE from each unit's sums of (right - confidence) per bin and, in the last column, its number of pixels."""
    sums = table.sum(axis=0)
    return float(np.abs(sums[:-1]).sum() / sums[-1]) if sums[-1] > 0 else float("nan")


TAG_BINS = 10


def tag_ece(pairs: Array) -> float:
    """ECE per tag, mean over tags, from (probability, label) [n, C, 2]."""
    return float(column_ece(pairs[..., 0], pairs[..., 1], TAG_BINS).mean())


def mean_average_precision(pairs: Array) -> float:
    """mAP from (logit, label) [n, C, 2] over the tags with a positive."""
    return mean(ap.average_precision(pairs[..., 0], pairs[..., 1] > 0.5))


REDUCTIONS: dict[str, Callable[[Array], float]] = {
    "mean": mean,
    "log_mean": lambda values: log_of(mean(values)),
    "ratio": ratio_of_sums,
    "log_ratio": lambda pairs: log_of(ratio_of_sums(pairs)),
    "iou": mean_iou,
    "ece": ece,
    "ece_of_bins": ece_of_bins,
    "tag_ece": tag_ece,
    "average_precision": mean_average_precision,
}


def reduce(key: str, block: Array) -> float:
    """The metric of a whole block, by the reduction in its key."""
    return REDUCTIONS[key.partition("|")[2]](block)


def from_blocks(metric: str, blocks: Mapping[str, Array], index: Array) -> float:
    """`metric` on the units `index` (with repeats: a resample); on all units in order it is the metric itself."""
    for key, block in blocks.items():
        name, _, reduction = key.partition("|")
        if name == metric:
            if reduction == "iou":  # counts are exact in any order, and one product beats a gather of K x K tables
                counts = np.bincount(index, minlength=len(block)).astype(np.float64)
                return mean(class_iou(np.tensordot(counts, block, axes=1)))
            return REDUCTIONS[reduction](np.take(block, index, axis=0))
    known = sorted({key.partition("|")[0] for key in blocks})
    raise KeyError(f"no block for metric {metric!r} (there are: {', '.join(known)})")
