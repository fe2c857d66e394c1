"""The cheap nets of the CIFAR distillation literature: half-width MobileNetV2, ShuffleNetV1 and ShuffleNetV2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_resnet import conv_norm, kaiming, pooled


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Channels interleaved, so that the next grouped convolution reads from every group."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class Inverted(nn.Module):
    """MobileNetV2's block: widen, filter each channel, narrow without activation. ReLU, and always a widening layer."""

    def __init__(self, inputs: int, outputs: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = inputs * factor
        self.widen = conv_norm(inputs, wide, 1)
        self.depthwise = conv_norm(wide, wide, 3, stride, groups=wide)
        self.narrow = conv_norm(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(F.relu(self.depthwise(F.relu(self.widen(x)))))
        return x + y if self.residual else y


class MobileNetV2Half(nn.Module):
    """Half the published widths, stem of stride 2 even for 32x32; the last convolution keeps its 1280."""

    # (widening, width, blocks, stride of the first block) of the full net; a stage ends where the next one halves the map
    STAGES = (((1, 16, 1, 1), (6, 24, 2, 1)), ((6, 32, 3, 2),), ((6, 64, 4, 2), (6, 96, 3, 1)), ((6, 160, 3, 2), (6, 320, 1, 1)))

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        inputs, last = 16, 1280
        self.stem = conv_norm(channels, inputs, 3, 2)
        stages = []
        for stage in self.STAGES:
            blocks = []
            for factor, width, depth, stride in stage:
                for position in range(depth):
                    blocks.append(Inverted(inputs, width // 2, 1 if position else stride, factor))
                    inputs = width // 2
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.last = conv_norm(inputs, last, 1)
        self.head = nn.Linear(last, outputs)
        kaiming(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := F.relu(self.stem(x)))}
        for number, stage in enumerate(self.stages, 1):
            taps[f"stage{number}"] = x = stage(x)
        taps["embedding"] = pooled(F.relu(self.last(x)))
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


class GroupedShuffle(nn.Module):
    """ShuffleNetV1's block: grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; a halving block appends its pooled input."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        own = outputs - inputs if stride == 2 else outputs
        # The stem is too narrow to be split into groups without starving them.
        self.groups = 1 if inputs == 24 else groups
        self.squeeze = conv_norm(inputs, own // 4, 1, groups=self.groups)
        self.depthwise = conv_norm(own // 4, own // 4, 3, stride, groups=own // 4)
        self.expand = conv_norm(own // 4, own, 1, groups=groups)
        self.halve = stride == 2

    def forward(self, x: Tensor) -> Tensor:
        y = shuffled(F.relu(self.squeeze(x)), self.groups)
        y = self.expand(F.relu(self.depthwise(y)))
        return F.relu(torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], 1) if self.halve else x + y)


class SplitShuffle(nn.Module):
    """ShuffleNetV2's block: one half of the channels passes, the other is filtered; a halving block filters both."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        right = inputs if stride == 2 else inputs - half
        self.halve = stride == 2
        if self.halve:
            self.left = nn.Sequential(conv_norm(inputs, inputs, 3, 2, groups=inputs), conv_norm(inputs, half, 1), nn.ReLU())
        self.right = nn.Sequential(
            conv_norm(right, half, 1),
            nn.ReLU(),
            conv_norm(half, half, 3, stride, groups=half),
            conv_norm(half, half, 1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = (self.left(x), x) if self.halve else x.chunk(2, 1)
        return shuffled(torch.cat([left, self.right(right)], 1), 2)


class ShuffleNet(nn.Module):
    """A 1x1 stem without pooling, three stages that halve the map, and for version 2 a last 1x1 convolution."""

    def __init__(self, channels: int, outputs: int, version: int) -> None:
        super().__init__()
        inputs = 24
        self.stem = conv_norm(channels, inputs, 1)
        stages = []
        for width, depth in zip((240, 480, 960) if version == 1 else (116, 232, 464), (4, 8, 4)):
            blocks: list[nn.Module] = []
            for position in range(depth):
                stride = 1 if position else 2
                blocks.append(GroupedShuffle(inputs, width, stride, 3) if version == 1 else SplitShuffle(inputs, width, stride))
                inputs = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.last = nn.Sequential(conv_norm(inputs, 1024, 1), nn.ReLU()) if version == 2 else nn.Identity()
        self.head = nn.Linear(1024 if version == 2 else inputs, outputs)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := F.relu(self.stem(x)))}
        for number, stage in enumerate(self.stages, 1):
            taps[f"stage{number}"] = x = stage(x)
        taps["embedding"] = pooled(self.last(x))
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


def _build_mobilenetv2_half(facts: Facts, config: Config) -> MobileNetV2Half:
    return MobileNetV2Half(facts.channels, facts.outputs)


def _build_shufflenetv1(facts: Facts, config: Config) -> ShuffleNet:
    return ShuffleNet(facts.channels, facts.outputs, 1)


def _build_shufflenetv2(facts: Facts, config: Config) -> ShuffleNet:
    return ShuffleNet(facts.channels, facts.outputs, 2)


mobilenetv2_half = ModelPlugin(
    name="mobilenetv2_half",
    build=_build_mobilenetv2_half,
    taps=("stem", "stage1", "stage2", "stage3", "stage4", "embedding"),
    doc="MobileNetV2 of half width for CIFAR: widening 6, a stem of stride 2, the fewest multiply-adds of the classic nets.",
)
shufflenetv1 = ModelPlugin(
    name="shufflenetv1",
    build=_build_shufflenetv1,
    taps=("stem", "stage1", "stage2", "stage3", "embedding"),
    doc="ShuffleNetV1 with three groups for CIFAR: a 1x1 stem and no pooling before the first stage.",
)
shufflenetv2 = ModelPlugin(
    name="shufflenetv2",
    build=_build_shufflenetv2,
    taps=("stem", "stage1", "stage2", "stage3", "embedding"),
    doc="ShuffleNetV2 of width 1 for CIFAR: a 1x1 stem, no pooling before the first stage, a last convolution to 1024.",
)
