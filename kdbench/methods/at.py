"""Attention transfer: match where the energy of a feature map lies.

S. Zagoruyko, N. Komodakis: Paying More Attention to Attention. ICLR 2017. (The activation form, as in the release.)

    a(F) = normalise(vec(mean_c F²)),    L = task · CE + weight · Σ_taps mean_{i, position} (a(F_s) − a(F_t))²  [+ kd · KD]

The mean runs over samples and positions, so one weight means different things at different map sizes: 1000 is the CRD
comparison's weight for 32×32 to 8×8 maps; on 8×8 to 2×2 maps it is 16 times as strong and destroys a student. Calibrate it.
Maps of unequal size meet at the smaller one, after their energies. A vector has only one position, and a list's candidates are
unit vectors, all of the same energy: there is nothing to match in either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.taps import Shape
from kdbench.methods.features import FeatureConfig, FeatureMethod, positions, unit


class ATConfig(FeatureConfig):
    student_taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(
        ["stage1", "stage2", "stage3"], min_length=1, description="the teacher's taps, compared with them one by one"
    )
    weight: float = Field(1000.0, ge=0, description="weight of the attention maps' distance, summed over taps")


def attention(feature: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, H·W] map of energy over positions, of unit norm; invariant to the feature's scale and to its channels' order."""
    energy = feature.pow(2).mean(1, keepdim=True)
    if tuple(energy.shape[2:]) != size:
        energy = F.adaptive_avg_pool2d(energy, size)
    return unit(energy.flatten(1))


class AT(FeatureMethod):
    """Distance between normalised energy maps at several stages."""

    name = "at"
    version = 2
    Config = ATConfig
    needs = replace(FeatureMethod.needs, axes=frozenset({"class", "tag"}))
    compares = (("map",),)

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if min(positions(student), positions(teacher)) < 2:
            raise KdbenchError("a map with a single position has no attention to match")
        return nn.Identity()

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        size = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
        return (attention(student, size) - attention(teacher, size)).pow(2).mean()
