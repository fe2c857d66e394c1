"""BD-KD: teacher and student learn together, and each sample's divergence leans by which of the two is the surer one.

I. Amara, N. M. Sepahvand, B. H. Meyer, W. J. Gross, J. J. Clark: BD-KD: Balancing the Divergences for Online Knowledge
Distillation. 2022, arXiv 2212.12965.

    student: L = task · CE + weight · T² · mean_i (δ_i KL(p_t ‖ p_s) + ν_i KL(p_s ‖ p_t))
             (δ, ν) = (balance, 1) where the student is the surer one (H_s < H_t), else (1, balance)
    teacher: L = CE + regularise · T² · KL(p_s ‖ p_t)

The exact weights were not to be had (no code, recalled from the page): balance 2 is a reconstruction. Entropies are those of the
softened answers, without gradient. The teacher learns from the labelled stream and from the student's answers; give the source
`live` with learns: true, and start: fresh for two nets that begin together as in the paper. Each reaches its own weights alone.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class BDKDConfig(Config):
    T: float = Field(2.0, gt=0, description="temperature")
    balance: float = Field(2.0, ge=0, description="weight of the direction that is leant to, 1 for the other one")
    weight: float = Field(1.0, ge=0, description="weight of both divergences to the teacher")
    task: float = Field(1.0, ge=0, description="weight of the student's supervised loss")
    regularise: float = Field(1.0, ge=0, description="weight of the teacher's divergence to the student")


def entropy(decisions: Decisions, T: float) -> Tensor:
    """[N] entropy of the softened answers, nats; for tags the mean over tags."""
    log_probs = decisions.log_probs(T)
    rows = -(log_probs.exp() * log_probs).sum(-1)
    return rows.mean(-1) if rows.dim() > 1 else rows


def balanced(student: Decisions, teacher: Decisions, T: float, balance: float) -> Tensor:
    """Both divergences per row [N], weighted by who is surer, times T²."""
    with torch.no_grad():
        surer = entropy(student, T) < entropy(teacher, T)
    forward, reverse = (divergence(student, teacher, T, kind) for kind in ("fkl", "rkl"))
    one = torch.ones_like(forward)
    return torch.where(surer, balance * one, one) * forward + torch.where(surer, one, balance * one) * reverse


class BDKD(Method):
    """Balanced divergences, with a teacher that learns too."""

    name = "bd_kd"
    Config = BDKDConfig
    needs = Needs(streams=frozenset({"labelled", "transfer"}), signal=frozenset({"probs"}), teachers="one", learns=True)

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def lean() -> Tensor:
            student = step.decide()
            return student.mean(balanced(student, step.teacher().decisions, c.T, c.balance))

        def teach() -> Tensor:
            return step.task.loss(step.teacher("labelled").decisions)

        def follow() -> Tensor:
            teacher = step.teacher().decisions
            return teacher.mean(divergence(teacher, step.decide(), c.T))

        return {
            "task": Term(step.supervised, c.task),
            "balanced": Term(lean, c.weight),
            "task_teacher": Term(teach, owner="teacher"),
            # A student that does not listen is not shown the stream for the teacher's sake: its batch statistics would move.
            "follow": Term(follow, c.regularise if c.weight else 0.0, owner="teacher"),
        }
