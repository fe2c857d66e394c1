"""Knowledge review: each stage of the student, joined with its deeper ones, learns the teacher's stage.

P. Chen, S. Liu, H. Zhao, J. Jia: Distilling Knowledge via Knowledge Review. CVPR 2021.

    from the deepest tap to the shallowest:  x = BN(conv1×1 s);  x ← a · x + b · y,  y: the deeper level's x at this size
                                             [a, b] = sigmoid(conv1×1 [x, y])        (attention-based fusion; none at the deepest)
                                             r = BN(conv3×3 x) at the teacher's size and width
    HCL(r, t) = (MSE + ½ MSE at 4×4 + ¼ at 2×2 + ⅛ at 1×1) / sum of the factors,  only for sizes below the map's own
    L = task · CE + weight · w · Σ_levels HCL [+ kd · KD],    w rises linearly over the warm-up share

Vectors take part as maps of one position, so that `embedding` is the paper's pooled last level. The teacher is read after its
activations, as taps are; the release reads it before them. Batch statistics of a map of one position need two samples.

Weights per CIFAR-100 pair in the release: .6 (resnet56 to 20), 1 (resnet110 to 32), 5 (WRN pairs, 32x4 to 8x4 and to
ShuffleNetV1), 8 (32x4 to ShuffleNetV2); ImageNet 1 (ResNet-34 to 18), 8 (ResNet-50 to MobileNetV1). It trains CIFAR with
batch 128, rate .1 and Nesterov, which is another recipe than its rivals had.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 85.0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import MethodError
from kdbench.contract.method import Specs, Step, Term
from kdbench.contract.taps import width
from kdbench.contract.task import Task
from kdbench.methods.features import FeatureConfig, FeatureMethod, as_map

LEVELS = ["stage1", "stage2", "stage3", "embedding"]


class ReviewKDConfig(FeatureConfig):
    student_taps: list[str] = Field(LEVELS, min_length=1, description="the student's taps, from the shallowest to the deepest")
    teacher_taps: list[str] = Field(LEVELS, min_length=1, description="the teacher's taps that they learn, one by one")
    width: int = Field(512, ge=1, description="channels of the fusion, at most those of the student's deepest tap")
    warmup: float = Field(20 / 240, ge=0, le=1, description="share of the steps over which the weight rises")


class Fusion(nn.Module):
    """One level: the student's tap and the deeper level's residual become a residual for the next and an output."""

    def __init__(self, inputs: int, middle: int, outputs: int, fuse: bool):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(inputs, middle, 1, bias=False), nn.BatchNorm2d(middle))
        self.gate = nn.Conv2d(2 * middle, 2, 1) if fuse else None
        self.expand = nn.Sequential(nn.Conv2d(middle, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, tap: Tensor, deeper: Tensor | None, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        if self.training and tap.shape[0] * tap.shape[2] * tap.shape[3] == 1:
            raise MethodError(
                "reviewkd normalises over batch and positions: a tap without positions needs a batch of two or more"
            )
        x = self.reduce(tap)
        if self.gate is not None and deeper is not None:
            y = resized(deeper, x.shape[2:])
            share = torch.sigmoid(self.gate(torch.cat((x, y), 1)))
            x = x * share[:, :1] + y * share[:, 1:]
        x = resized(x, size)
        return self.expand(x), x


def resized(tap: Tensor, size: Sequence[int]) -> Tensor:
    """At this size by the nearest neighbour, as the release does it."""
    return tap if tuple(tap.shape[2:]) == tuple(size) else F.interpolate(tap, tuple(size), mode="nearest")


def hierarchical(student: Tensor, teacher: Tensor) -> Tensor:
    """HCL of two maps of equal size: squared error at the map's own size and, with less weight, at coarser ones."""
    loss, total, factor = F.mse_loss(student, teacher), 1.0, 1.0
    height, breadth = student.shape[2:]
    for side in (4, 2, 1):
        if side >= max(height, breadth):
            continue
        factor /= 2
        size = (min(side, height), min(side, breadth))
        loss = loss + factor * F.mse_loss(F.adaptive_avg_pool2d(student, size), F.adaptive_avg_pool2d(teacher, size))
        total += factor
    return loss / total


class ReviewKD(FeatureMethod):
    """Stages fused from deep to shallow, each compared with the teacher's at several sizes."""

    name = "reviewkd"
    Config = ReviewKDConfig

    def build(self, specs: Specs, task: Task) -> None:
        inputs = [width(specs.student.taps[tap]) for tap in self.c.student_taps]
        outputs = [width(specs.teacher.taps[tap]) for tap in self.c.teacher_taps]
        middle, deepest = min(self.c.width, inputs[-1]), len(inputs) - 1
        pairs = enumerate(zip(inputs, outputs, strict=True))
        self.fusions = nn.ModuleList(Fusion(i, middle, o, fuse=level < deepest) for level, (i, o) in pairs)

    def terms(self, step: Step) -> dict[str, Term]:
        ramp = min(1.0, step.progress / self.c.warmup) if self.c.warmup else 1.0
        # A weight of exactly 0 means "switched off": at the first step of the warm-up the term is only very small.
        ramp = max(ramp, 1e-8)
        return {**self.answers(step), self.name: Term(lambda: self.gap(step), self.c.weight * ramp)}

    def gaps(self, step: Step) -> Tensor:
        """[levels] distances, the deepest first."""
        found, deeper = [], None
        for fusion, (student, teacher) in reversed(list(zip(self.fusions, self.pairs(step), strict=True))):
            hint = as_map(teacher)
            out, deeper = fusion(as_map(student), deeper, hint.shape[2:])
            found.append(hierarchical(out, hint))
        return torch.stack(found)
