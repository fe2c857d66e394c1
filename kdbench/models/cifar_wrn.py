"""Wide residual nets for CIFAR, wrn_depth_width: pre-activation blocks, a stem of 16, no dropout.

The maps of stem and stages are the raw sums, before the next BatchNorm and ReLU: what the next block reads is made from
them, and a method that compares features decides itself where to rectify. The embedding comes after the last ReLU.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_resnet import kaiming, pooled


class PreActivation(nn.Module):
    """BatchNorm and ReLU before each convolution; where the width changes, the shortcut reads the activated input."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False) if inputs != width or stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        y = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return y + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    def __init__(self, channels: int, outputs: int, depth: int, factor: int) -> None:
        super().__init__()
        blocks, inputs = (depth - 4) // 6, 16
        self.stem = nn.Conv2d(channels, inputs, 3, 1, 1, bias=False)
        stages = []
        for width, stride in ((16 * factor, 1), (32 * factor, 2), (64 * factor, 2)):
            rest = [PreActivation(width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(PreActivation(inputs, width, stride), *rest))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.norm = nn.BatchNorm2d(inputs)
        self.head = nn.Linear(inputs, outputs)
        kaiming(self)
        nn.init.zeros_(self.head.bias)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := self.stem(x))}
        for number, stage in enumerate(self.stages, 1):
            taps[f"stage{number}"] = x = stage(x)
        taps["embedding"] = pooled(F.relu(self.norm(x)))
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


def _plugin(depth: int, factor: int) -> ModelPlugin:
    def build(facts: Facts, config: Config) -> WideResNet:
        return WideResNet(facts.channels, facts.outputs, depth, factor)

    return ModelPlugin(
        name=f"wrn_{depth}_{factor}",
        build=build,
        taps=("stem", "stage1", "stage2", "stage3", "embedding"),
        doc=f"Wide ResNet of depth {depth}, {factor} times as wide as the plain one; maps before BatchNorm and ReLU.",
    )


wrn_16_1 = _plugin(16, 1)
wrn_16_2 = _plugin(16, 2)
wrn_40_1 = _plugin(40, 1)
wrn_40_2 = _plugin(40, 2)
