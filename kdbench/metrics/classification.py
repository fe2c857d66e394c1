"""Single-label classification: truth metrics and fidelity card C, from logits [N, K] and labels [N].

Decisions are the argmax (the lowest class of a tie; ties are counted). All means are over items. Outputs without
labels (unlabelled or out-of-domain items) have a fidelity card that lacks what needs the truth.
"""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics import agreement as ag
from kdbench.metrics import calibration, divergence
from kdbench.metrics.arrays import Array, Outputs, class_labels, finite, same_items, same_shape, teacher_name
from kdbench.metrics.blocks import reduce
from kdbench.metrics.exaggeration import exaggeration
from kdbench.metrics.ranking import pearson, spearman

SMALLEST_REST = 1e-12


def truth(outputs: Outputs) -> dict[str, float]:
    """How good the decisions and the probabilities are against the labels."""
    logits = finite(outputs, "logits", "student", 2)
    labels = class_labels(outputs, *logits.shape)
    log_p = divergence.log_softmax(logits)
    p = np.exp(log_p)
    decided = log_p.argmax(axis=1)
    confidence, right = p.max(axis=1), decided == labels
    accuracy = float(right.mean())
    return {
        "accuracy": accuracy,
        "top5_accuracy": top_k_accuracy(logits, labels, 5) if logits.shape[1] > 5 else ag.NAN,
        "nll": calibration.nll(log_p, labels),
        "brier": calibration.brier(p, labels),
        "ece": calibration.expected_calibration_error(confidence, right),
        "ece10": calibration.expected_calibration_error(confidence, right, bins=10),
        "classwise_ece": calibration.classwise_ece(p, labels),
        "overconfidence": float(confidence.mean()) - accuracy,
        "argmax_ties": float(argmax_ties(logits)),
    }


def fidelity(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, float]:
    """Card C: how far the student's decisions and distributions are the teacher's (an ensemble's mean)."""
    log_s, log_t = read_pair(student, teachers)
    decided_s, decided_t = log_s.argmax(axis=1), log_t.argmax(axis=1)
    p_s, p_t = np.exp(log_s), np.exp(log_t)
    matrix = ag.confusion(decided_t, decided_s, log_s.shape[1])
    kl_items = divergence.kl_with(p_t, log_t, log_s)
    kl = float(kl_items.mean())
    believed = np.take_along_axis(p_t, decided_s[:, None], axis=1)[:, 0]
    card = {
        "agreement": float((decided_s == decided_t).mean()),
        "kl": kl,
        "log_kl": divergence.log_of(reduce("kl|mean", kl_items)),
        "reverse_kl": float(divergence.kl_with(p_s, log_s, log_t).mean()),
        "jsd": float(divergence.js(log_t, log_s).mean()),
        "tv": float(0.5 * np.abs(p_t - p_s).sum(axis=1).mean()),
        "kappa": ag.kappa(matrix),
        "ece_t": calibration.expected_calibration_error(p_s.max(axis=1), believed),
        **exaggeration(log_t, log_s, decided_t),
        **target_split(log_t, log_s, decided_t),
        **dark_rank(log_t, log_s, decided_t),
        **logit_distance(log_t, log_s),
        "teacher_argmax_ties": float(argmax_ties(log_t)),
        **{f"class_agreement_teacher_{what}": value for what, value in ag.spread(ag.class_agreement(matrix)).items()},
    }
    if "labels" in student:
        labels = class_labels(student, *log_s.shape)
        card |= ag.cell_metrics(ag.cells(decided_t, decided_s, labels))
        by_truth = ag.spread(_by_true_class(decided_t == decided_s, labels))
        card |= {f"class_agreement_true_{what}": value for what, value in by_truth.items()}
        card["teacher_accuracy"] = float((decided_t == labels).mean())
        card["teacher_nll"] = calibration.nll(log_t, labels)
        card["teacher_brier"] = calibration.brier(p_t, labels)
        card["teacher_ece"] = calibration.expected_calibration_error(p_t.max(axis=1), decided_t == labels)
    return card


def blocks(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, Array]:
    """Per-item statistics of the primary metrics (see blocks.py); those against a teacher only where there is one."""
    logits = finite(student, "logits", "student", 2)
    log_s = divergence.log_softmax(logits)
    decided = log_s.argmax(axis=1)
    table: dict[str, Array] = {}
    if "labels" in student:
        right = (decided == class_labels(student, *logits.shape)).astype(np.float64)
        table |= {"accuracy|mean": right, "ece|ece": np.stack([np.exp(log_s.max(axis=1)), right], axis=1)}
    if teachers:
        log_s, log_t = read_pair(student, teachers)
        table["agreement|mean"] = (decided == log_t.argmax(axis=1)).astype(np.float64)
        table["log_kl|log_mean"] = divergence.kl(log_t, log_s)
    return table


