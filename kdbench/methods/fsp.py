"""Flow of the solution procedure: first learn how features turn into the next stage's, then learn the task.

J. Yim, D. Joo, J. Bae, J. Kim: A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and Transfer Learning.
CVPR 2017.

    G(a, b) = (1 / HW) Σ_positions a bᵀ     of two consecutive taps, [channels of a, channels of b] a sample
    phase features:  L = weight · Σ_pairs mean (G_s − G_t)²
    phase answers:   L = task · CE   [+ kd · KD]

Nothing is learned beside the student, so each tap must have the same number of channels in both nets; others are refused. Where
the two maps differ in size the larger is pooled to the smaller: by its maximum (as the paper is quoted), or by its mean as in the
CRD comparison. The mean over entries and samples is the latter's as well; the paper is quoted with a sum. G has the scale of the
activations squared and none of the map's size. The comparison's weight of 50 does nothing, since its second phase has
cross-entropy alone; in the first phase, where there is no other term, the weight is 1. It also has the stem among its taps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Step
from kdbench.contract.taps import Shape
from kdbench.methods.features import FeaturesFirst, PhasedConfig


class FSPConfig(PhasedConfig):
    student_taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=2, description="the student's taps, in order")
    teacher_taps: list[str] = Field(
        ["stage1", "stage2", "stage3"], min_length=2, description="the teacher's taps, as wide as the student's one by one"
    )
    weight: float = Field(1.0, ge=0, description="weight of the flows' distance in the first phase")
    pool: Literal["max", "mean"] = Field("max", description="how the larger of two maps becomes as small as the other")


def flow(a: Tensor, b: Tensor, pool: str = "max") -> Tensor:
    """[B, channels of a, channels of b]: mean over positions of their products."""
    size = (min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3]))
    to_size = F.adaptive_max_pool2d if pool == "max" else F.adaptive_avg_pool2d
    a, b = (x if tuple(x.shape[2:]) == size else to_size(x, size) for x in (a, b))
    return a.flatten(2) @ b.flatten(2).mT / (size[0] * size[1])


class FSP(FeaturesFirst):
    """A phase of flows between stages, then the task."""

    name = "fsp"
    Config = FSPConfig
    needs = replace(FeaturesFirst.needs, axes=frozenset({"class", "tag"}))  # a list's candidates make no map
    compares = (("map",),)

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if student[0] != teacher[0]:
            raise KdbenchError(f"a flow needs as many channels in both nets, not {student[0]} and {teacher[0]}")
        return nn.Identity()

    def gaps(self, step: Step) -> Tensor:
        taps = self.pairs(step)
        gaps = []
        for (s, t), (next_s, next_t) in zip(taps, taps[1:]):
            gaps.append((flow(s, next_s, self.c.pool) - flow(t, next_t, self.c.pool)).pow(2).mean())
        return torch.stack(gaps)
