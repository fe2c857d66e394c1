"""Curriculum temperature: the temperature is learned against the student, gently at first.

Z. Li, X. Li, L. Yang, B. Zhao, R. Song, L. Luo, J. Li, J. Yang: Curriculum Temperature for Knowledge Distillation. AAAI 2023.
(The global form: one temperature for all samples.)

    T = lowest + span · sigmoid(θ),    θ starts at 1
    L = task · CE + weight · T² · mean_i KL(p_t(i; T) ‖ p_s(i; T))
    θ receives its gradient times λ,    λ falls from 0 to −1 along half a cosine over the curriculum's share of the steps

The student's gradient is that of kd at this T; a negative λ makes θ climb where the student descends. θ is in the student's
group, so the recipe's learning rate and weight decay act on it, as in the release. `temperature` is logged because the curriculum
may collapse: a published log (with standardised logits) is at T 2 from the second epoch on.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 86.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import divergence
from kdbench.contract.method import Method, Owner, Specs, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task


class CTKDConfig(Config):
    lowest: float = Field(1.0, gt=0, description="temperature that is never gone below")
    span: float = Field(20.0, gt=0, description="how far above it the temperature may go")
    curriculum: float = Field(10 / 240, ge=0, le=1, description="share of the steps over which the adversary gains its strength")
    weight: float = Field(0.9, ge=0, description="weight of the divergence to the teacher")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss")


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """x, whose gradient is multiplied by the factor."""
    still = x.detach()
    return still + factor * (x - still)


def strength(progress: float, share: float) -> float:
    """λ: from 0 to −1 along half a cosine, then −1."""
    done = min(progress / share, 1.0) if share else 1.0
    return -(1 - math.cos(math.pi * done)) / 2


class CTKD(Method):
    """Softened answers at a temperature that learns to make them hard to match."""

    name = "ctkd"
    Config = CTKDConfig
    needs = Needs(streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def build(self, specs: Specs, task: Task) -> None:
        self.theta = nn.Parameter(torch.ones(()))

    def temperature(self, factor: float = 1.0) -> Tensor:
        return self.c.lowest + self.c.span * torch.sigmoid(scaled_gradient(self.theta, factor))

    def terms(self, step: Step) -> dict[str, Term]:
        def match() -> Tensor:
            T = self.temperature(strength(step.progress, self.c.curriculum))
            student, teacher = step.decide(), step.teacher().decisions
            # Divided beforehand, so that the temperature may be a tensor; an ensemble's mean is taken before it, as everywhere.
            s, t = (d.but(values=d.logits() / T, reduce="none") for d in (student, teacher))
            return T * T * student.mean(divergence(s, t))

        return {"task": Term(step.supervised, self.c.task), "ctkd": Term(match, self.c.weight)}

    def backward(self, terms: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
        values = super().backward(terms, owners)
        return {**values, "temperature": self.temperature().detach()}
