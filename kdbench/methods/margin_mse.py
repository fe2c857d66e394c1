"""Margin-MSE: match differences of scores, so that an offset per query does not matter.

S. Hofstätter, S. Althammer, M. Schröder, M. Sertkan, A. Hanbury: Improving Efficient Neural Ranking Models with
Cross-Architecture Knowledge Distillation. 2020, arXiv 2010.02666.

    L = task · contrastive + weight · mean_q mean_{j>0} ((s_0 − s_j) − (t_0 − t_j))²

Candidate 0 stands for the positive (the known relevant document, else the list's first). The paper has one negative per triple;
here a query's whole list is used, which is the mean over its triples. Not invariant to the teacher's scale: a student with a
learnable scale, or a source that normalises, decides much.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class MarginMSEConfig(Config):
    weight: float = Field(1.0, ge=0, description="weight of the margins' squared error")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss; the paper reads no label here")


def margin_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of margins to candidate 0, per query [N]."""
    gap = student - teacher
    return (gap[:, :1] - gap[:, 1:]).pow(2).mean(1)


class MarginMSE(Method):
    """Squared error of score margins over a query's candidates."""

    name = "margin_mse"
    Config = MarginMSEConfig
    needs = Needs(axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), signal=frozenset({"values"}))

    def terms(self, step: Step) -> dict[str, Term]:
        def margins() -> Tensor:
            student = step.decide()
            if student.answers < 2:
                raise ValueError("margin_mse compares margins between candidates; there is only one candidate")
            return student.mean(margin_error(student.logits(), step.teacher().decisions.logits()))

        return {
            "task": Term(step.supervised, self.c.task),
            "margin": Term(margins, self.c.weight),
        }
