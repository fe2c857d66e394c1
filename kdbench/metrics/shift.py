"""Do student and teacher leave familiar ground alike: confidence on in- and out-of-distribution items [N, K] logits."""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics import ranking
from kdbench.metrics.arrays import Array, Outputs
from kdbench.metrics.classification import read_pair
from kdbench.metrics.divergence import kl


def out_of_distribution(
    student: Outputs, teachers: Sequence[Outputs], outside_student: Outputs, outside_teachers: Sequence[Outputs]
) -> dict[str, float]:
    """Fidelity on items that have no truth, and how well the confidence of each net tells them from familiar ones."""
    inside = [np.exp(log_p.max(axis=1)) for log_p in read_pair(student, teachers)]
    log_s, log_t = read_pair(outside_student, outside_teachers)
    outside = [np.exp(log_p.max(axis=1)) for log_p in (log_s, log_t)]
    return {
        "outside_agreement": float((log_s.argmax(axis=1) == log_t.argmax(axis=1)).mean()),
        "outside_kl": float(kl(log_t, log_s).mean()),
        "detection_auroc": detection_auroc(inside[0], outside[0]),
        "teacher_detection_auroc": detection_auroc(inside[1], outside[1]),
        "outside_confidence_spearman": float(ranking.spearman(outside[1], outside[0])),
    }


def detection_auroc(inside: Array, outside: Array) -> float:
    """Chance that a familiar item is held with more confidence than an unfamiliar one; ties count half."""
    ranks = ranking.average_ranks(np.concatenate([inside, outside]))
    wins = ranks[: len(inside)].sum() - len(inside) * (len(inside) + 1) / 2.0
    return float(wins / (len(inside) * len(outside)))
