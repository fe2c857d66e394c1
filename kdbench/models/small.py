"""Small image networks for the built-in sets: `digit_net`, of convolution stages, and `lenet8`, after LeNet-5."""

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


def _build(facts: Facts, config: DigitNetConfig) -> nn.Module:
    return DigitNet(facts.channels, facts.outputs, config.widths, config.depth)


digit_net = ModelPlugin(
    name="digit_net",
    build=_build,
    doc="three small convolution stages for 8×8 images (2,906 parameters by default)",
    taps=("stage1", "stage2", "stage3", "embedding"),
    Config=DigitNetConfig,
)


class LeNet8(nn.Module):
    """Two convolutions, one pooling, three linear layers, no normalisation: LeNet-5 brought down to small images."""

    def __init__(self, channels: int, outputs: int, size: tuple[int, int]):
        super().__init__()
        height, width = ((side - 2) // 2 for side in size)
        self.stage1 = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(6, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.embedding = nn.Sequential(nn.Flatten(), nn.Linear(16 * height * width, 84), nn.ReLU(), nn.Linear(84, 48), nn.ReLU())
        self.head = nn.Linear(48, outputs)

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = {"stage1": self.stage1(image)}
        taps["stage2"] = self.stage2(taps["stage1"])
        taps["embedding"] = self.embedding(taps["stage2"])
        return self.head(taps["embedding"]), taps

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_taps(image)[0]


def _build_lenet8(facts: Facts, config: Config) -> nn.Module:
    return LeNet8(facts.channels, facts.outputs, facts.size)


lenet8 = ModelPlugin(
    name="lenet8",
    build=_build_lenet8,
    doc="LeNet-5 for 8×8 images (17,690 parameters), without batch statistics",
    taps=("stage1", "stage2", "embedding"),
)
