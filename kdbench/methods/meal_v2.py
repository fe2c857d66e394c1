"""MEAL V2: learn the mean answer of several teachers, under the eye of a discriminator that may not tell the student from them.

Z. Shen, M. Savvides: MEAL V2: Boosting Vanilla ResNet-50 to 80%+ Top-1 Accuracy on ImageNet without Tricks. 2020,
arXiv 2009.08453.

    q = mean over teachers of their probabilities,    L = CE(q, s) + task · CE(y, s)          (no label in the paper)
    discriminator D: layers K→K/8→K/64→2 on logits; tell = BCE of D on (student: [1,0]; teachers' mean logits: [0,1])
    adversarial: D descends on tell, the student on −fool · BCE of its own rows: it wants to be taken for a teacher
    released:    both descend on tell, and a ReLU ends D. There is no reversal, so the two become easier to tell apart

The divergence is written as KL: CE less the entropy of q, which has the same gradient and is 0 where the student says what q
says. The learning rate of D is never used by the released code; here D has the student's, without weight decay. K/8 and K/64 are
at least 8 and 4, since few classes would leave nothing. The paper starts from a trained student: that is said by `init`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.method import Method, Owner, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task


class MEALConfig(Config):
    discriminator: Literal["off", "adversarial", "released"] = Field(
        "adversarial", description="no discriminator; one that the student tries to fool; or the released one, which it helps"
    )
    weight: float = Field(1.0, ge=0, description="weight of the divergence to the teachers' mean")
    fool: float = Field(1.0, ge=0, description="weight of the discriminator in the student's loss")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss; the paper reads no label")


class Discriminator(nn.Sequential):
    """Logits of (student, teacher) from a row of answers' logits."""

    def __init__(self, answers: int, last_relu: bool):
        inside, narrow = max(8, answers // 8), max(4, answers // 64)
        layers = [nn.Linear(answers, inside), nn.ReLU(), nn.Linear(inside, narrow), nn.ReLU(), nn.Linear(narrow, 2)]
        super().__init__(*layers, *([nn.ReLU()] if last_relu else []))


def mean_logits(decisions: Decisions) -> Tensor:
    """[N,K] the mean of the teachers' logits, whatever mean the signal itself stands for."""
    return decisions.values.mean(0) if decisions.values.dim() == 3 else decisions.values


def told(judged: Tensor, teacher: bool) -> Tensor:
    """BCE per row [N] of the discriminator's logits [N,2] against who it was."""
    target = torch.zeros_like(judged)
    target[:, int(teacher)] = 1
    return F.binary_cross_entropy_with_logits(judged, target, reduction="none").mean(1)


class MEAL(Method):
    """Mean answers of an ensemble, with a discriminator."""

    name = "meal_v2"
    Config = MEALConfig
    needs = Needs(axes=frozenset({"class"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def build(self, specs: Specs, task: Task) -> None:
        if self.c.discriminator != "off":
            self.discriminator = Discriminator(specs.student.outputs, self.c.discriminator == "released")

    def owners(self, net: Net) -> dict[str, Owner]:
        owners = {"student": Owner(list(net.parameters()))}
        if self.c.discriminator != "off":
            owners["discriminator"] = Owner(list(self.discriminator.parameters()), {"weight_decay": 0.0})
        return owners

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match() -> Tensor:
            student = step.decide()
            return student.mean(divergence(student, step.teacher().decisions))

        terms = {"task": Term(step.supervised, c.task), "kl": Term(match, c.weight)}
        if c.discriminator == "off" or c.fool == 0:
            return terms

        def caught() -> Tensor:
            student = step.decide()
            return student.mean(told(self.discriminator(student.logits()), teacher=False))

        def tell() -> Tensor:
            student = step.decide()
            known = student.mean(told(self.discriminator(mean_logits(step.teacher().decisions)), teacher=True))
            return 0.5 * (caught() + known)

        sign = -1.0 if c.discriminator == "adversarial" else 1.0
        return {**terms, "fool": Term(caught, sign * c.fool), "tell": Term(tell, owner="discriminator")}
