"""Factor transfer: the teacher is first paraphrased, then the student learns to say the paraphrase.

J. Kim, S. Park, N. Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer. NeurIPS 2018.

    phase paraphrase:  L = mean (decode(encode(t)) − t)²          the paraphraser alone learns; the student waits
    phase distil:      L = task · CE + weight · Σ_taps mean |u(translate(s)) − u(encode(t))|   [+ kd · KD]
    paper:  u(F) = F / ‖F‖ over channels and positions       (also the authors' release, at a weight of 500)
    crd:    u(F) = mean_c F², then at norm 1 over positions  (what the CRD comparison ran, at 200: attention maps of factors)

Factors have `factors` times the teacher's channels. Encoder, decoder and translator are three 3×3 convolutions each (1×1 on
vectors and lists), LeakyReLU(0.1) after every one, no batch norm. Maps of unequal size meet at the smaller, after the factors.

The mean over a unit vector of n entries falls as 1/√n: the weight that fits depends on the size of the map (of its factors),
calibrate it. The default is the authors' for 8×8 maps of 64 channels. The first phase is 30 of 270 epochs in the CRD comparison
and takes its share of the one budget of steps here. Paraphraser and translator leave with the method.

Seen here on digits (maps of 8×8 to 2×2; test accuracy over none in points, five seeds, 95 %; kd gives +4.4 ± .5):
−2.8 ± 2.5, with a paraphraser that had learned nothing in its 44 steps: its error ended at 11 (at a rate of .03) where the
tap's variance is .77; at .01 and .002 it ended at .77 and .76. Compare `paraphrase` with that variance before reading a result.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.method import Owner, Phase, Step, Term
from kdbench.contract.model import Net
from kdbench.contract.taps import Shape, meet, width
from kdbench.methods.features import FeatureMethod, PhasedConfig, as_map, unit


class FTConfig(PhasedConfig):
    variant: Literal["paper", "crd"] = Field("paper", description="whole factors, or the CRD comparison's maps of their energy")
    student_taps: list[str] = Field(["stage3"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["stage3"], min_length=1, description="the teacher's taps, compared with them one by one")
    weight: float = Field(500.0, ge=0, description="weight of the factors' distance, summed over taps")
    factors: float = Field(0.5, gt=0, description="channels of a factor, as a share of the teacher's")
    share: float = Field(30 / 270, gt=0, lt=1, description="share of the steps spent on the paraphraser")
    lr: float | None = Field(None, gt=0, description="learning rate of the paraphraser; without one, the recipe's")


def convolutions(channels: list[int], size: int) -> nn.Sequential:
    """Convolutions that keep the map's size, through these numbers of channels."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


class Paraphrase(nn.Module):
    """Encoder and decoder of the teacher's map, and the student's translator."""

    def __init__(self, student: Shape, teacher: Shape, factors: float):
        super().__init__()
        ours, theirs = width(student), width(teacher)
        factor = max(1, round(theirs * factors))
        size = 3 if len(teacher) == 3 else 1
        self.encoder = convolutions([theirs, theirs, factor, factor], size)
        self.decoder = convolutions([factor, factor, theirs, theirs], size)
        self.translator = convolutions([ours, ours, factor, factor], size)


def factor_gap(student: Tensor, teacher: Tensor, variant: str) -> Tensor:
    """Mean absolute difference of normalised factors [B,C,H,W]."""
    if variant == "crd":
        student, teacher = student.pow(2).mean(1), teacher.pow(2).mean(1)
    return (unit(student.flatten(1)) - unit(teacher.flatten(1))).abs().mean()


class FT(FeatureMethod):
    """A phase for the teacher's paraphrase, then distillation of its factors."""

    name = "ft"
    Config = FTConfig

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        return Paraphrase(student, teacher, self.c.factors)

    def owners(self, net: Net) -> dict[str, Owner]:
        own = dict(self.named_parameters())
        translator = [p for name, p in own.items() if ".translator." in name]
        paraphraser = [p for name, p in own.items() if ".translator." not in name]
        settings = {} if self.c.lr is None else {"lr": self.c.lr}
        return {"student": Owner([*net.parameters(), *translator]), "paraphraser": Owner(paraphraser, settings)}

    def phases(self) -> list[Phase]:
        if self.c.weight == 0:  # nothing to paraphrase for
            return [Phase("distil")]
        return [Phase("paraphrase", self.c.share), Phase("distil", 1 - self.c.share)]

    def terms(self, step: Step) -> dict[str, Term]:
        if step.phase == "paraphrase":
            return {"paraphrase": Term(lambda: self.loss_of_paraphrase(step), owner="paraphraser")}
        return super().terms(step)

    def loss_of_paraphrase(self, step: Step) -> Tensor:
        taps = step.teacher().taps
        losses = []
        for own, tap in zip(cast("list[Paraphrase]", self.layers), self.c.teacher_taps):
            t = as_map(taps[tap])
            losses.append((own.decoder(own.encoder(t)) - t).pow(2).mean())
        return torch.stack(losses).sum()

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        with torch.no_grad():
            factor = layers.encoder(as_map(teacher))
        return factor_gap(*meet(layers.translator(as_map(student)), factor), self.c.variant)
