"""A primary metric on thousands of resamples at once, from how often each unit was drawn.

`from_blocks` recomputes a metric on one resample. All reductions but average precision are functions of sums over units, so that
here one matrix product serves all resamples, and so that units can be added up beforehand: into the images that views were made
of, or into a hundred groups that a record has room for.
"""

from __future__ import annotations

import numpy as np

from kdbench.metrics.arrays import Array
from kdbench.metrics.blocks import TAG_BINS
from kdbench.metrics.calibration import BINS, bin_of
from kdbench.metrics.divergence import KL_FLOOR

WITHOUT_SUMS = ("average_precision",)


def summands(reduction: str, block: Array) -> Array:
    """What each unit adds [N, F]: the metric is `finish` of the column sums. ValueError for a reduction without sums."""
    values = np.asarray(block, dtype=np.float64)
    if reduction in ("mean", "log_mean"):
        present = ~np.isnan(values)
        return np.stack([np.where(present, values, 0.0), present], axis=1)
    if reduction in ("ratio", "log_ratio", "ece_of_bins"):
        return values
    if reduction == "iou":
        hits = np.diagonal(values, axis1=1, axis2=2)
        return np.concatenate([hits, values.sum(axis=1) + values.sum(axis=2) - hits], axis=1)
    if reduction == "ece":
        return _gaps(values[:, None], BINS)
    if reduction == "tag_ece":
        return _gaps(values, TAG_BINS)
    raise ValueError(f"{reduction} is no function of sums over units")


def finish(reduction: str, totals: Array) -> Array:
    """The metric [B] from the column sums of `summands` [B, F]; NaN where it is undefined."""
    if reduction in ("mean", "ratio"):
        return _quotient(totals[:, 0], totals[:, 1])
    if reduction in ("log_mean", "log_ratio"):
        return np.log(np.maximum(_quotient(totals[:, 0], totals[:, 1]), KL_FLOOR))
    if reduction == "iou":
        hits, union = np.split(totals, 2, axis=1)
        return _quotient(np.divide(hits, union, out=np.zeros_like(hits), where=union > 0).sum(axis=1), (union > 0).sum(axis=1))
    if reduction in ("ece", "ece_of_bins", "tag_ece"):
        bins = TAG_BINS if reduction == "tag_ece" else totals.shape[1] - 1
        columns = (totals.shape[1] - 1) // bins
        return _quotient(np.abs(totals[:, :-1]).sum(axis=1), totals[:, -1] * columns)
    raise ValueError(f"{reduction} is no function of sums over units")


def average_precision(block: Array, counts: Array) -> Array:
    """mAP [B] of (score, label) [N, C, 2] with each clip weighted by its count [B, N]: AP of a tag that has no positive is left
    out, tied scores enter together."""
    total, tags = np.zeros(len(counts)), np.zeros(len(counts))
    for column in range(block.shape[1]):
        scores, positive = block[:, column, 0], block[:, column, 1] > 0.5
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)  # the last of each run of ties
        drawn = counts[:, order]
        above = np.cumsum(drawn, axis=1)[:, ends]
        hits = np.cumsum(drawn * positive[order], axis=1)[:, ends]
        precision = np.divide(hits, above, out=np.zeros_like(hits, dtype=np.float64), where=above > 0)
        positives = hits[:, -1]
        summed = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1)
        total += np.divide(summed, positives, out=np.zeros_like(summed), where=positives > 0)
        tags += positives > 0
    return _quotient(total, tags)


def _gaps(pairs: Array, bins: int) -> Array:
    """Sums of (target - confidence) in each bin of each column of [N, C, 2], then the unit itself [N, C * bins + 1]."""
    n, columns = pairs.shape[:2]
    table = np.zeros((n, columns * bins + 1))
    cell = bin_of(pairs[..., 0], bins) + np.arange(columns) * bins
    np.put_along_axis(table, cell, pairs[..., 1] - pairs[..., 0], axis=1)
    table[:, -1] = 1.0
    return table


def _quotient(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=np.asarray(denominator) > 0)
