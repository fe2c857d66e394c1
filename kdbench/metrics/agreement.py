"""How often two nets decide alike, beyond what their accuracies imply: bounds, cells, kappa, error consistency."""

from typing import NamedTuple

import numpy as np

from kdbench.metrics.arrays import Array

NAN = float("nan")


def ratio(numerator: float, denominator: float) -> float:
    """numerator / denominator, NaN where there is nothing to divide by."""
    return float(numerator / denominator) if denominator > 0 else NAN


def agreement_bounds(teacher_accuracy: float, student_accuracy: float) -> tuple[float, float]:
    """The interval in which agreement must lie, given both accuracies: [max(0, a_t + a_s - 1), 1 - |a_t - a_s|]."""
    return max(0.0, teacher_accuracy + student_accuracy - 1.0), 1.0 - abs(teacher_accuracy - student_accuracy)


class Cells(NamedTuple):
    """Shares of the items by who is right. They sum to 1; agreement = both_right + both_wrong_same."""

    both_right: float
    lost: float
    gained: float
    both_wrong_same: float
    both_wrong_different: float


def cells(teacher: Array, student: Array, truth: Array) -> Cells:
    """The five cells of decisions [N] against the truth [N]."""
    return Cells(*(float(count) / truth.size for count in cell_counts(teacher, student, truth)))


def cell_counts(teacher: Array, student: Array, truth: Array) -> tuple[int, ...]:
    """The cells as counts: both right, lost, gained, both wrong alike, both wrong otherwise."""
    teacher_right, student_right = teacher == truth, student == truth
    both_wrong = ~(teacher_right | student_right)
    alike = int(np.count_nonzero(both_wrong & (teacher == student)))
    return (
        int(np.count_nonzero(teacher_right & student_right)),
        int(np.count_nonzero(teacher_right & ~student_right)),
        int(np.count_nonzero(student_right & ~teacher_right)),
        alike,
        int(np.count_nonzero(both_wrong)) - alike,
    )


def cell_metrics(shares: Cells) -> dict[str, float]:
    """The cells with all that follows from them."""
    right, lost, gained, same, different = shares
    teacher_accuracy, student_accuracy = right + lost, right + gained
    lower, upper = agreement_bounds(teacher_accuracy, student_accuracy)
    return {
        **shares._asdict(),
        "agreement_lower": lower,
        "agreement_upper": upper,
        "retention": ratio(right, teacher_accuracy),
        "inherited_error": ratio(same, gained + same + different),
        "correction": ratio(gained, gained + same + different),
        "error_consistency": error_consistency(shares),
    }


def error_consistency(shares: Cells) -> float:
    """Cohen's kappa of right/wrong; NaN where both nets are always right or always wrong."""
    teacher_accuracy, student_accuracy = shares.both_right + shares.lost, shares.both_right + shares.gained
    expected = teacher_accuracy * student_accuracy + (1 - teacher_accuracy) * (1 - student_accuracy)
    observed = 1.0 - shares.lost - shares.gained
    return ratio(observed - expected, 1.0 - expected)


def confusion(rows: Array, columns: Array, classes: int) -> Array:
    """Counts [classes, classes] of (row decision, column decision)."""
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def kappa(matrix: Array) -> float:
    """Cohen's kappa of a confusion matrix; NaN where chance alone explains all (both constant and alike)."""
    return _kappa(float(np.trace(matrix)), matrix.sum(axis=1), matrix.sum(axis=0))


def kappa_of(first: Array, second: Array) -> float:
    """`kappa` of two lists of decisions [N], without a table of classes x classes."""
    classes = int(max(first.max(), second.max())) + 1
    return _kappa(float(np.count_nonzero(first == second)), *(np.bincount(side, minlength=classes) for side in (first, second)))


def _kappa(alike: float, rows: Array, columns: Array) -> float:
    total = float(rows.sum())
    if total == 0:
        return NAN
    expected = float(rows @ columns) / total**2
    return ratio(alike / total - expected, 1.0 - expected)


def class_agreement(matrix: Array) -> Array:
    """Share of each row's items whose column decision is the same [classes]; NaN for rows without items."""
    totals = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), totals, out=np.full(len(totals), np.nan), where=totals > 0)


def agreement_by(classes: Array, same: Array) -> Array:
    """Share of `same` among the items of each class that occurs."""
    count = np.bincount(classes)
    return np.bincount(classes, weights=same)[count > 0] / count[count > 0]


def spread(values: Array) -> dict[str, float]:
    """Smallest, tenth percentile and mean of the values that are not NaN."""
    present = values[~np.isnan(values)]
    if present.size == 0:
        return {"min": NAN, "p10": NAN, "mean": NAN}
    return {"min": float(present.min()), "p10": float(np.percentile(present, 10)), "mean": float(present.mean())}
