"""DIST: match how the teacher relates classes to each other, and samples to each other, not its exact probabilities.

T. Huang, S. You, F. Wang, C. Qian, C. Xu: Knowledge Distillation from A Stronger Teacher. NeurIPS 2022.

    Y = softmax(z / T) [N,K],   ρ(a, b) = Pearson correlation
    inter = mean_i 1 − ρ(Y_s[i,:], Y_t[i,:])        a sample's classes
    intra = mean_k 1 − ρ(Y_s[:,k], Y_t[:,k])        a class's samples
    L = task · CE + weight · (beta · inter + gamma · intra)        variant released: both times T²

On tags Y is the matrix of sigmoids. On maps every pixel of the batch is a sample. Refused on candidates, where a column is
another document in every row. A row's weight counts in both parts; a row that is not valid in neither.

The release multiplies by T², the paper's formula does not; a correlation has no scale, so T² is here a plain weight (16 at T 4).
`weight` 2 with beta and gamma 1 is the released setting, at T 4 for CIFAR and T 1 for ImageNet. `intra` depends on who is in the
batch, and is constant for a batch of one. Where classes are many and the batch is small, most columns are nearly constant and
the 1e-8 under ρ holds them at ρ ≈ 0.

Seen on digits, three seeds: paper .875 ± .008, released .862 ± .007, kd .859 ± .007.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs

EPS = 1e-8  # added to the product of norms, as in the release


class DISTConfig(Config):
    T: float = Field(4.0, gt=0, description="temperature")
    beta: float = Field(1.0, ge=0, description="weight of the correlation over a sample's classes")
    gamma: float = Field(1.0, ge=0, description="weight of the correlation over a class's samples")
    weight: float = Field(2.0, ge=0, description="weight of both together")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    variant: Literal["paper", "released"] = Field("paper", description="released: both correlations are multiplied by T²")


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation over the last dimension."""
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + EPS)


def answers(decisions: Decisions, T: float) -> Tensor:
    """The matrix Y [N,K]."""
    probs = decisions.log_probs(T).exp()
    return probs[..., 0] if decisions.axis == "tag" else probs


def shares(decisions: Decisions) -> Tensor | None:
    """What each row counts for [N], or None where all count alike."""
    if decisions.valid is None:
        return decisions.weight
    valid = decisions.valid.to(decisions.values.dtype)
    return valid if decisions.weight is None else valid * decisions.weight


def intra(student: Tensor, teacher: Tensor, share: Tensor | None) -> Tensor:
    """Mean over columns of 1 − ρ, rows counting by their share; 1 where no row counts."""
    if share is None:
        return (1 - correlation(student.t(), teacher.t())).mean()
    share = share / share.sum().clamp(min=EPS)
    s, t = ((y - share @ y) * share.sqrt()[:, None] for y in (student, teacher))
    return (1 - (s * t).sum(0) / (s.norm(dim=0) * t.norm(dim=0) + EPS)).mean()


class DIST(Method):
    """Correlations with the teacher over classes and over samples."""

    name = "dist"
    Config = DISTConfig
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match() -> Tensor:
            decisions = step.decide()
            student, teacher = answers(decisions, c.T), answers(step.teacher().decisions, c.T)
            # A column has no row of its own: as part of every row, it counts as much as the rows do on average.
            rows = c.beta * (1 - correlation(student, teacher)) + c.gamma * intra(student, teacher, shares(decisions))
            return decisions.mean(rows) * (c.T * c.T if c.variant == "released" else 1.0)

        return {
            "task": Term(step.supervised, c.task),
            "dist": Term(match, c.weight),
        }
