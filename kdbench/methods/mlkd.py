"""Multi-level logit distillation: match answers one by one, samples with each other, and classes with each other.

Y. Jin, J. Wang, D. Lin: Multi-Level Logit Distillation. CVPR 2023.

    for each T of `temperatures`, with P_s, P_t [N,K] the softened answers:
        instance = T² · mean_i KL(p_t(i) ‖ p_s(i)),    batch = ‖P_s P_sᵀ − P_t P_tᵀ‖² / N,    class = ‖P_sᵀ P_s − P_tᵀ P_t‖² / K
    L = task · CE + weight · (instance + batch + class), summed over T

The levels are the paper's; two things around them are not taken over. It shows both nets a weak and a strong view of each
image: here they see the stream's one view, and the suite chooses it. And it weighs samples by the teacher's confidence, by a mask
that the release applies to a mean, so that it only scales it. Much of its published gain goes with 480 or 960 epochs and a
RandAugment view that its rivals did not have: compare at equal steps.

For one label an image, not one a pixel: both squared norms grow with N² and are divided by N or K, so that with the thousands
of pixels of streets relations were 99.9 % of the loss and destroyed the student at every weight from .009 to 9.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 84.5.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class MLKDConfig(Config):
    temperatures: list[float] = Field([2.0, 3.0, 4.0, 5.0, 6.0], min_length=1, description="each level is summed over these")
    weight: float = Field(0.9, ge=0, description="weight of the three levels together")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss")


def level_gaps(student: Decisions, teacher: Decisions, T: float) -> tuple[Tensor, Tensor]:
    """Squared differences of the N×N and of the K×K products of probabilities, divided by N and by K.

    With D = P_s − P_t, P_s P_sᵀ − P_t P_tᵀ = D P_sᵀ + P_t Dᵀ, whose squared norm needs K×K products only: pixels fit as well.
    """
    s, t = student.log_probs(T).exp(), teacher.log_probs(T).exp()
    count: Tensor | int = len(s)
    if student.valid is not None:
        s, t = (torch.where(student.valid[:, None], p, torch.zeros_like(p)) for p in (s, t))
        count = student.valid.sum().clamp(min=1)
    if student.weight is not None:
        # Both gaps are of the fourth degree in P: by its fourth root, a weight that is everywhere the same comes out as a factor.
        s, t = (p * student.weight.sqrt().sqrt()[:, None] for p in (s, t))
    gap = s - t
    gg, ss, tt = gap.t() @ gap, s.t() @ s, t.t() @ t
    rows = (gg * ss).sum() + (gg * tt).sum() + 2 * ((gap.t() @ t) * (s.t() @ gap)).sum()
    return rows / count, (ss - tt).pow(2).sum() / student.answers


class MLKD(Method):
    """Answers, sample relations and class relations at several temperatures; needs one class per decision."""

    name = "mlkd"
    Config = MLKDConfig
    needs = Needs(axes=frozenset({"class"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        def instances() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            return torch.stack([student.mean(divergence(student, teacher, T)) for T in self.c.temperatures]).sum()

        def relations() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            return torch.stack([gap for T in self.c.temperatures for gap in level_gaps(student, teacher, T)]).sum()

        return {
            "task": Term(step.supervised, self.c.task),
            "instance": Term(instances, self.c.weight),
            "relation": Term(relations, self.c.weight),
        }
