"""Neuron selectivity transfer: where the teacher's neurons fire, as a distribution over patterns, and the student's likewise.

Z. Huang, N. Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer. 2017, arXiv 1707.01219.

    f_c: a channel's values over positions, at norm 1;    k(a, b) = (a · b)²
    L = task · CE + weight · Σ_taps [mean k(t, t') + mean k(s, s') − 2 mean k(s, t)]   [+ kd · KD]

The squared maximum mean discrepancy between two sets of channels, so their number may differ and their order does not matter.
Means run over samples and pairs of channels; a dead channel counts as a zero vector. A position is a place on a map, or a
candidate of a query's list; with only one position every channel is ±1 and nothing is left to match, which is refused. Maps of
unequal size meet at the smaller one. 50 is the weight of the CRD comparison.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
−7.5 ± .8 at weight 50. Calibrate it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.taps import Shape, meet
from kdbench.methods.features import FeatureConfig, FeatureMethod, as_map, positions, unit


class NSTConfig(FeatureConfig):
    student_taps: list[str] = Field(["stage1", "stage2", "stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(
        ["stage1", "stage2", "stage3"], min_length=1, description="the teacher's taps, compared with them one by one"
    )
    weight: float = Field(50.0, ge=0, description="weight of the discrepancy, summed over taps")


def kernel(a: Tensor, b: Tensor) -> Tensor:
    """Mean over samples and pairs of channels of the squared inner product."""
    return (a @ b.mT).pow(2).mean()


def discrepancy(student: Tensor, teacher: Tensor) -> Tensor:
    """Between two sets of patterns [B, channels, positions]."""
    s, t = unit(student), unit(teacher)
    return kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)


class NST(FeatureMethod):
    """Discrepancy between the activation patterns of channels."""

    name = "nst"
    Config = NSTConfig
    compares = (("map",), ("list",))

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if min(positions(student), positions(teacher)) < 2:
            raise KdbenchError("a channel with a single position has no pattern to match")
        return nn.Identity()

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        s, t = meet(as_map(student), as_map(teacher))
        return discrepancy(s.flatten(2), t.flatten(2))
