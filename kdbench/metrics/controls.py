"""Fidelity read against a control: what a student has beyond an independent one.

Raw agreement mostly follows accuracy, so it means little alone. The independent student had the same recipe and
another teacher; what the student has beyond it is what was transferred from this teacher.
"""

import math

from kdbench.metrics.agreement import agreement_bounds

SMALLEST_ROOM = 0.01


def fidelity_gain(agreement: float, independent: float, teacher_accuracy: float, student_accuracy: float) -> float:
    """(A - A_ind) / (largest feasible A - A_ind): 0 = no transfer, 1 = all that the accuracies allow.

    NaN where less than one point of room is left: the quotient would be noise.
    """
    room = agreement_bounds(teacher_accuracy, student_accuracy)[1] - independent
    return (agreement - independent) / room if room >= SMALLEST_ROOM else math.nan


def kl_gain(kl: float, independent: float) -> float:
    """How much nearer (in nats) the student is to its teacher than the independent student is; up is good."""
    return independent - kl
