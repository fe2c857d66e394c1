"""Similarity-preserving distillation: two samples that are alike to the teacher shall be alike to the student.

F. Tung, G. Mori: Similarity-Preserving Knowledge Distillation. ICCV 2019.

    G = Q Qᵀ    Q: [B, everything] activations of the batch;   each row of G divided by its norm
    L = task · CE + weight · Σ_taps mean_{i,j} (G_s − G_t)²_ij   [+ kd · KD]

Nothing is learned beside the student, and neither channels nor map sizes must match. The mean runs over all B² pairs, as in the
paper, while the rows have unit norm: twice the batch halves the term. 3000 is the weight of the CRD comparison, at a batch of 64;
scale it with the batch. The size of the maps does not change the scale. Another well-known code normalises the rows by their sum,
which is another loss.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
+1.5 ± .9.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from kdbench.methods.features import ONE_PER_SAMPLE, FeatureConfig, FeatureMethod, unit, whole


class SPConfig(FeatureConfig):
    student_taps: list[str] = Field(["stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["stage3"], min_length=1, description="the teacher's taps, compared with them one by one")
    weight: float = Field(3000.0, ge=0, description="weight of the similarities' distance, summed over taps")


def similarities(rows: Tensor) -> Tensor:
    """[..., N, N] similarities of N rows, each row of the table at norm 1; invariant to scale and rotation of the features."""
    return unit(rows @ rows.mT)


class SP(FeatureMethod):
    """Distance between the tables of similarities within a batch, or within a query's list."""

    name = "sp"
    Config = SPConfig
    compares = ONE_PER_SAMPLE

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        return (similarities(whole(student)) - similarities(whole(teacher))).pow(2).mean()
