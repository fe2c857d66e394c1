"""Masked generative distillation: from a part of the student's feature, generate all of the teacher's.

Z. Yang, Z. Li, M. Shao, D. Shi, Z. Yuan, C. Yuan: Masked Generative Distillation. ECCV 2022.

    L = task · CE + weight · Σ_taps mean_i Σ_{c, position} (G(M ⊙ align(F_s)) − F_t)² [+ kd · KD]

M drops a channel (classification) or a position (dense) with probability `drop`, anew at each step and without rescaling; align
is a 1×1 convolution where widths differ; G is conv3×3, ReLU, conv3×3. Both leave with the method. Maps meet at the smaller size.

The sum ties the weight to the map: 7e-5 is for 2048 channels at 7×7 (7 per element), `reduction: mean` takes it per element.
Released: channels, drop .15, 7e-5 for classification; positions, drop .65, 2e-5 for a one-stage detector.

On digits (three seeds, pair and recipe of the task, defaults not tuned; control 81.3, kd 85.9): 81.6, no effect: the
sum's weight is made for larger maps.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Step
from kdbench.contract.taps import Shape, meet, width
from kdbench.methods.features import FeatureConfig, FeatureMethod, as_map


class MGDConfig(FeatureConfig):
    weight: float = Field(7e-5, ge=0, description="weight of the squared error, summed over taps")
    student_taps: list[str] = Field(["stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["stage3"], min_length=1, description="the teacher's taps, compared with them one by one")
    mask: Literal["channel", "position"] = Field("channel", description="what is dropped")
    drop: float = Field(0.15, ge=0, lt=1, description="probability with which it is dropped")
    reduction: Literal["sum", "mean"] = Field("sum", description="over a sample's elements: the paper's sum, or their mean")


def kept(shape: torch.Size, what: str, drop: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """A mask of ones and zeros that broadcasts over maps of this shape."""
    batch, channels, height, breadth = shape
    size = (batch, channels, 1, 1) if what == "channel" else (batch, 1, height, breadth)
    return (torch.rand(size, generator=generator, device=device) >= drop).float()


class MGD(FeatureMethod):
    """The teacher's map, generated from a masked one of the student."""

    name = "mgd"
    Config = MGDConfig

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        if len(student) == 1 and self.c.mask == "position":
            raise KdbenchError("a vector has no positions to drop; use mask: channel")
        own, wanted = width(student), width(teacher)
        align = nn.Identity() if own == wanted else nn.Conv2d(own, wanted, 1)
        convolutions = (nn.Conv2d(wanted, wanted, 3, padding=1), nn.ReLU(), nn.Conv2d(wanted, wanted, 3, padding=1))
        return nn.ModuleDict({"align": align, "generate": nn.Sequential(*convolutions)})

    def gaps(self, step: Step) -> Tensor:
        """[taps] squared errors."""
        found = []
        for layers, (student, teacher) in zip(self.layers, self.pairs(step), strict=True):
            assert isinstance(layers, nn.ModuleDict)
            mine, wanted = meet(layers["align"](as_map(student)), as_map(teacher))
            mask = kept(mine.shape, self.c.mask, self.c.drop, step.generator, mine.device)
            error = (layers["generate"](mine * mask) - wanted).pow(2).flatten(1)
            found.append((error.sum(1) if self.c.reduction == "sum" else error.mean(1)).mean())
        return torch.stack(found)
