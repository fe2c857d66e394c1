"""Label smoothing: a share of every label goes to the other answers. A control without a teacher.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna: Rethinking the Inception Architecture for Computer Vision. CVPR 2016.

    L = (1 − epsilon) · CE(y, s) + epsilon · mean_i −Σ_k u_k log p_k
    u:  spread all      1/K for every answer, the right one too (the paper; PyTorch and timm)
        spread others   1/(K − 1) for every wrong answer (the release of Tf-KD)

Soft targets without any knowledge: what distillation must beat to have passed on more than caution. On tags an answer is on or
off (K = 2), and the mean runs over tags. Epsilon 0 is `none` bit for bit.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class LabelSmoothingConfig(Config):
    epsilon: float = Field(0.1, ge=0, lt=1, description="share of the label that is given away")
    spread: Literal["all", "others"] = Field("all", description="over all answers, or over all but the right one")


def flat(decisions: Decisions, others: bool) -> Tensor:
    """Cross-entropy of a flat distribution over all answers, or over the wrong ones, per row [N]."""
    if decisions.labels is None:
        raise ValueError("label smoothing needs labels, this stream has none")
    surprise = -decisions.log_probs()
    if decisions.axis == "tag":
        right = torch.stack((decisions.labels, 1 - decisions.labels), -1).bool()
    else:
        right = F.one_hot(decisions.labels, decisions.answers).bool()
    if others:
        surprise = surprise.masked_fill(right, 0).sum(-1) / max(right.shape[-1] - 1, 1)
    else:
        surprise = surprise.mean(-1)
    return surprise.mean(-1) if decisions.axis == "tag" else surprise


class LabelSmoothing(Method):
    """Labels of which a share is spread over the answers."""

    name = "label_smoothing"
    Config = LabelSmoothingConfig
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"labelled"}))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def smooth() -> Tensor:
            student = step.decide("labelled")
            return student.mean(flat(student, c.spread == "others"))

        return {
            "task": Term(step.supervised, 1 - c.epsilon),
            "task_smooth": Term(smooth, c.epsilon),
        }
