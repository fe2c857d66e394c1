"""TAID: the target moves from the student's own answers to the teacher's, as fast as the student follows.

M. Shing, K. Misaki, H. Bao, S. Yokoi, T. Akiba: TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge
Transfer in Language Models. ICLR 2025.

    q_i = p((1 − t) · sg(z_s,i) + t · z_t,i; T),    J = mean_i −Σ_k q_ik log p_ik(z_s; T)
    L = task · CE + weight · T² · J

    after each step, at progress u of the training:
        m ← momentum · m + (1 − momentum) · (J_before − J) / J_before
        t ← min(end, max(start + (end − start) · u, t + rate · sigmoid(m) · (1 − t)))

The blend is of logits, not of probabilities. The ramp is a floor: adapting can only go faster, and t never falls. J is a
cross-entropy, as in the release, so its change holds that of the target's entropy too. At the first step there is no change to
speak of, and t stays. The paper has no temperature (T 1) and no supervised loss (task 0).

p is a softmax over classes or candidates, on tags a Bernoulli per tag and J the mean over tags. An ensemble's z_t is the
logarithm of its mean probability. t, m and J live in buffers: a resumed training goes on where it was.

Seen on digits, three seeds: .863 ± .012; with kd's T and weights .869 ± .004, kd itself .859 ± .007: no difference to speak of.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class TAIDConfig(Config):
    T: float = Field(1.0, gt=0, description="temperature of the target and of the student; the paper has none")
    start: float = Field(0.4, ge=0, le=1, description="the teacher's share in the target at the start")
    end: float = Field(1.0, ge=0, le=1, description="the teacher's share in the target at the end")
    rate: float = Field(5e-4, ge=0, description="how much faster than the ramp the share may rise, per step")
    momentum: float = Field(0.99, ge=0, lt=1, description="how slowly the measured progress of the student changes")
    weight: float = Field(1.0, ge=0, description="weight of the moving target")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss; 0 reads no label")


def blend(student: Decisions, teacher: Decisions, share: Tensor) -> Decisions:
    """Decisions between the student's, which get no gradient, and the teacher's: a mean of logits."""
    z_s, z_t = student.logits().detach(), teacher.logits()
    return student.but(values=(1 - share) * z_s + share * z_t, reduce="none")


def cross_entropy(student: Decisions, target: Decisions, T: float) -> Tensor:
    """Per row [N], without T²; the mean over tags."""
    rows = -(target.log_probs(T).exp() * student.log_probs(T)).sum(-1)
    return rows.mean(-1) if student.axis == "tag" else rows


class TAID(Method):
    """A target that moves from the student to the teacher."""

    name = "taid"
    Config = TAIDConfig
    needs = Needs(streams=frozenset({"transfer"}), signal=frozenset({"probs"}))
    share: Tensor
    trend: Tensor
    before: Tensor

    def __init__(self, config: TAIDConfig | None = None):
        super().__init__(config)
        self.register_buffer("share", torch.tensor(float(self.c.start)))
        self.register_buffer("trend", torch.tensor(0.0))
        self.register_buffer("before", torch.tensor(float("inf")))  # J of the step before; none yet

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match() -> Tensor:
            student, teacher = step.decide(), step.teacher().decisions
            target = blend(student, teacher, self.share)
            loss = student.mean(cross_entropy(student, target, c.T))
            self.follow(loss.detach(), step.progress)
            return c.T * c.T * loss

        return {
            "task": Term(step.supervised, c.task),
            "taid": Term(match, c.weight),
        }

    def follow(self, loss: Tensor, progress: float) -> None:
        """Move the target on by what the student achieved. No value leaves the device."""
        c = self.c
        first = torch.isinf(self.before)
        gain = (self.before - loss) / (self.before + 1e-15)
        trend = torch.where(first, self.trend, c.momentum * self.trend + (1 - c.momentum) * gain)
        faster = self.share + c.rate * torch.sigmoid(trend) * (1 - self.share)
        ramp = c.start + (c.end - c.start) * progress
        share = torch.where(first, self.share, faster.clamp(min=ramp).clamp(max=c.end))
        self.share.copy_(share)
        self.trend.copy_(trend)
        self.before.copy_(loss)
