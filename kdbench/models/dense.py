"""The built-in nets for maps: a small pyramid of convolutions with a sum of laterals, logits at half the image's size."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin

TAPS = ("stage1", "stage2", "stage3", "embedding")


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class DenseConfig(Config):
    widths: tuple[int, int, int] = Field(description="channels at strides 2, 4 and 8")
    blocks: tuple[int, int, int] = Field(description="further 3x3 convolutions at each of these strides")
    decoder: int = Field(gt=0, description="channels of the summed map under the head")


class TeacherConfig(DenseConfig):
    widths: tuple[int, int, int] = (16, 32, 64)
    blocks: tuple[int, int, int] = (1, 2, 2)
    decoder: int = 24


class StudentConfig(DenseConfig):
    widths: tuple[int, int, int] = (8, 12, 16)
    blocks: tuple[int, int, int] = (0, 1, 1)
    decoder: int = 12


class DenseNet(nn.Module):
    """Three stages of stride 2; 1x1 laterals are summed from coarse to fine, smoothed, and read by a 1x1 head at stride 2."""

    def __init__(self, channels: int, outputs: int, c: DenseConfig):
        super().__init__()
        before = (channels, *c.widths)
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(before[i], c.widths[i], 2), *(_conv(c.widths[i], c.widths[i]) for _ in range(c.blocks[i])))
            for i in range(3)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, c.decoder, 1) for width in c.widths)
        self.smooth = _conv(c.decoder, c.decoder)
        self.head = nn.Conv2d(c.decoder, outputs, 1)

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        maps, x = [], image
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        summed = self.laterals[2](maps[2])
        for level in (1, 0):
            fine = self.laterals[level](maps[level])
            summed = fine + F.interpolate(summed, fine.shape[-2:], mode="nearest")
        embedding = self.smooth(summed)
        return self.head(embedding), dict(zip(TAPS, (*maps, embedding), strict=True))

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_taps(image)[0]


def _build(facts: Facts, config: DenseConfig) -> DenseNet:
    return DenseNet(facts.channels, facts.outputs, config)


street_teacher = ModelPlugin(
    name="street_teacher",
    build=_build,
    taps=TAPS,
    Config=TeacherConfig,
    doc="convolutional pyramid for maps, widths 16/32/64 (126,768 parameters on `streets`)",
)
street_student = ModelPlugin(
    name="street_student",
    build=_build,
    taps=TAPS,
    Config=StudentConfig,
    doc="convolutional pyramid for maps, widths 8/12/16 (8,428 parameters on `streets`)",
)