def read_pair(student: Outputs, teachers: Sequence[Outputs]) -> tuple[Array, Array]:
    """log p of the student and of the teachers' mean probability, both [N, K]."""
    same_items(student, teachers, ("labels", "ids"))
    logits = finite(student, "logits", "student", 2)
    members = [finite(teacher, "logits", teacher_name(i, len(teachers)), 2) for i, teacher in enumerate(teachers)]
    same_shape([logits, *members], "logits")
    return divergence.log_softmax(logits), divergence.ensemble_log_probs(members)


def top_k_accuracy(logits: Array, labels: Array, k: int) -> float:
    """Share of items whose label is among the k highest logits; of equal logits the lower class comes first."""
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    earlier = np.arange(logits.shape[1])[None, :] < labels[:, None]
    above = (logits > own) | ((logits == own) & earlier)
    return float((above.sum(axis=1) < k).mean())


def argmax_ties(values: Array) -> int:
    """Items whose decision is a tie that the lowest class won."""
    return int(np.count_nonzero((values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1))


def target_split(log_t: Array, log_s: Array, target: Array) -> dict[str, float]:
    """KL = KL of (target, rest) + (1 - p_t[target]) KL within the rest, target = the teacher's decision.

    The last two are the mean within-rest KL plain, and weighted as it stands in that sum.
    """
    rows, inside = _non_target(log_t, target)
    rest_t, rest_s = (values[inside].reshape(rows, -1) for values in (log_t, log_s))
    mass_t, mass_s = divergence.log_sum_exp(rest_t), divergence.log_sum_exp(rest_s)
    own_t, own_s = (np.take_along_axis(values, target[:, None], axis=1)[:, 0] for values in (log_t, log_s))
    binary = divergence.bernoulli_kl(own_t, mass_t, own_s, mass_s)
    within = divergence.kl(rest_t - mass_t[:, None], rest_s - mass_s[:, None])
    weight = np.exp(mass_t)
    counted = weight >= SMALLEST_REST
    return {
        "target_kl": float(binary.mean()),
        "non_target_kl": float(within[counted].mean()) if counted.any() else ag.NAN,
        "non_target_kl_weighted": float((weight * within).mean()),
        "non_target_skipped": float(np.count_nonzero(~counted)),
    }


def dark_rank(log_t: Array, log_s: Array, target: Array) -> dict[str, float]:
    """Mean Spearman over the classes that the teacher did not choose: the order of its dark knowledge."""
    rows, classes = log_t.shape
    if classes < 4:
        return {"dark_rank": ag.NAN, "dark_rank_skipped": float(rows)}
    inside = _non_target(log_t, target)[1]
    values = spearman(log_t[inside].reshape(rows, -1), log_s[inside].reshape(rows, -1))
    present = values[~np.isnan(values)]
    return {
        "dark_rank": float(present.mean()) if present.size else ag.NAN,
        "dark_rank_skipped": float(rows - present.size),
    }


def logit_distance(log_t: Array, log_s: Array) -> dict[str, float]:
    """Mean squared difference of centred logits, and the scale-free correlation beside it.

    Centred log p equals centred logits of a single net, and is the only reading that an ensemble has.
    """
    centred_t, centred_s = (values - values.mean(axis=1, keepdims=True) for values in (log_t, log_s))
    return {
        "logit_mse": float(np.mean((centred_t - centred_s) ** 2)),
        "logit_pearson": float(pearson(centred_t.ravel(), centred_s.ravel())),
    }


def agreement_by_confidence(student: Outputs, teachers: Sequence[Outputs], groups: int = 10) -> dict[str, Array]:
    """Agreement and teacher confidence in equal groups of items, the least certain teacher first (a plot's data)."""
    log_s, log_t = read_pair(student, teachers)
    same = log_s.argmax(axis=1) == log_t.argmax(axis=1)
    confidence = np.exp(log_t.max(axis=1))
    parts = [part for part in np.array_split(np.argsort(confidence, kind="stable"), groups) if part.size]
    return {
        "confidence": np.array([confidence[part].mean() for part in parts]),
        "agreement": np.array([same[part].mean() for part in parts]),
        "count": np.array([part.size for part in parts]),
    }


def _non_target(values: Array, target: Array) -> tuple[int, Array]:
    """The number of rows and the mask [N, K] of all classes but the target."""
    inside = np.ones(values.shape, dtype=bool)
    np.put_along_axis(inside, target[:, None], False, axis=1)
    return len(values), inside


def _by_true_class(same: Array, labels: Array) -> Array:
    """Agreement within each true class that occurs."""
    count = np.bincount(labels)
    return np.bincount(labels, weights=same)[count > 0] / count[count > 0]
