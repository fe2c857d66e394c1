"""Decoupled knowledge distillation: the target's share and the rest of the distribution, weighted apart.

B. Zhao, Q. Cui, R. Song, Y. Qiu, J. Liang: Decoupled Knowledge Distillation. CVPR 2022.

    b = p_y,   TCKD_i = KL([b_t, 1−b_t] ‖ [b_s, 1−b_s]),   NCKD_i = KL over the K−1 other classes, each renormalised
    L = task · CE + weight · w · T² · mean_i (alpha · TCKD_i + beta · NCKD_i),   w rises linearly over the warm-up share

KD is the case in which beta is (1 − p_t,y) for each sample. On a stream without labels, y is the teacher's best answer.

The released code masks the target with −1000 and takes logs of sums, which gives inf beyond a gap of 200 in float32; here the
same quantities come from logsumexp. Its beta is set per pair (2, 6 or 8 on CIFAR-100): calibrate it, do not reuse it. A student
of 3,000 parameters on digits is harmed by beta 8 where it can use beta 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class DKDConfig(Config):
    T: float = Field(4.0, gt=0, description="temperature")
    alpha: float = Field(1.0, ge=0, description="weight of the target's share (TCKD)")
    beta: float = Field(8.0, ge=0, description="weight of the other classes (NCKD)")
    weight: float = Field(1.0, ge=0, description="weight of both together")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    warmup: float = Field(20 / 240, ge=0, le=1, description="share of the steps over which the weight rises")


def parts(log_probs: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p_y [N], log(1 − p_y) [N], and the log-distribution over the other classes [N,K] (−inf at y)."""
    target = log_probs.gather(1, label[:, None])
    others = log_probs.scatter(1, label[:, None], float("-inf"))
    rest = torch.logsumexp(others, 1)
    return target[:, 0], rest, others - rest[:, None]


def decoupled(student: Decisions, teacher: Decisions, label: Tensor, T: float) -> tuple[Tensor, Tensor]:
    """TCKD and NCKD per row [N], without T²."""
    s_on, s_off, s_rest = parts(student.log_probs(T), label)
    t_on, t_off, t_rest = parts(teacher.log_probs(T), label)
    target = t_on.exp() * (t_on - s_on) + t_off.exp() * (t_off - s_off)
    known = F.one_hot(label, student.answers).bool()
    gap = torch.where(known, torch.zeros_like(t_rest), t_rest - s_rest)
    return target, (t_rest.exp() * gap).sum(1)


class DKD(Method):
    """Target and non-target classes distilled apart; needs one class per decision."""

    name = "dkd"
    Config = DKDConfig
    needs = Needs(axes=frozenset({"class"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            if student.answers < 2:
                raise ValueError("dkd sets the target class apart from the others; there is only one class")
            label = student.labels if student.labels is not None else teacher.predictions()
            target, rest = decoupled(student, teacher, label, c.T)
            return c.T * c.T * student.mean(c.alpha * target + c.beta * rest)

        ramp = min(1.0, step.progress / c.warmup) if c.warmup else 1.0
        # A weight of exactly 0 means "switched off": at the first step of the warm-up the term is only very small.
        ramp = max(ramp, 1e-8)
        return {
            "task": Term(step.supervised, c.task),
            "dkd": Term(match, c.weight * ramp),
        }
