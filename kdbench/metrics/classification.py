"""Single-label classification: truth metrics and fidelity card C, from logits [N, K] and labels [N].

Decisions are the argmax (the lowest class of a tie; ties are counted). All means are over items. Outputs without
labels (unlabelled or out-of-domain items) have a fidelity card that lacks what needs the truth, and nets of which
only the `decisions` are stored one that lacks what needs probabilities. Items are read in items.py, a few at a time.
"""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics import agreement as ag
from kdbench.metrics import calibration
from kdbench.metrics import class_statistics as cs
from kdbench.metrics.arrays import Array, Outputs, ranked, same_items
from kdbench.metrics.blocks import mean, reduce
from kdbench.metrics.exaggeration import exaggeration
from kdbench.metrics.items import Statistic, gather

SMALLEST_REST = 1e-12


def truth(outputs: Outputs) -> dict[str, float]:
    """How good the decisions and the probabilities are against the labels."""
    ranked(outputs, "labels", "student", 1)
    tally = gather(outputs, (), cs.decisions, *_where_known(outputs, cs.against_labels))
    right = tally["student"] == tally["labels"]
    accuracy = float(right.mean())
    if "confidence" not in tally:
        return {"accuracy": accuracy}
    confidence = tally["confidence"]
    return {
        "accuracy": accuracy,
        "top5_accuracy": float(tally["top5"].mean()) if "top5" in tally else ag.NAN,
        "nll": float(tally["nll"].mean()),
        "brier": float(tally["brier"].mean()),
        "ece": calibration.expected_calibration_error(confidence, right),
        "ece10": calibration.expected_calibration_error(confidence, right, bins=10),
        "classwise_ece": float(np.abs(tally["classwise_gaps"]).sum(axis=1).mean() / right.size),
        "overconfidence": float(confidence.mean()) - accuracy,
        "argmax_ties": float(tally["ties"].sum()),
    }


def fidelity(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, float]:
    """Card C: how far the student's decisions and distributions are the teacher's (an ensemble's mean)."""
    same_items(student, teachers, ("labels", "ids"))
    labelled = [cs.teacher_against_labels] if "labels" in student else []
    tally = gather(student, teachers, cs.decisions, *_where_known(student, cs.against_teacher, *labelled))
    decided_s, decided_t, labels = tally["student"], tally["teacher"], tally["labels"]
    same = decided_s == decided_t
    card = {"agreement": float(same.mean()), "kappa": ag.kappa_of(decided_t, decided_s), **_by_class("teacher", decided_t, same)}
    if "kl" in tally:
        card |= _distributions(tally)
    if "labels" in student:
        card |= ag.cell_metrics(ag.cells(decided_t, decided_s, labels)) | _by_class("true", labels, same)
        right = decided_t == labels
        card["teacher_accuracy"] = float(right.mean())
        if "teacher_nll" in tally:
            card["teacher_nll"] = float(tally["teacher_nll"].mean())
            card["teacher_brier"] = float(tally["teacher_brier"].mean())
            card["teacher_ece"] = calibration.expected_calibration_error(tally["target_t"], right)
    return card


def blocks(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, Array]:
    """Per-item statistics of the primary metrics (see blocks.py); those against a teacher only where there is one."""
    statistics = [cs.confidence, *([cs.kl] if teachers else [])]
    if teachers:
        same_items(student, teachers, ("labels", "ids"))
    tally = gather(student, teachers, cs.decisions, *_where_known(student, *statistics))
    table: dict[str, Array] = {}
    if "labels" in student:
        table["accuracy|mean"] = right = (tally["student"] == tally["labels"]).astype(np.float64)
        if "confidence" in tally:
            table["ece|ece"] = np.stack([tally["confidence"], right], axis=1)
    if teachers:
        table["agreement|mean"] = (tally["student"] == tally["teacher"]).astype(np.float64)
        if "kl" in tally:
            table["log_kl|log_mean"] = tally["kl"]
    return table


def _where_known(outputs: Outputs, *statistics: Statistic) -> Sequence[Statistic]:
    """Statistics of probabilities, of nets that tell them."""
    return () if "decisions" in outputs else statistics


def _by_class(whose: str, classes: Array, same: Array) -> dict[str, float]:
    return {f"class_agreement_{whose}_{what}": value for what, value in ag.spread(ag.agreement_by(classes, same)).items()}


def _distributions(tally: dict[str, Array]) -> dict[str, float]:
    """The part of card C that compares probabilities."""
    return {
        "kl": float(tally["kl"].mean()),
        "log_kl": reduce("log_kl|log_mean", tally["kl"]),
        **{name: float(tally[name].mean()) for name in ("reverse_kl", "jsd", "tv", "logit_mse")},
        "ece_t": calibration.expected_calibration_error(tally["student_confidence"], tally["belief"]),
        **exaggeration(tally["target_t"], tally["target_s"]),
        **_target_split(tally["binary_kl"], tally["within_kl"], tally["rest_mass"]),
        "dark_rank": mean(tally["rank"]),
        "dark_rank_skipped": float(np.isnan(tally["rank"]).sum()),
        "logit_pearson": _correlation(tally["tt"].sum(), tally["ts"].sum(), tally["ss"].sum()),
        "teacher_argmax_ties": float(tally["teacher_ties"].sum()),
    }


def _target_split(binary: Array, within: Array, mass: Array) -> dict[str, float]:
    """Means of both parts of the KL; that of the rest plain, and weighted as it stands in the sum."""
    counted = mass >= SMALLEST_REST
    return {
        "target_kl": float(binary.mean()),
        "non_target_kl": float(within[counted].mean()) if counted.any() else ag.NAN,
        "non_target_kl_weighted": float(np.where(mass > 0, mass * within, 0.0).mean()),
        "non_target_skipped": float(np.count_nonzero(~counted)),
    }


def _correlation(tt: float, ts: float, ss: float) -> float:
    norm = np.sqrt(tt * ss)
    return float(np.clip(ts / norm, -1.0, 1.0)) if norm > 0 else ag.NAN
