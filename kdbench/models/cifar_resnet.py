"""The residual nets of the CIFAR literature: resnet8 to resnet110, their wide x4 forms, and a CIFAR-stem ResNet-50.

The shortcut is a 1x1 convolution with BatchNorm wherever the shape changes ("option B"), as in the distillation
literature. He et al.'s own CIFAR nets have a shortcut without weights; they are other nets with other counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (but for the stride), and its BatchNorm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def pooled(x: Tensor) -> Tensor:
    """The mean over the map, whatever its size, so that the nets also read other images than 32x32."""
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


def kaiming(net: nn.Module) -> None:
    """Convolutions by He's rule on the fan-out; linear layers keep PyTorch's default."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class Basic(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = conv_norm(inputs, width, 3, stride)
        self.second = conv_norm(width, width, 3)
        self.shortcut = conv_norm(inputs, width, 1, stride) if stride != 1 or inputs != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 (which carries the stride) and 1x1 convolutions; the output is four times as wide."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.reduce = conv_norm(inputs, width, 1)
        self.spatial = conv_norm(width, width, 3, stride)
        self.expand = conv_norm(width, outputs, 1)
        self.shortcut = conv_norm(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.spatial(F.relu(self.reduce(x))))
        return F.relu(self.expand(y) + self.shortcut(x))


class CifarResNet(nn.Module):
    """A 3x3 stem at full size, then one stage for each (width, number of blocks); all stages but the first halve the map."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        block: type[Basic] | type[Bottleneck],
        stem: int,
        widths: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        self.stem = conv_norm(channels, stem, 3)
        stages, inputs = [], stem
        for number, (width, depth) in enumerate(zip(widths, depths)):
            blocks = []
            for position in range(depth):
                blocks.append(block(inputs, width, 2 if number and not position else 1))
                inputs = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(inputs, outputs)
        kaiming(self)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := F.relu(self.stem(x)))}
        for number, stage in enumerate(self.stages, 1):
            taps[f"stage{number}"] = x = stage(x)
        taps["embedding"] = pooled(x)
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


def _plugin(name: str, depth: int, stem: int, widths: Sequence[int]) -> ModelPlugin:
    blocks = (depth - 2) // 6

    def build(facts: Facts, config: Config) -> CifarResNet:
        return CifarResNet(facts.channels, facts.outputs, Basic, stem, widths, [blocks] * 3)

    text = f"CIFAR ResNet of depth {depth}, widths {'/'.join(map(str, widths))}, option-B shortcuts."
    return ModelPlugin(
        name=name,
        build=build,
        taps=("stem", "stage1", "stage2", "stage3", "embedding"),
        doc=text,
    )


def _build_resnet50(facts: Facts, config: Config) -> CifarResNet:
    return CifarResNet(facts.channels, facts.outputs, Bottleneck, 64, (64, 128, 256, 512), (3, 4, 6, 3))


resnet8 = _plugin("resnet8", 8, 16, (16, 32, 64))
resnet14 = _plugin("resnet14", 14, 16, (16, 32, 64))
resnet20 = _plugin("resnet20", 20, 16, (16, 32, 64))
resnet32 = _plugin("resnet32", 32, 16, (16, 32, 64))
resnet44 = _plugin("resnet44", 44, 16, (16, 32, 64))
resnet56 = _plugin("resnet56", 56, 16, (16, 32, 64))
resnet110 = _plugin("resnet110", 110, 16, (16, 32, 64))
resnet8x4 = _plugin("resnet8x4", 8, 32, (64, 128, 256))
resnet32x4 = _plugin("resnet32x4", 32, 32, (64, 128, 256))
resnet50_cifar = ModelPlugin(
    name="resnet50_cifar",
    build=_build_resnet50,
    taps=("stem", "stage1", "stage2", "stage3", "stage4", "embedding"),
    doc="ResNet-50 with a 3x3 stem and no pooling before the first stage, for images of 32x32.",
)
