"""Squared error against labels and teacher at once: one generation of `gt_self`, in which the teacher is the student before.

K. Borup, L. N. Andersen: Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed by
Self-Distillation. NeurIPS 2021.

    L = alpha · mean_i mean_k (p_k − y_k)² + (1 − alpha) · mean_i mean_k (p_k − q_k)²

p are the student's probabilities, q the teacher's. But for a constant this is one squared error against alpha y + (1 − alpha) q.
For kernel ridge regression the paper solves the generations exactly: at alpha 0 each one regularises further and all collapse in
the end; with alpha above 0 they tend to one ridge regression of penalty λ / alpha. Alpha .35 is that of the release's example,
whose numbers a test repeats. The released networks add a penalty of 1e-4 on all weights, which is the recipe's business here.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.methods.brier import answers, error, probabilities


class BrierKDConfig(Config):
    alpha: float = Field(0.35, ge=0, le=1, description="share of the labels; the teacher has the rest")


def guided(labels: Tensor, teacher: Tensor, alpha: float) -> Tensor:
    """The target that both parts of the loss come to."""
    return alpha * labels + (1 - alpha) * teacher


class BrierKD(Method):
    """Squared error of probabilities against labels and against the teacher."""

    name = "brier_kd"
    Config = BrierKDConfig
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"labelled", "transfer"}), signal=frozenset({"probs"}))
    exempt = {"weight-zero": "its supervised term is a squared error; at alpha 1 it is `brier`"}

    def terms(self, step: Step) -> dict[str, Term]:
        def labels() -> Tensor:
            student = step.decide("labelled")
            return student.mean(error(student, answers(student)))

        def taught() -> Tensor:
            student = step.decide()
            return student.mean(error(student, probabilities(step.teacher().decisions)))

        return {"task": Term(labels, self.c.alpha), "teacher": Term(taught, 1 - self.c.alpha)}
