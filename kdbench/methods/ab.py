"""Activation boundaries: first learn which of the teacher's neurons are on, then learn from answers.

B. Heo, M. Lee, S. Yun, J. Y. Choi: Knowledge Transfer via Distillation of Activation Boundaries Formed by Hidden Neurons.
AAAI 2019.

    phase features:  L = weight · Σ_i 2^(i−L+1) · (1/B) Σ [ relu(margin − c(s))² where t > 0, relu(margin + c(s))² elsewhere ]
    phase answers:   L = task · CE   [+ kd · KD]

c is a pointwise layer with batch norm (none on vectors and lists). The last of the L taps has weight 1, each before it half of
the next one's. Only the sign of t matters; a ReLU keeps it, so taps after a ReLU serve as well as the paper's taps before it. c
stands behind the student's own ReLU here and always exists, since what left a ReLU can never be off by the margin.

The sum runs over channels and positions, so the scale grows with the map: 0.003 is the release's for the maps of 32×32 images;
calibrate it elsewhere (it matters only against weight decay and for the optimiser, since the phase has no other term). In the
paper the second phase is distillation (`kd`, there at T 3 without T² and without labels); the CRD comparison, whose default this
is, has cross-entropy alone, and its "b = 1" does nothing there. Average-pooled vectors are nearly always on: nothing to learn.
Maps of unequal size meet at the smaller; the release uses strided convolutions for that, and leaves its teacher in training mode.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
−1.1 ± 1.0, with a ninth of the steps spent on the first phase.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.method import Step
from kdbench.contract.taps import Shape, meet, pointwise, width
from kdbench.methods.features import FeaturesFirst, PhasedConfig


class ABConfig(PhasedConfig):
    student_taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(
        ["stage1", "stage2", "stage3"], min_length=1, description="the teacher's taps, compared with them one by one"
    )
    weight: float = Field(0.003, ge=0, description="weight of the boundaries' loss in the first phase")
    margin: float = Field(1.0, gt=0, description="how far beyond the boundary the student must be")


def boundary_loss(student: Tensor, teacher: Tensor, margin: float) -> Tensor:
    """Squared distance to the right side of the boundary, element by element. Exactly 0 counts as off."""
    missing = torch.where(teacher > 0, margin - student, margin + student)
    return missing.clamp(min=0).pow(2)


class AB(FeaturesFirst):
    """A phase of activation boundaries, then distillation."""

    name = "ab"
    Config = ABConfig

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        layer = pointwise(teacher, width(student), width(teacher))
        return nn.Sequential(layer, nn.BatchNorm2d(width(teacher))) if len(teacher) == 3 else layer

    def gap(self, step: Step) -> Tensor:
        gaps = self.gaps(step)
        return sum(gap * 2.0 ** (number - len(gaps) + 1) for number, gap in enumerate(gaps))  # type: ignore[return-value]

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        s, t = meet(student, teacher)
        return boundary_loss(layers(s), t, self.c.margin).sum() / len(s)
