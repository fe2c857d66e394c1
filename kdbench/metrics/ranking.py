"""Order statistics of many rows at once: ranks with ties, rank correlations, tau_AP, overlap, rank-biased overlap.

All functions take rows [Q, C] and answer per row [Q]; a row without an answer (constant, too short) is NaN.
"""

import numpy as np

from kdbench.metrics.arrays import Array


def rank(scores: Array, ids: Array) -> Array:
    """The order of each row: positions by descending score and, where scores tie, by descending id.

    This is the one tie rule of the project (trec_eval's). A constant scorer is thus ordered by id, not by luck.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("scores: NaN or infinite values cannot be ranked")
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iuf":  # lexsort over rows wants numbers; unique sorts text as text
        ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    return np.lexsort((np.broadcast_to(ids, scores.shape), scores), axis=-1)[..., ::-1]


def positions(order: Array) -> Array:
    """The inverse of an order: at which place (0 = top) each entry stands."""
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[-1]), order.shape), axis=-1)
    return place


def tie_ends(ordered: Array) -> Array:
    """For rows sorted by value, the place of the last entry that ties with each entry."""
    columns = ordered.shape[-1]
    last = np.ones(ordered.shape, dtype=bool)
    last[..., :-1] = ordered[..., 1:] != ordered[..., :-1]
    ends = np.where(last, np.arange(columns), columns)
    return np.minimum.accumulate(ends[..., ::-1], axis=-1)[..., ::-1]


def average_ranks(values: Array) -> Array:
    """Ranks 1..C of each row in ascending order, the mean rank where values tie."""
    order = np.argsort(values, axis=-1)  # ties in any order, since they share a rank
    ordered = np.take_along_axis(values, order, axis=-1)
    ranks = positions(order) + 1.0
    tied = (ordered[..., 1:] == ordered[..., :-1]).any(axis=-1)
    if tied.any():
        ends, starts = tie_ends(ordered[tied]), values.shape[-1] - 1 - tie_ends(ordered[tied][..., ::-1])[..., ::-1]
        shared = np.empty(ends.shape)
        np.put_along_axis(shared, order[tied], (starts + ends) / 2.0 + 1.0, axis=-1)
        ranks[tied] = shared
    return ranks


def pearson(x: Array, y: Array) -> Array:
    """Pearson correlation of each row; NaN where a row is constant or shorter than 2."""
    if x.shape[-1] < 2:
        return np.full(x.shape[:-1], np.nan)
    constant = (x == x[..., :1]).all(axis=-1) | (y == y[..., :1]).all(axis=-1)
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    norm = np.sqrt(np.einsum("...c,...c->...", x, x) * np.einsum("...c,...c->...", y, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.einsum("...c,...c->...", x, y) / norm
    return np.where(constant | (norm == 0), np.nan, np.clip(value, -1.0, 1.0))


def spearman(x: Array, y: Array) -> Array:
    """Spearman correlation of each row (average ranks for ties)."""
    return pearson(average_ranks(x), average_ranks(y))


def kendall_tau_b(x: Array, y: Array) -> Array:
    """Kendall's tau-b of each row."""
    return _weighted_tau(x, y, np.ones(x.shape))


def weighted_tau(x: Array, y: Array) -> Array:
    """Kendall's tau with weight 1/rank_i + 1/rank_j on a pair; mean over ranks by x and ranks by y (scipy's rank=True)."""
    by_x, by_y = (_hyperbolic(first, second) for first, second in ((x, y), (y, x)))
    return 0.5 * (_weighted_tau(x, y, by_x) + _weighted_tau(x, y, by_y))


def _hyperbolic(first: Array, second: Array) -> Array:
    """1/rank by descending `first`, ties by descending `second`."""
    order = np.lexsort((second, first), axis=-1)[..., ::-1]
    return 1.0 / (positions(order) + 1.0)


def _weighted_tau(x: Array, y: Array, weight: Array) -> Array:
    concordance, x_pairs, y_pairs = (np.zeros(x.shape[0]) for _ in range(3))
    for i in range(x.shape[1] - 1):
        sign_x = np.sign(x[:, i + 1 :] - x[:, i : i + 1])
        sign_y = np.sign(y[:, i + 1 :] - y[:, i : i + 1])
        pair = weight[:, i + 1 :] + weight[:, i : i + 1]
        concordance += (sign_x * sign_y * pair).sum(axis=1)
        x_pairs += (np.abs(sign_x) * pair).sum(axis=1)
        y_pairs += (np.abs(sign_y) * pair).sum(axis=1)
    norm = np.sqrt(x_pairs) * np.sqrt(y_pairs)
    return np.divide(concordance, norm, out=np.full(len(norm), np.nan), where=norm > 0)


def tau_ap(reference: Array, other: Array) -> Array:
    """tau_AP of orders `other` against `reference` (both [Q, C], top first): errors near the top of `other` cost most.

    2/(n-1) sum_{i>=2} C(i)/(i-1) - 1, C(i) = docs above place i in `other` that the reference also puts above it.
    """
    columns = other.shape[1]
    if columns < 2:
        return np.full(other.shape[0], np.nan)
    places = np.take_along_axis(positions(reference), other, axis=1)
    total = np.zeros(other.shape[0])
    for i in range(1, columns):
        total += (places[:, :i] < places[:, i : i + 1]).sum(axis=1) / i
    return 2.0 / (columns - 1) * total - 1.0


def shared_depths(first: Array, second: Array) -> Array:
    """For two orders of the same entries, how many of the top d are common, d = 1..C: [Q, C]."""
    depth = np.maximum(positions(first), positions(second))
    queries, columns = depth.shape
    flat = (depth + np.arange(queries)[:, None] * columns).ravel()
    return np.bincount(flat, minlength=queries * columns).reshape(queries, columns).cumsum(axis=1)


def overlap_at(shared: Array, k: int) -> Array:
    """|top k and top k| / k out of `shared_depths`; k is at most the length of the lists."""
    k = min(k, shared.shape[1])
    return shared[:, k - 1] / k


def rank_biased_overlap(shared: Array, p: float = 0.9, extrapolate: bool = True) -> Array:
    """RBO out of `shared_depths`: (1-p) sum p^(d-1) A_d, and A_n p^n for what lies below the lists.

    Without the extrapolation two equal lists of length n reach only 1 - p^n.
    """
    depth = np.arange(1, shared.shape[1] + 1)
    agreement = shared / depth
    value = (1.0 - p) * (agreement * p ** (depth - 1)).sum(axis=1)
    return value + agreement[:, -1] * p ** depth[-1] if extrapolate else value
