"""Pointwise MSE: match the teacher's raw scores one by one. The oldest form, and the control for losses that know the list.

C. Buciluǎ, R. Caruana, A. Niculescu-Mizil: Model Compression. KDD 2006; on the logits of classes L. J. Ba, R. Caruana: Do Deep
Nets Really Need to be Deep? NIPS 2014.

    L = task · CE + weight · mean_i mean_k (s_ik − r(t_i)_k)²
    r:  raw     t_i
        zscore  (t_i − mean) / standard deviation, over a row
        minmax  (t_i − min) / (max − min), over a row

Not blind to an offset: what the teacher adds to all of a query's scores is learned and of no use, and a student of bounded scores
cannot reach a teacher's ±10 without a learned scale. `margin_mse`, `ranknet` and list `kd` are blind to it. Rows count alike,
whatever their length; scores where a row is all equal become 0.

Seen on topics (nDCG@10, recipe of the pair): raw .16 ± .07 at three seeds, below the student alone (.352 ± .002) and far below
margin_mse (.634 ± .004 at five): the teacher's scores have an offset that a cosine times a scale cannot reach.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class PointwiseMSEConfig(Config):
    target: Literal["raw", "zscore", "minmax"] = Field("raw", description="the teacher's scores as they are, or rescaled per row")
    weight: float = Field(1.0, ge=0, description="weight of the squared error")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss")


def rescaled(scores: Tensor, how: str) -> Tensor:
    """A row's scores on a scale of its own."""
    if how == "raw":
        return scores
    if how == "zscore":
        centred = scores - scores.mean(-1, keepdim=True)
        return centred / centred.pow(2).mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
    low, high = scores.amin(-1, keepdim=True), scores.amax(-1, keepdim=True)
    return (scores - low) / (high - low).clamp(min=1e-6)


def squared_error(student: Tensor, teacher: Tensor, target: str) -> Tensor:
    """Mean over a row's scores [N]."""
    return (student - rescaled(teacher, target)).pow(2).mean(-1)


class PointwiseMSE(Method):
    """Squared error of single scores or logits."""

    name = "pointwise_mse"
    Config = PointwiseMSEConfig
    needs = Needs(streams=frozenset({"transfer"}), signal=frozenset({"values"}))

    def terms(self, step: Step) -> dict[str, Term]:
        def error() -> Tensor:
            student = step.decide()
            return student.mean(squared_error(student.logits(), step.teacher().decisions.logits(), self.c.target))

        return {
            "task": Term(step.supervised, self.c.task),
            "pointwise": Term(error, self.c.weight),
        }
