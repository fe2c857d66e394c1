"""SRRL: features that the teacher's own classifier reads as it reads the teacher's.

J. Yang, B. Martinez, A. Bulat, G. Tzimiropoulos: Knowledge Distillation via Softmax Regression Representation Learning.
ICLR 2021.

    h' = ReLU(BatchNorm(1×1 (s)))
    L = task · CE + weight · (mean_b mean_c (avg h' − avg h_t)² + mean (W_t h' − z_t)²)

avg is the mean over a map's positions. `connect: pooled` lays the connector on the pooled vector instead, as one later release
does; of a batch of one its BatchNorm then takes the running statistics. The teacher's classifier is a frozen copy and leaves with
the method, as the connector does. Where the taps are the classifier's own input (a vector, or the map under a dense head) nothing
is averaged.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task
from kdbench.methods.vector_norm import VectorNorm
from kdbench.models.cut import tail


class SRRLConfig(Config):
    student_tap: str = Field("stage3", description="the student's tap that is connected: its last map, or a vector")
    teacher_tap: str = Field("embedding", description="what the teacher's classifier reads")
    connect: Literal["map", "pooled"] = Field("map", description="the connector before the mean over positions, or behind it")
    weight: float = Field(1.0, ge=0, description="weight of both squared errors together")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")


def errors(features: Tensor, target: Tensor, values: Tensor, target_values: Tensor) -> Tensor:
    """Squared error of features and of what the classifier makes of them; means over everything."""
    return (features - target).pow(2).mean() + (values - target_values).pow(2).mean()


class SRRL(Method):
    """Regression of the teacher's embedding and, through its classifier, of its logits."""

    name = "srrl"
    Config = SRRLConfig
    needs = Needs(
        axes=frozenset({"class", "tag"}),
        streams=frozenset({"transfer"}),
        teachers="one",
        student_taps=frozenset({"$student_tap"}),
        teacher_taps=frozenset({"$teacher_tap"}),
    )

    def build(self, specs: Specs, task: Task) -> None:
        ours, theirs = specs.student.taps[self.c.student_tap], specs.teacher.taps[self.c.teacher_tap]
        if len(ours) < len(theirs) or len(theirs) not in (1, 3):
            raise KdbenchError(f"srrl: tap {self.c.student_tap} {ours} cannot become the teacher's {self.c.teacher_tap} {theirs}")
        self.average = len(ours) == 3 and len(theirs) == 1
        on_map = len(theirs) == 3 or (self.average and self.c.connect == "map")
        layer: nn.Module = nn.Conv2d(ours[0], theirs[0], 1, bias=False) if on_map else nn.Linear(ours[0], theirs[0], bias=False)
        norm: nn.Module = nn.BatchNorm2d(theirs[0]) if on_map else VectorNorm(theirs[0])
        self.connector = nn.Sequential(layer, norm, nn.ReLU())
        self.first_average, self.sample = self.average and not on_map, specs.sample

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        if not teachers or self.sample is None:
            raise KdbenchError("srrl reads through the classifier of a frozen teacher, this source has none")
        self.classifier = tail(teachers[0], self.c.teacher_tap, self.sample).requires_grad_(False)
        return net

    def connected(self, tap: Tensor) -> Tensor:
        found = self.connector(tap.mean((2, 3)) if self.first_average else tap)
        return found.mean((2, 3)) if self.average and not self.first_average else found

    def gap(self, step: Step) -> Tensor:
        features, target = self.connected(step.student().taps[self.c.student_tap]), step.teacher().taps[self.c.teacher_tap]
        if features.shape != target.shape:
            features = torch.nn.functional.interpolate(features, target.shape[2:], mode="bilinear", align_corners=False)
        return errors(features, target, self.classifier(features), self.classifier(target))

    def terms(self, step: Step) -> dict[str, Term]:
        return {"task": Term(step.supervised, self.c.task), "srrl": Term(lambda: self.gap(step), self.c.weight)}
