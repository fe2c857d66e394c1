"""Inter-channel correlation: which channels fire together, compared sample by sample.

L. Liu, Q. Huang, S. Lin, H. Xie, B. Wang, X. Chang, X. Liang: Exploring Inter-Channel Correlation for Diversity-Preserved
Knowledge Distillation. ICCV 2021.

    G(F) = F Fᵀ [C,C] over a sample's positions, each row at norm 1
    L = task · CE + weight · Σ_taps mean_i ‖G(e(F_s)) − G(F_t)‖² / C [+ kd · KD],    e: conv1×1 and BN to the teacher's width

Sizes may differ, since G has no positions. Rows at norm 1 and division by C are the CIFAR release's; the paper's text has C² and
raw products, the ImageNet release divides by C and twice by the batch. Published with weight 2.5, with and without kd 1.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 81.7, no effect.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.taps import Shape, width
from kdbench.methods.features import FeatureConfig, FeatureMethod, as_map, unit


class ICKDConfig(FeatureConfig):
    weight: float = Field(2.5, ge=0, description="weight of the correlations' distance, summed over taps")
    student_taps: list[str] = Field(["stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["stage3"], min_length=1, description="the teacher's taps, compared with them one by one")


def correlation(feature: Tensor) -> Tensor:
    """[B,C,C] products of a map's channels over its positions, each row at norm 1; a dead channel's stays zero."""
    rows = feature.flatten(2)
    return unit(rows @ rows.transpose(1, 2))


def correlation_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over samples and channels of the squared distance of rows."""
    return (correlation(student) - correlation(teacher)).pow(2).sum(2).mean()


class ICKD(FeatureMethod):
    """Distance between the channels' correlations."""

    name = "ickd"
    Config = ICKDConfig
    compares = (("map",), ("list",))

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if len(student) == 3 and min(student[1] * student[2], teacher[1] * teacher[2]) == 1:
            raise KdbenchError("channels correlate over positions, there is one")
        outputs = width(teacher)
        return nn.Sequential(nn.Conv2d(width(student), outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        return correlation_gap(layers(as_map(student)), as_map(teacher))
