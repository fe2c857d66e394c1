"""SimKD: the student keeps its encoder and borrows the teacher's classifier; a projector learns to feed it.

D. Chen, J.-P. Mei, H. Zhang, C. Wang, Y. Feng, C. Chen: Knowledge Distillation with the Reused Teacher Classifier. CVPR 2022.

    L = weight · mean ‖t − r(s)‖² (a mean over everything) + task · CE + kd · T² · KL;    answers: W_t · pool(r(s)) + b_t
    r on maps: 1×1 C_s→C_t/f, 3×3, 1×1 →C_t, each with BatchNorm and ReLU, no biases; on vectors: linear layers of these widths

The exported student is its encoder, the projector and the teacher's frozen classifier, and is counted so: the projector alone
has 214,016 parameters for 256→256. The student's own last layer stays in the encoder, frozen and unread. Maps of unequal size
meet at the smaller one. The teacher's tap must be what its classifier reads, up to a mean over positions: other nets are refused.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.decisions import divergence
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term
from kdbench.contract.model import Config, Net
from kdbench.contract.needs import Needs
from kdbench.contract.taps import meet
from kdbench.contract.task import Task
from kdbench.methods.vector_norm import VectorNorm
from kdbench.models.cut import reader, tail

PROJECTED = "projected"


class SimKDConfig(Config):
    student_tap: str = Field("stage3", description="the student's tap that is projected: its last map, or a vector")
    teacher_tap: str = Field("stage3", description="the tap that it must become: what the teacher's classifier reads, or its map")
    factor: int = Field(2, ge=1, description="how much narrower than the teacher's tap the projector is inside")
    weight: float = Field(1.0, ge=0, description="weight of the features' squared error")
    task: float = Field(0.0, ge=0, description="weight of the supervised loss; the paper reads no label")
    kd: float = Field(0.0, ge=0, description="weight of softened answers beside the features")
    T: float = Field(4.0, gt=0, description="temperature of kd")


def projector(inputs: int, outputs: int, factor: int, maps: bool) -> nn.Sequential:
    inside = max(1, outputs // factor)
    layers: list[nn.Module] = []
    for before, after, kernel in ((inputs, inside, 1), (inside, inside, 3), (inside, outputs, 1)):
        if maps:
            layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        else:
            layers += [nn.Linear(before, after, bias=False), VectorNorm(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Reused(nn.Module):
    """A student's encoder, a projector, another net's classifier."""

    def __init__(self, encoder: nn.Module, tap: str, project: nn.Module, classifier: nn.Module, pool: bool):
        super().__init__()
        self.encoder, self.tap, self.project, self.pool = encoder, tap, project, pool
        self.classifier = classifier.requires_grad_(False)

    def forward_heads(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        encoder: Any = self.encoder
        _, taps = encoder.forward_taps(*inputs)
        projected = self.project(taps[self.tap])
        return self.classifier(projected.mean((2, 3)) if self.pool else projected), taps, {PROJECTED: projected}

    def forward_taps(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.forward_heads(*inputs)[:2]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.forward_heads(*inputs)[0]


def same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, atol=1e-5)


class SimKD(Method):
    """Features of the teacher, then its classifier."""

    name = "simkd"
    Config = SimKDConfig
    needs = Needs(
        axes=frozenset({"class", "tag"}),
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        teachers="one",
        student_taps=frozenset({"$student_tap"}),
        teacher_taps=frozenset({"$teacher_tap"}),
    )
    exempt = {"weight-zero": "the student has the teacher's classifier, at any weight"}

    def build(self, specs: Specs, task: Task) -> None:
        ours, theirs = specs.student.taps[self.c.student_tap], specs.teacher.taps[self.c.teacher_tap]
        if len(ours) != len(theirs) or len(ours) not in (1, 3):
            what = f"{self.c.student_tap} {ours} and {self.c.teacher_tap} {theirs}"
            raise KdbenchError(f"simkd: taps {what} must both be maps or both be vectors")
        self.maps, self.sample = len(ours) == 3, specs.sample
        # Kept apart from this module's own parts: it becomes a part of the student.
        self.parts = (projector(ours[0], theirs[0], self.c.factor, self.maps),)

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        if not teachers or self.sample is None:
            raise KdbenchError("simkd borrows the classifier of a frozen teacher, this source has none")
        teacher, tap, [project] = teachers[0], self.c.teacher_tap, self.parts
        with torch.no_grad():
            taps = teacher.eval()(self.sample).taps
        pool = self.maps and taps["embedding"].dim() == 2 and same(taps[tap].mean((2, 3)), taps["embedding"])
        classifier = tail(teacher, "embedding" if pool else tap, self.sample, deep=False)
        unread = reader(net, "embedding", self.sample)
        if unread is not None:
            unread.requires_grad_(False)
        device = next(net.parameters()).device
        return net.rebuilt(Reused(net.backbone, self.c.student_tap, project.to(device), classifier, pool))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def gap() -> Tensor:
            mine, theirs = meet(step.student().heads[PROJECTED], step.teacher().taps[c.teacher_tap])
            return (mine - theirs).pow(2).mean()

        def match() -> Tensor:
            student = step.decide()
            return student.mean(divergence(student, step.teacher().decisions, c.T))

        return {"task": Term(step.supervised, c.task), "simkd": Term(gap, c.weight), "kd": Term(match, c.kd)}
