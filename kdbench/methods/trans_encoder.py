"""Trans-Encoder's two losses: a tower learns from a net that reads both texts together, and the other way round.

F. Liu, Y. Jiao, J. Massiah, E. Yilmaz, S. Havrylov: Trans-Encoder: Unsupervised Sentence-Pair Modelling through Self- and
Mutual-Distillations. ICLR 2022.

    trans_encoder_cross:  L = task · CE + weight · mean BCE(s, max(cos(q_t, d_t), 0))     teacher: two towers, student: one logit
    trans_encoder_bi:     L = task · CE + weight · mean (cos(q_s, d_s) − sigmoid(t))²     teacher: one logit, student: two towers

The paper takes turns, each student being the next one's teacher: a chain of runs, of which these are the links. A cosine is taken
as a probability as it is, not rescaled; below 0 it is 0 here, since cross-entropy to a negative target has no lower end (the
release does not look). `sigmoid(t)` means what it says only for a teacher whose logit was trained as one, as by the first loss;
a net trained on lists has an arbitrary offset. Labels are not read (task 0). The towers are the taps `embedding` [B,D] and
`documents` [B,K,D].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs

TOWERS = frozenset({"embedding", "documents"})


class TransEncoderConfig(Config):
    weight: float = Field(1.0, ge=0, description="weight of the teacher's scores")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss")


def cosines(taps: Mapping[str, Tensor]) -> Tensor:
    """[B,K] cosines of a query with its documents."""
    query, documents = F.normalize(taps["embedding"], dim=-1), F.normalize(taps["documents"], dim=-1)
    return torch.einsum("bd,bkd->bk", query, documents.expand(len(query), -1, -1))


def cross_loss(logits: Tensor, cosine: Tensor) -> Tensor:
    """Cross-entropy to the towers' cosine per query [N]."""
    return F.binary_cross_entropy_with_logits(logits, cosine.clamp(0, 1), reduction="none").mean(-1)


def tower_loss(cosine: Tensor, logits: Tensor) -> Tensor:
    """Squared distance of the cosine from the teacher's probability per query [N]."""
    return (cosine - torch.sigmoid(logits)).pow(2).mean(-1)


class TransEncoderCross(Method):
    """A pair-reading student learns two towers' cosines."""

    name = "trans_encoder_cross"
    exempt = {"fixed-point": "a logit learns the cosine as a probability, so scores that equal the teacher's are no end"}
    Config = TransEncoderConfig
    needs = Needs(
        axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), signal=frozenset({"values"}), teacher_taps=TOWERS
    )

    def terms(self, step: Step) -> dict[str, Term]:
        def match() -> Tensor:
            student = step.decide()
            return student.mean(cross_loss(student.logits(), cosines(step.teacher().taps)))

        return {"task": Term(step.supervised, self.c.task), "cross": Term(match, self.c.weight)}


class TransEncoderBi(Method):
    """Two towers learn a pair-reading teacher's probabilities."""

    name = "trans_encoder_bi"
    exempt = {
        "fixed-point": "a cosine learns the logit as a probability, so scores that equal the teacher's are no end",
        "gradient": "the loss reads cosines, so a scale that the student puts on them learns nothing here",
    }
    Config = TransEncoderConfig
    needs = Needs(
        axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), signal=frozenset({"values"}), student_taps=TOWERS
    )

    def terms(self, step: Step) -> dict[str, Term]:
        def match() -> Tensor:
            rows = tower_loss(cosines(step.student().taps), step.teacher().decisions.logits())
            return step.decide().mean(rows)

        return {"task": Term(step.supervised, self.c.task), "bi": Term(match, self.c.weight)}
