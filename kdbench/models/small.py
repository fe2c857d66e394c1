"""Small image networks for the built-in sets: a stage of 3×3 convolutions per width, strides 1, 2, 2, …"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin


class DigitNetConfig(Config):
    widths: list[int] = Field([8, 12, 16], min_length=3, max_length=3, description="channels of each stage")
    depth: int = Field(1, ge=1, le=4, description="convolutions per stage")


class DigitNet(nn.Module):
    """Convolution + BatchNorm + ReLU, `depth` times per stage; average pool; linear."""

    def __init__(self, channels: int, outputs: int, widths: list[int], depth: int):
        super().__init__()
        stages, width_in = [], channels
        for number, width in enumerate(widths):
            layers: list[nn.Module] = []
            for layer in range(depth):
                stride = 2 if number > 0 and layer == 0 else 1
                layers += [nn.Conv2d(width_in, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                width_in = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(width_in, outputs)

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps, x = {}, image
        for number, stage in enumerate(self.stages, 1):
            x = taps[f"stage{number}"] = stage(x)
        taps["embedding"] = x.mean((2, 3))
        return self.head(taps["embedding"]), taps

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_taps(image)[0]


def build(facts: Facts, config: DigitNetConfig) -> nn.Module:
    return DigitNet(facts.channels, facts.outputs, config.widths, config.depth)


digit_net = ModelPlugin(
    name="digit_net",
    build=build,
    doc="three small convolution stages for 8×8 images (2,906 parameters by default)",
    taps=("stage1", "stage2", "stage3", "embedding"),
    Config=DigitNetConfig,
)
