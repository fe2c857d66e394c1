"""Correlation congruence: match how samples correlate, through a kernel that sees more than the inner product.

B. Peng, X. Jin, J. Liu, D. Li, Y. Wu, Y. Liu, S. Zhou, Z. Zhang: Correlation Congruence for Knowledge Distillation. ICCV 2019.

    f: embeddings of `dim` values, at norm 1 in the kernel
    paper:   K_ij = e^(−2γ) Σ_{p ≤ order} (2γ)^p / p! · (f_i · f_j)^p        (a Gaussian kernel's Taylor series)
             L = task · CE + weight · mean_ij (K_s − K_t)²_ij                 [+ kd · KD]
    crd:     L = task · CE + weight · mean_i Σ_d |δ_i||δ_{i+1}|,  δ = f_s − f_t without norm, over neighbours in the batch

`crd` is what the CRD comparison ran under this name, at a weight of 0.02: it has no kernel, and depends on the batch's order.
There, the teacher's embedding learns too, so that both may shrink to nothing; here it is a fixed orthogonal projection, which
keeps the teacher's inner products where `dim` is at least its width, and only the student's is learned.

The paper's weight, 0.003 (quoted from others' configurations, as are γ and the order), is small beside a mean over pairs that
cannot exceed 1; others give the same form 100. The paper also draws class-balanced batches, which is not done here.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
−.3 ± .8 for the paper's form and weight, +2.4 ± .7 for `crd` at 0.02.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.taps import Shape, width
from kdbench.methods.features import ONE_PER_SAMPLE, FeatureConfig, FeatureMethod, unit, vectors


class CCConfig(FeatureConfig):
    variant: Literal["paper", "crd"] = Field("paper", description="correlations by kernel, or the CRD comparison's neighbours")
    weight: float = Field(0.003, ge=0, description="weight of the correlations' distance, summed over taps")
    dim: int = Field(128, ge=1, description="length of the embeddings")
    gamma: float = Field(0.4, gt=0, description="sharpness of the kernel")
    order: int = Field(2, ge=1, description="last power of the kernel's series")


class Embeddings(nn.Module):
    """A learned projection of the student and a fixed orthogonal one of the teacher, to one length."""

    projection: Tensor

    def __init__(self, student: int, teacher: int, dim: int):
        super().__init__()
        self.student = nn.Linear(student, dim)
        self.register_buffer("projection", nn.init.orthogonal_(torch.empty(dim, teacher)))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        return self.student(student), teacher @ self.projection.mT


def correlations(rows: Tensor, gamma: float, order: int) -> Tensor:
    """[..., N, N] truncated Gaussian kernel of N rows, each at norm 1."""
    cosines = unit(rows) @ unit(rows).mT
    series = [(2 * gamma) ** p / math.factorial(p) * cosines**p for p in range(order + 1)]
    return math.exp(-2 * gamma) * torch.stack(series).sum(0)


def neighbouring(student: Tensor, teacher: Tensor) -> Tensor:
    """The CRD comparison's form: products of gaps of samples that stand next to each other; 0 for a single sample."""
    gap = (student - teacher).abs()
    products = (gap[..., :-1, :] * gap[..., 1:, :]).sum(-1)
    return products.sum() / max(products.numel(), 1)


class CC(FeatureMethod):
    """Distance between kernels of correlations within a batch, or within a query's list."""

    name = "cc"
    Config = CCConfig
    compares = ONE_PER_SAMPLE

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        return Embeddings(width(student), width(teacher), self.c.dim)

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        c = self.c
        s, t = layers(vectors(student), vectors(teacher))
        if c.variant == "crd":
            return neighbouring(s, t)
        return (correlations(s, c.gamma, c.order) - correlations(t, c.gamma, c.order)).pow(2).mean()
