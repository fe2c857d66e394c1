"""DHO: one head learns the labels, another the teacher; both are kept, and their answers averaged.

S. Kang, D. B. Lee, H. Jang, S. J. Hwang: Simple yet Effective Semi-supervised Knowledge Distillation from Vision-Language Models
via Dual-Head Optimization. 2025, arXiv 2505.07675.

    L = task · CE(y, h_ce(f(x_l))) + weight · T² · (KL(p_t ‖ h_kd(f(x_l))) + KL(p_t ‖ h_kd(f(x_u))))
    answers: p = share · softmax(h_ce) + (1 − share) · softmax(h_kd / beta)

Two losses that pull one head apart reach the features through two. Share and beta .5 as in the release for its larger sets; for
the smallest ones it searches both on validation. Its CLIP students normalise features and scale by 100, ordinary students do not.
Parameters count with both heads. A transfer stream that is the labelled one is not distilled twice.
"""

from __future__ import annotations

from functools import partial

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.decisions import divergence
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task
from kdbench.models.cut import anew, tail
from kdbench.models.heads import ManyHeads, OnTap, mixed

HEAD = "distilled"


class DHOConfig(Config):
    T: float = Field(2.0, gt=0, description="temperature of training")
    weight: float = Field(1.0, ge=0, description="weight of the distilled head's divergences")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    share: float = Field(0.5, ge=0, le=1, description="the labelled head's share of the answer")
    beta: float = Field(0.5, gt=0, description="temperature of the distilled head in the answer")
    tap: str = Field("embedding", description="what both heads read")


def answer(axis: str, share: float, beta: float, values: Tensor, heads: dict[str, Tensor]) -> Tensor:
    """Logits of the weighted mean of both heads' probabilities."""
    if share in (0.0, 1.0):
        return values if share else heads[HEAD] / beta
    return mixed(torch.stack((values, heads[HEAD] / beta)), axis, [share, 1 - share])


class DHO(Method):
    """A supervised and a distilled head on one student."""

    name = "dho"
    Config = DHOConfig
    needs = Needs(
        axes=frozenset({"class", "tag"}),
        streams=frozenset({"labelled", "transfer"}),
        signal=frozenset({"probs"}),
        student_taps=frozenset({"$tap"}),
        asks=True,
    )
    exempt = {"weight-zero": "the answer is that of two heads, at any weight"}

    def build(self, specs: Specs, task: Task) -> None:
        self.axis, self.sample = task.axis, specs.sample

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        if self.sample is None:
            raise KdbenchError("dho tries its head on two samples, none were given")
        head = OnTap(self.c.tap, anew(tail(net, self.c.tap, self.sample)))
        return net.rebuilt(ManyHeads(net.backbone, {HEAD: head}, partial(answer, self.axis, self.c.share, self.c.beta)))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match(on: str) -> Tensor:
            student = step.decide(on, HEAD)
            return student.mean(divergence(student, step.teacher(on).decisions, c.T))

        both = {"distilled": Term(partial(match, "transfer"), c.weight)}
        if step.batch("labelled") is not step.batch("transfer"):
            both["distilled_labelled"] = Term(partial(match, "labelled"), c.weight)
        return {"task": Term(step.supervised, c.task), **both}
