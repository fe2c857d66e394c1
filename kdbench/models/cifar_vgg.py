"""VGG nets for CIFAR with BatchNorm and one linear layer: vgg8, vgg11, vgg13, vgg16, vgg19.

There are five blocks with a halving after each of the first three. The fourth halving happens only where the map is
still larger than 4x4, so an image of 32x32 keeps 4x4 in the last two blocks, and one of 64x64 ends there too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin
from kdbench.models.cifar_resnet import kaiming, pooled

WIDTHS = (64, 128, 256, 512, 512)


class CifarVgg(nn.Module):
    def __init__(self, channels: int, outputs: int, depths: Sequence[int]) -> None:
        super().__init__()
        blocks, inputs = [], channels
        for width, depth in zip(WIDTHS, depths):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(inputs, outputs)
        kaiming(self)
        nn.init.normal_(self.head.weight, std=0.01)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward_taps(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stem": (x := self.blocks[0](x))}
        for number, block in enumerate(self.blocks[1:], 1):
            if number < 4 or min(x.shape[-2:]) > 4:
                x = F.max_pool2d(x, 2)
            taps[f"stage{number}"] = x = block(x)
        taps["embedding"] = pooled(x)
        return self.head(taps["embedding"]), taps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_taps(x)[0]


def _plugin(name: str, depths: Sequence[int]) -> ModelPlugin:
    def build(facts: Facts, config: Config) -> CifarVgg:
        return CifarVgg(facts.channels, facts.outputs, depths)

    return ModelPlugin(
        name=name,
        build=build,
        taps=("stem", "stage1", "stage2", "stage3", "stage4", "embedding"),
        doc=f"CIFAR VGG with BatchNorm: {sum(depths)} convolutions in five blocks and one linear layer.",
    )


vgg8 = _plugin("vgg8", (1, 1, 1, 1, 1))
vgg11 = _plugin("vgg11", (1, 1, 2, 2, 2))
vgg13 = _plugin("vgg13", (2, 2, 2, 2, 2))
vgg16 = _plugin("vgg16", (2, 2, 3, 3, 3))
vgg19 = _plugin("vgg19", (2, 2, 4, 4, 4))
