"""Probability distributions from logits, in log space: softmax, ensembles by mean probability, KL, JS.

Everything is per item ([N] out of [N, K]) and in nats; no probability is ever clipped.
"""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics.arrays import Array


def log_sum_exp(values: Array, axis: int = -1) -> Array:
    """log sum exp along `axis`, stable; -inf entries count as zero mass."""
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)


def log_softmax(logits: Array, axis: int = -1) -> Array:
    shifted = logits - logits.max(axis=axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


def log_sigmoid(logits: Array) -> Array:
    """log sigmoid(z); log(1 - sigmoid(z)) is log_sigmoid(-z)."""
    return np.minimum(logits, 0.0) - np.log1p(np.exp(-np.abs(logits)))


def log_mean(log_p: Sequence[Array]) -> Array:
    """log of the mean of probabilities given as logarithms: one per ensemble member."""
    if len(log_p) == 1:
        return log_p[0]
    total = log_p[0]
    for member in log_p[1:]:
        total = np.logaddexp(total, member)
    return total - np.log(len(log_p))


def ensemble_log_probs(logits: Sequence[Array], axis: int = -1) -> Array:
    """log of the mean of the members' probabilities: logsumexp_m log_softmax(z_m) - log M."""
    return log_mean([log_softmax(member, axis=axis) for member in logits])


def kl(log_p: Array, log_q: Array, axis: int = -1) -> Array:
    """KL(p || q) per item; a class with p = 0 adds 0."""
    return kl_with(np.exp(log_p), log_p, log_q, axis)


def kl_with(p: Array, log_p: Array, log_q: Array, axis: int = -1) -> Array:
    """`kl` where exp(log_p) is at hand already."""
    with np.errstate(invalid="ignore"):
        terms = p * (log_p - log_q)
    if not np.isfinite(log_p.min()):  # 0 * -inf is NaN, but 0 log 0 is 0
        terms = np.where(p > 0, terms, 0.0)
    return terms.sum(axis=axis)


def js_with(p: Array, q: Array, log_p: Array, log_q: Array) -> Array:
    """Jensen-Shannon divergence per item (at most ln 2), not its square root."""
    middle = 0.5 * (p + q)
    log_middle = np.log(np.where(middle > 0, middle, 1.0))  # where both are 0 any number does: it counts 0 times
    return 0.5 * (kl_with(p, log_p, log_middle) + kl_with(q, log_q, log_middle))


def bernoulli_kl(log_p: Array, log_not_p: Array, log_q: Array, log_not_q: Array) -> Array:
    """KL of two-valued distributions, elementwise, from log p and log(1-p) of each side."""
    pairs = (np.stack([log_p, log_not_p], -1), np.stack([log_q, log_not_q], -1))
    return kl(*pairs)


KL_FLOOR = 1e-12


def log_of(divergence: float) -> float:
    """log of a mean KL, the scale on which KL is compared. Below 1e-12 a KL is rounding of float32 logits, so the
    logarithm stops there: a perfect copy reads -27.6, a number, rather than -inf."""
    return float(np.log(max(divergence, KL_FLOOR))) if divergence == divergence else float("nan")
