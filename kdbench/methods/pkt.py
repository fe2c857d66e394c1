"""Probabilistic knowledge transfer: whom would each sample pick as its neighbour, by the teacher and by the student?

N. Passalis, A. Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer. ECCV 2018.

    S_ij = (cos(f_i, f_j) + 1) / 2,    P_ij = S_ij / Σ_j S_ij
    L = task · CE + weight · mean P_t log((P_t + ε) / (P_s + ε))   [+ kd · KD],    ε = 1e-7

The release takes the mean over all B² entries, hence the weight of 30000 in it and in the CRD comparison: at a batch of 64 that
is 469 times the divergence per row. `reduction: rows` is the latter (a sum over j, a mean over i), whose scale does not fall
with the batch; give it its own weight. The diagonal is kept, as in the release. ε lets the term be negative by a few 1e-8.
Nothing is learned beside the student, widths need not match, and each sample's own scale does not matter.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
+4.2 ± .6.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from kdbench.methods.features import ONE_PER_SAMPLE, FeatureConfig, FeatureMethod, unit, vectors

EPS = 1e-7


class PKTConfig(FeatureConfig):
    weight: float = Field(30000.0, ge=0, description="weight of the divergence, summed over taps")
    reduction: Literal["entries", "rows"] = Field("entries", description="mean over all B² entries (released), or over B rows")


def neighbours(rows: Tensor) -> Tensor:
    """[..., N, N]: each row's distribution over the rows, by cosine."""
    cosines = unit(rows) @ unit(rows).mT
    similarity = (cosines + 1) / 2
    return similarity / similarity.sum(-1, keepdim=True)


def divergences(student: Tensor, teacher: Tensor) -> Tensor:
    """[..., N] divergence of each row's neighbours."""
    s, t = neighbours(student), neighbours(teacher)
    return (t * ((t + EPS) / (s + EPS)).log()).sum(-1)


class PKT(FeatureMethod):
    """Divergence between distributions over neighbours within a batch, or within a query's list."""

    name = "pkt"
    Config = PKTConfig
    compares = ONE_PER_SAMPLE

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        rows = divergences(vectors(student), vectors(teacher))
        return rows.mean() / rows.shape[-1] if self.c.reduction == "entries" else rows.mean()
