"""Scores of ranked positives: AP, AUC, d-prime, lwlrap and F1, for logits [N, C] and 0/1 labels [N, C].

Tied scores enter together (scikit-learn's rule), so the order of the clips never matters. A tag that lacks
positives (or, for AUC, negatives) is NaN, where scikit-learn answers 0.
"""

from statistics import NormalDist

import numpy as np

from kdbench.metrics.arrays import Array
from kdbench.metrics.ranking import average_ranks, tie_ends


def average_precision(scores: Array, positive: Array) -> Array:
    """AP of each tag [C]: sum of (recall step) x precision over thresholds, no interpolation."""
    return _mean_over(_pair_precision(scores.T, positive.T).sum(axis=1), positive)


def lwlrap(scores: Array, positive: Array) -> float:
    """Label-weighted label-ranking AP: mean over all (clip, true tag) pairs, so that clips without tags weigh 0."""
    total = positive.sum()
    return float(_pair_precision(scores, positive).sum() / total) if total else float("nan")


def auc(scores: Array, positive: Array) -> Array:
    """Area under the ROC curve of each tag [C]; ties count half; NaN without positives or without negatives."""
    ranks = average_ranks(scores.T).T
    positives = positive.sum(axis=0)
    pairs = positives * (len(scores) - positives)
    wins = np.where(positive, ranks, 0.0).sum(axis=0) - positives * (positives + 1) / 2.0
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def d_prime(area: float) -> float:
    """sqrt(2) Phi^-1(AUC); infinite at 0 and 1."""
    if area != area:
        return float("nan")
    if area in (0.0, 1.0):
        return float("inf") if area else float("-inf")
    return float(np.sqrt(2.0) * NormalDist().inv_cdf(area))


def capped_d_prime(areas: Array, positive: Array) -> tuple[Array, int]:
    """d' of each tag with AUC held half a pair away from 0 and 1, and the number of tags that were held back."""
    positives = positive.sum(axis=0)
    pairs = np.maximum(positives * (len(positive) - positives), 1)
    capped = np.clip(areas, 0.5 / pairs, 1.0 - 0.5 / pairs)
    return np.array([d_prime(float(area)) for area in capped]), int(np.sum(~np.isnan(areas) & (capped != areas)))


def f1(predicted: Array, positive: Array) -> Array:
    """F1 of each tag [C]; NaN for a tag that is neither predicted nor true."""
    hits = (predicted & positive).sum(axis=0)
    sizes = predicted.sum(axis=0) + positive.sum(axis=0)
    return np.divide(2.0 * hits, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def best_f1_thresholds(probabilities: Array, positive: Array) -> tuple[Array, int]:
    """The probability of each tag at which `p >= threshold` has the best F1, and the number of tags left at .5 for
    want of positives. Of equal thresholds the highest is taken."""
    order = np.argsort(-probabilities, axis=0, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=0)
    hits = np.take_along_axis(positive, order, axis=0).cumsum(axis=0)
    ends = tie_ends(ordered.T).T
    score = 2.0 * np.take_along_axis(hits, ends, axis=0) / (ends + 1.0 + positive.sum(axis=0))
    best = np.take_along_axis(ordered, score.argmax(axis=0)[None], axis=0)[0]
    without = positive.sum(axis=0) == 0
    return np.where(without, 0.5, best), int(without.sum())


def _mean_over(sums: Array, positive: Array) -> Array:
    """Sums [C] over the number of positives of each tag, NaN where a tag has none."""
    totals = positive.sum(axis=0)
    return np.divide(sums, totals, out=np.full(len(totals), np.nan), where=totals > 0)


def _pair_precision(scores: Array, positive: Array) -> Array:
    """Share of positives among the entries of the row at or above each positive entry (ties included); 0 elsewhere."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ends = tie_ends(np.take_along_axis(scores, order, axis=1))
    hits = np.take_along_axis(positive, order, axis=1).cumsum(axis=1)
    precision = np.empty(scores.shape)
    np.put_along_axis(precision, order, np.take_along_axis(hits, ends, axis=1) / (ends + 1.0), axis=1)
    return np.where(positive, precision, 0.0)
