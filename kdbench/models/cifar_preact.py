"""Pre-activation residual nets of 6n+2 or 9n+2 layers for CIFAR, as in the fidelity literature, with either norm.

K. He, X. Zhang, S. Ren, J. Sun: Identity Mappings in Deep Residual Networks. ECCV 2016. As in S. Stanton et al. (NeurIPS 2021):
widths 16/32/64, bottlenecks (four times as wide outside) from depth 44 on, a bare 1x1 convolution as the shortcut where the shape
changes, which reads the block's input before its norm.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_resnet import kaiming, pooled

BOTTLENECK_FROM = 44


class PreactConfig(Config):
    norm: Literal["batch", "layer"] = Field(
        "batch", description="batch statistics, or each image's own over channels and places, which nets of equal weights share"
    )


def _norm(width: int, kind: str) -> nn.Module:
    return nn.BatchNorm2d(width) if kind == "batch" else nn.GroupNorm(1, width)


class Block(nn.Module):
    """Norm, ReLU and convolution, two or three times, beside a shortcut; the stride is in the first 3x3 convolution."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool, norm: str) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        shapes = [(inputs, width, 3), (width, width, 3)]
        if bottleneck:
            shapes = [(inputs, width, 1), (width, width, 3), (width, outputs, 1)]
        strided = 1 if bottleneck else 0
        self.norms = nn.ModuleList(_norm(first, norm) for first, _, _ in shapes)
        self.convs = nn.ModuleList(
            nn.Conv2d(first, last, kernel, stride if number == strided else 1, kernel // 2, bias=False)
            for number, (first, last, kernel) in enumerate(shapes)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for norm, conv in zip(self.norms, self.convs):
            y = conv(F.relu(norm(y)))
        return y + self.shortcut(x)


class PreactResNet(nn.Module):
    """A 3x3 stem and three stages, the last two of which halve the map; taps are raw sums, before norm and ReLU."""

    def __init__(self, channels: int, outputs: int, depth: int, norm: str) -> None:
        super().__init__()
        bottleneck = depth >= BOTTLENECK_FROM
        blocks, expansion = ((depth - 2) // 9, 4) if bottleneck else ((depth - 2) // 6, 1)
        self.stem = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        stages, inputs = [], 16
        for number, width in enumerate((16, 32, 64)):
            stage = []
            for position in range(blocks):
                stage.append(Block(inputs, width, 2 if number and not position else 1, bottleneck, norm))
                inputs = width * expansion
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.norm = _norm(inputs, norm)
        self.head = nn.Linear(inputs, outputs)
        kaiming(self)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := self.stem(x))}
        for number, stage in enumerate(self.stages, 1):
            taps[f"stage{number}"] = x = stage(x)
        taps["embedding"] = pooled(F.relu(self.norm(x)))
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


def _plugin(depth: int) -> ModelPlugin:
    def build(facts: Facts, config: PreactConfig) -> PreactResNet:
        return PreactResNet(facts.channels, facts.outputs, depth, config.norm)

    blocks = "bottlenecks" if depth >= BOTTLENECK_FROM else "basic blocks"
    return ModelPlugin(
        name=f"preact_resnet{depth}",
        build=build,
        taps=("stem", "stage1", "stage2", "stage3", "embedding"),
        doc=f"Pre-activation CIFAR ResNet of depth {depth} ({blocks}), widths 16/32/64, with batch or layer norm.",
        Config=PreactConfig,
    )


preact_resnet8 = _plugin(8)
preact_resnet20 = _plugin(20)
preact_resnet56 = _plugin(56)
preact_resnet110 = _plugin(110)
