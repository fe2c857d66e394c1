"""Top-k targets: the inner method sees only the teacher's k best answers, as if nothing else had been stored.

H. Dinkel, Y. Wang, Z. Yan, J. Zhang, Y. Wang: CED: Consistent Ensemble Distillation for Audio Tagging. ICASSP 2024 (k 20 of 527
tags, all others 0); the same is done with classes where teachers' answers are stored for ImageNet.

    the k best keep their value; of the others
        zero     tags: probability 0; classes and candidates: the k best are scaled to sum to 1
        spread   tags: each 1/(K − k) of the smallest one kept; classes and candidates: what the k best leave, evenly

Only what the teacher says is cut, never the student. With k of K or more nothing changes, bit for bit. It tells what a store of
k answers would cost in quality; the built-in stores keep all. Against zeros the divergence `rkl` is as good as infinite: use
spread. CED itself is `top_k` around `kd` (T 1, weight 1, task 0) with stored, replayed views.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import MappedStep, Step, Term, Wrapper
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs

NEVER = -1e4  # a logit whose probability is exactly 0, but whose product with 0 is a number


class TopKConfig(Config):
    k: int = Field(20, ge=1, description="answers that are kept")
    fill: Literal["zero", "spread"] = Field("zero", description="what the others get: nothing, or a small even share")


class TeacherStep(MappedStep):
    """A step whose teacher passes through a function, and whose student does not."""

    def decide(self, on: str = "transfer", head: str | None = None) -> Decisions:
        return self._step.decide(on) if head is None else self._step.decide(on, head)


def cut(decisions: Decisions, k: int, fill: str) -> Decisions:
    """Decisions of which only the k best answers of each row are known."""
    others = decisions.answers - k
    if others <= 0:
        return decisions
    z = decisions.logits() if decisions.axis == "tag" else decisions.log_probs()
    best = z.topk(k, -1)
    kept = torch.zeros_like(z, dtype=torch.bool).scatter(-1, best.indices, True)
    if fill == "zero":
        rest = z.new_full((), NEVER)
    elif decisions.axis == "tag":
        log_share = F.logsigmoid(best.values[..., -1:]) - math.log(others)
        rest = log_share - torch.log1p(-log_share.exp().clamp(max=1 - 1e-6))
    else:
        rest = torch.logsumexp(z.masked_fill(kept, -math.inf), -1, keepdim=True) - math.log(others)
    return decisions.but(values=torch.where(kept, z, rest), reduce="none")


class TopK(Wrapper):
    """The teacher's k best answers for the inner method."""

    name = "top_k"
    Config = TopKConfig
    own = Needs(streams=frozenset(), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        return self.method.terms(TeacherStep(step, lambda decisions: cut(decisions, self.c.k, self.c.fill)))
