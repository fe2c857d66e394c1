"""Variational information distillation: say the teacher's features as a Gaussian around what the student's features tell.

S. Ahn, S. X. Hu, A. Damianou, N. D. Lawrence, Z. Dai: Variational Information Distillation for Knowledge Transfer. CVPR 2019.

    μ: three pointwise layers on the student's tap;    v_c = softplus(α_c) + 1e-5, one for each of the teacher's channels
    L = task · CE + weight · Σ_taps mean ½ [(μ − t)² / v_c + log v_c]   [+ kd · KD]

A lower bound on the mutual information, but for a constant: the term falls below 0 as v falls below 1. The mean runs over
samples, channels and positions, so maps of any size weigh the same; unequal ones meet at the smaller. α starts at v = 5 and
learns with the student, under the recipe's weight decay. (One release keeps α in a plain list, where it never learns: MSE / 10.)
Weight 1 is the CRD comparison's. The paper's further term on logits is left out, as there.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
+.7 ± .9.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.taps import Shape, meet, pointwise, width
from kdbench.methods.features import FeatureConfig, FeatureMethod

START, FLOOR = 5.0, 1e-5  # of the variance


class VIDConfig(FeatureConfig):
    student_taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(
        ["stage1", "stage2", "stage3"], min_length=1, description="the teacher's taps, compared with them one by one"
    )


class Gaussian(nn.Module):
    """Mean and variance of the teacher's features, given the student's."""

    def __init__(self, student: Shape, teacher: Shape):
        super().__init__()
        inputs, outputs = width(student), width(teacher)
        first = pointwise(teacher, inputs, outputs, bias=False)
        second, third = (pointwise(teacher, outputs, outputs, bias=False) for _ in range(2))
        self.mean = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
        shape = (outputs, 1, 1) if len(teacher) == 3 else (outputs,)
        self.alpha = nn.Parameter(torch.full(shape, math.log(math.expm1(START - FLOOR))))

    def forward(self, student: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(student), F.softplus(self.alpha) + FLOOR


def surprise(mean: Tensor, variance: Tensor, teacher: Tensor) -> Tensor:
    """Mean negative log-likelihood of the teacher's features, without the constant ½ log 2π."""
    return 0.5 * ((mean - teacher).pow(2) / variance + variance.log()).mean()


class VID(FeatureMethod):
    """Likelihood of the teacher's features under the student's, with learned variances."""

    name = "vid"
    Config = VIDConfig

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        return Gaussian(student, teacher)

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        s, t = meet(student, teacher)
        mean, variance = layers(s)
        return surprise(mean, variance, t)
