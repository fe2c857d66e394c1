"""The one window through which methods see outputs: N decisions over K answers, whatever the task.

Classification: N images. Segmentation: N pixels with a grid. Tagging: N clips with K independent tags. Retrieval: N queries with
K candidates. Temperature, an ensemble's mean and the link (softmax or sigmoid) meet here and nowhere else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Reduce = Literal["none", "prob", "logit"]
Kind = Literal["fkl", "rkl", "js", "skew", "tvd"]


def _log_softmax(z: Tensor) -> Tensor:
    """Over the last dimension. Millions of short rows (pixels) are nine times faster on a CPU when they lie across memory."""
    if z.dim() == 2 and z.shape[0] > 4096 and z.shape[1] < 64:
        return F.log_softmax(z.t().contiguous(), 0).t()
    return F.log_softmax(z, -1)


@dataclass(frozen=True, eq=False)
class Decisions:
    """`values` are logits or scores [N,K]; [M,N,K] for an ensemble of M that `reduce` says how to average.

    `valid` says which rows count (they make the denominator), `weight` how much a row counts (it does not).
    Labels: class -> long[N]; tag -> float[N,K] in {0,1}; candidate -> float grades [N,K]; None where unlabelled.
    """

    values: Tensor
    axis: Literal["class", "tag", "candidate"]
    labels: Tensor | None = None
    valid: Tensor | None = None
    weight: Tensor | None = None
    grid: tuple[int, int, int] | None = None
    reduce: Reduce = "none"

    @property
    def count(self) -> int:
        return self.values.shape[-2]

    @property
    def answers(self) -> int:
        return self.values.shape[-1]

    def but(self, **changes: Any) -> Decisions:
        return replace(self, **changes)

    def logits(self) -> Tensor:
        """One [N,K] tensor whose softmax (or sigmoid) at T=1 is the distribution: mean probability for reduce='prob'."""
        if self.reduce == "none":
            return self.values
        if self.reduce == "logit":
            return self.values.mean(0)
        members = self.values.shape[0]
        if self.axis == "tag":
            on = torch.logsumexp(F.logsigmoid(self.values), 0) - math.log(members)
            off = torch.logsumexp(F.logsigmoid(-self.values), 0) - math.log(members)
            return on - off
        return torch.logsumexp(_log_softmax(self.values), 0) - math.log(members)

    def log_probs(self, T: float = 1.0) -> Tensor:
        """[N,K] log-probabilities; [N,K,2] (on, off) for tags. T is applied after the ensemble's mean."""
        z = self.logits() / T if T != 1.0 else self.logits()
        if self.axis == "tag":
            return torch.stack((F.logsigmoid(z), F.logsigmoid(-z)), -1)
        return _log_softmax(z)

    def predictions(self) -> Tensor:
        """[N] best answer; [N,K] booleans for tags."""
        z = self.logits()
        return z > 0 if self.axis == "tag" else z.argmax(-1)

    def mean(self, per_row: Tensor) -> Tensor:
        """Mean of a value per row over valid rows; 0 where nothing is valid. Weights multiply, they do not normalise."""
        if self.weight is not None:
            per_row = per_row * self.weight
        if self.valid is None:
            return per_row.mean()
        kept = torch.where(self.valid, per_row, torch.zeros_like(per_row))
        return kept.sum() / self.valid.sum().clamp(min=1)

    def maps(self) -> Tensor:
        """[B,K,H,W] view of the logits; only where decisions lie on a grid."""
        if self.grid is None:
            raise ValueError("these decisions have no grid: the task does not decide on a map")
        b, h, w = self.grid
        return self.logits().view(b, h, w, -1).permute(0, 3, 1, 2)

    def detached(self) -> Decisions:
        return replace(self, values=self.values.detach())


def divergence(
    student: Decisions,
    teacher: Decisions,
    T: float = 1.0,
    kind: Kind = "fkl",
    squared: bool = True,
    tags: str = "mean",
    skew: float = 0.1,
) -> Tensor:
    """Divergence per row [N] between two sets of decisions, nats. `squared` multiplies by T², which keeps gradients' scale.

    Tags: each tag is a Bernoulli; `tags` says whether a row is their mean or their sum. `skew` is the teacher's share in the
    mixture that kind="skew" compares the teacher with; no other kind reads it.
    """
    if student.axis != teacher.axis:
        raise ValueError(f"student decides on axis {student.axis!r}, teacher on {teacher.axis!r}")
    s, t = student.log_probs(T), teacher.log_probs(T)
    if kind == "fkl":
        per = t.exp() * (t - s)
    elif kind == "rkl":
        per = s.exp() * (s - t)
    elif kind == "js":
        m = torch.logaddexp(s, t) - math.log(2.0)
        per = 0.5 * (t.exp() * (t - m) + s.exp() * (s - m))
    elif kind == "skew":
        per = t.exp() * (t - torch.logaddexp(t + math.log(skew), s + math.log1p(-skew)))
    elif kind == "tvd":
        per = 0.5 * (s.exp() - t.exp()).abs()
    else:
        raise ValueError(f"unknown divergence {kind!r}")
    rows = per.sum(-1)
    if student.axis == "tag":
        rows = rows.mean(-1) if tags == "mean" else rows.sum(-1)
    return rows * (T * T) if squared else rows
