"""Pseudo-labels: learn the source's answers as if they were labels.

D.-H. Lee: Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks. ICML 2013 workshop;
with a threshold in K. Sohn et al.: FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence. NeurIPS 2020.

    L = task · loss(y, s) + weight · r(t) · loss(ŷ, s),    r(t) = exp(−5 (1 − min(t / ramp, 1))²), 1 without a ramp

Which answers count, and how much, is said by the source (`labels`): a row that is not valid leaves the mean, a row of weight 0
stays in it. So this one method is self-training from a frozen teacher (source live, labels: threshold), mean teacher with class
mixing (source ema, labels: uniform, stage classmix), distillation of fused labels (source ensemble, fusion: channel) and
cross pseudo supervision (source peers, labels: argmax).
"""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor

from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class PseudoLabelsConfig(Config):
    weight: float = Field(1.0, ge=0, description="weight of the loss on pseudo-labels")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss; 0 reads no label")
    ramp: float = Field(0.0, ge=0, le=1, description="share of the steps over which the weight rises")


class PseudoLabels(Method):
    """The supervised loss on labels that the source made."""

    name = "pseudo_labels"
    Config = PseudoLabelsConfig
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"transfer"}), signal=frozenset({"labels"}))
    exempt = {"fixed-point": "a hard label asks for more certainty than the teacher that gave it has"}

    def terms(self, step: Step) -> dict[str, Term]:
        def learn() -> Tensor:
            given = step.teacher().decisions
            return step.task.loss(step.decide().but(labels=given.labels, valid=given.valid, weight=given.weight))

        ramp = math.exp(-5 * (1 - min(1.0, step.progress / self.c.ramp)) ** 2) if self.c.ramp else 1.0
        return {
            "task": Term(step.supervised, self.c.task),
            "pseudo": Term(learn, self.c.weight * ramp),
        }
