"""RankNet: match which of two candidates the teacher would rank higher, over all pairs of a query's list.

C. Burges, T. Shaked, E. Renshaw, A. Lazier, M. Deeds, N. Hamilton, G. Hullender: Learning to Rank using Gradient Descent.
ICML 2005.

    P_ij = sigmoid(s_i − s_j)
    soft:  L = mean_{i<j} −[P̄ log P + (1 − P̄) log(1 − P)],   P̄_ij = sigmoid((t_i − t_j) / T)
    hard:  L = mean over pairs with t_i > t_j of −log P_ij
    the mean over a query's pairs, then over the queries that have one;   task · contrastive + weight · L

Blind to an offset of a query's scores; the soft form is a cross-entropy, hence not 0 where the student is right. Some libraries
take logarithms to base 2 and one mean over all pairs of the batch, so that long lists count more; neither is done here. An
ensemble's t is the logarithm of its mean probability, of which only differences are read.

Seen on topics (nDCG@10, five seeds): soft .634 ± .007, hard .581 ± .015, margin_mse .634 ± .004, list KL .629 ± .009, the student
alone .352 ± .002. How sure the teacher is of a pair is worth five points; between the soft losses there is no difference.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class RankNetConfig(Config):
    form: Literal["soft", "hard"] = Field("soft", description="how sure the teacher is of a pair, or only its order")
    T: float = Field(1.0, gt=0, description="temperature of the teacher's certainty; read by the soft form alone")
    weight: float = Field(1.0, ge=0, description="weight of the pairs")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss")


def gaps(scores: Tensor) -> Tensor:
    """Differences [N, K(K−1)/2] over pairs i < j."""
    first, second = torch.triu_indices(scores.shape[1], scores.shape[1], 1, device=scores.device)
    return scores[:, first] - scores[:, second]


def pairs(student: Tensor, teacher: Tensor, form: str, T: float) -> tuple[Tensor, Tensor]:
    """Mean loss over a query's pairs [N], and whether it has any [N]."""
    s, t = gaps(student), gaps(teacher)
    if form == "soft":
        loss, counts = F.binary_cross_entropy_with_logits(s, torch.sigmoid(t / T), reduction="none"), torch.ones_like(s)
    else:
        loss, counts = F.softplus(-s * t.sign()), (t != 0).to(s.dtype)
    total = counts.sum(1)
    return (loss * counts).sum(1) / total.clamp(min=1), total > 0


class RankNet(Method):
    """Logistic loss over pairs of a query's candidates."""

    name = "ranknet"
    Config = RankNetConfig
    needs = Needs(axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def order() -> Tensor:
            student = step.decide()
            loss, some = pairs(student.logits(), step.teacher().decisions.logits(), c.form, c.T)
            valid = some if student.valid is None else some & student.valid
            return student.but(valid=valid).mean(loss)

        return {
            "task": Term(step.supervised, c.task),
            "ranknet": Term(order, c.weight),
        }
