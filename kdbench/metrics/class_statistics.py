"""What card C says of each item: every function takes a chunk and answers vectors [n], or a table that adds up."""

import numpy as np

from kdbench.metrics import calibration, divergence
from kdbench.metrics.arrays import Array
from kdbench.metrics.items import Chunk
from kdbench.metrics.ranking import spearman

Table = dict[str, Array]


def decisions(chunk: Chunk) -> Table:
    """Who answered what."""
    return {"student": chunk.student, "teacher": chunk.teacher, "labels": chunk.labels}


def against_labels(chunk: Chunk) -> Table:
    """The student's probabilities against the truth."""
    log_p, p, labels = chunk.log_s, chunk.p_s, chunk.labels
    classes = p.shape[1]
    found = {
        "confidence": p.max(axis=1),
        "nll": -chosen(log_p, labels),
        "brier": brier(p, labels),
        "ties": ties(log_p),
        "classwise_gaps": calibration.column_gaps(p, np.arange(classes) == labels[:, None]),
    }
    return found | ({"top5": in_top(log_p, labels, 5)} if classes > 5 else {})


def confidence(chunk: Chunk) -> Table:
    return {"confidence": chunk.p_s.max(axis=1)}


def kl(chunk: Chunk) -> Table:
    return {"kl": divergence.kl_with(chunk.p_t, chunk.log_t, chunk.log_s)}


def against_teacher(chunk: Chunk) -> Table:
    """The distributions compared, as a whole and around the teacher's decision."""
    log_s, log_t, p_s, p_t = chunk.log_s, chunk.log_t, chunk.p_s, chunk.p_t
    return {
        **kl(chunk),
        "reverse_kl": divergence.kl_with(p_s, log_s, log_t),
        "jsd": divergence.js_with(p_t, p_s, log_t, log_s),
        "tv": 0.5 * np.abs(p_t - p_s).sum(axis=1),
        "student_confidence": p_s.max(axis=1),
        "belief": chosen(p_t, chunk.student),
        "target_t": chosen(p_t, chunk.teacher),
        "target_s": chosen(p_s, chunk.teacher),
        "teacher_ties": ties(log_t),
        **around_target(log_t, log_s, chunk.teacher),
        **logit_products(log_t, log_s),
    }


def teacher_against_labels(chunk: Chunk) -> Table:
    return {"teacher_nll": -chosen(chunk.log_t, chunk.labels), "teacher_brier": brier(chunk.p_t, chunk.labels)}


def around_target(log_t: Array, log_s: Array, target: Array) -> Table:
    """KL = KL of (target, rest) + (mass of the rest) KL within the rest, target = the teacher's decision; and the rank
    correlation within the rest, NaN where fewer than three classes are left or a net holds them all alike."""
    rows, inside = len(target), np.arange(log_t.shape[1]) != target[:, None]
    rest_t, rest_s = (values[inside].reshape(rows, -1) for values in (log_t, log_s))
    mass_t, mass_s = divergence.log_sum_exp(rest_t), divergence.log_sum_exp(rest_s)
    with np.errstate(invalid="ignore"):  # a net without any mass on the rest has no distribution there
        within = divergence.kl(rest_t - mass_t[:, None], rest_s - mass_s[:, None])
    return {
        "binary_kl": divergence.bernoulli_kl(chosen(log_t, target), mass_t, chosen(log_s, target), mass_s),
        "within_kl": within,
        "rest_mass": np.exp(mass_t),
        "rank": spearman(rest_t, rest_s) if rest_t.shape[1] >= 3 else np.full(rows, np.nan),
    }


def logit_products(log_t: Array, log_s: Array) -> Table:
    """Of the centred logits of each item: mean squared difference, and the products that a correlation needs.

    Centred log p equals centred logits of a single net, and is the only reading that an ensemble has.
    """
    with np.errstate(invalid="ignore"):  # a probability of 0 has no logit: NaN
        t, s = (values - values.mean(axis=1, keepdims=True) for values in (log_t, log_s))
        return {
            "logit_mse": np.mean((t - s) ** 2, axis=1),
            **{name: np.einsum("nk,nk->n", *pair) for name, pair in {"tt": (t, t), "ts": (t, s), "ss": (s, s)}.items()},
        }


def chosen(values: Array, classes: Array) -> Array:
    """values [n, K, ...] at one class an item [n], or a pixel [n, ...]."""
    return np.take_along_axis(values, classes[:, None], axis=1)[:, 0]


def brier(p: Array, classes: Array) -> Array:
    """Squared distance of each item's distribution to its one-hot class."""
    return np.einsum("nk,nk->n", p, p) - 2.0 * chosen(p, classes) + 1.0


def ties(values: Array) -> Array:
    """Is the decision a tie, which the lowest class won."""
    return np.count_nonzero(values == values.max(axis=1, keepdims=True), axis=1) > 1


def in_top(values: Array, labels: Array, k: int) -> Array:
    """Is the label among the k highest; of equal values the lower class comes first."""
    own = chosen(values, labels)[:, None]
    earlier = np.arange(values.shape[1]) < labels[:, None]
    return np.count_nonzero((values > own) | ((values == own) & earlier), axis=1) < k
