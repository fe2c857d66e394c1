"""Weighted soft labels: trust the teacher less where the student already does better than it.

H. Zhou, L. Song, J. Chen, Y. Zhou, G. Wang, J. Yuan, Q. Zhang: Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance
Tradeoff Perspective. ICLR 2021.

    w_i = 1 − exp(−CE_i(s) / CE_i(t))    at T 1, without gradient
    L = task · CE + weight · T² · mean_i w_i · H(p_t(i; T), p_s(i; T))

H is a cross-entropy, which has the gradient of the KL and another value. w lies between 0 and 1: 0 for a student without error, 1
where the teacher has none. On a stream without labels, y is the teacher's best answer. The release's ImageNet setting is T 2 and
weight 2.5; T 4 and 2.25 on CIFAR are from memory. Its one-hot labels have 1,000 classes whatever the task.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 87.0.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class WSLDConfig(Config):
    T: float = Field(4.0, gt=0, description="temperature")
    weight: float = Field(2.25, ge=0, description="weight of the softened cross-entropy")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")


def trust(student: Decisions, teacher: Decisions, label: Tensor) -> Tensor:
    """w per row [N], in [0, 1], without gradient."""
    with torch.no_grad():
        mine = -student.log_probs().gather(1, label[:, None])[:, 0]
        theirs = -teacher.log_probs().gather(1, label[:, None])[:, 0]
        return -torch.expm1(-mine / (theirs + 1e-7))


def soft_cross_entropy(student: Decisions, teacher: Decisions, T: float) -> Tensor:
    """T² · H(p_t, p_s) per row [N]."""
    return -T * T * (teacher.log_probs(T).exp() * student.log_probs(T)).sum(1)


class WSLD(Method):
    """Softened answers, weighted by how much better the teacher knows the sample; needs one class per decision."""

    name = "wsld"
    Config = WSLDConfig
    needs = Needs(axes=frozenset({"class"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        def match() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            label = student.labels if student.labels is not None else teacher.predictions()
            return student.mean(trust(student, teacher, label) * soft_cross_entropy(student, teacher, self.c.T))

        return {"task": Term(step.supervised, self.c.task), "wsld": Term(match, self.c.weight)}
