"""Small convolutional networks for pictures of sound (log-mel: frequency by time)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin

WIDTHS = {"large": (16, 32, 64, 96), "small": (8, 16, 24, 32), "tiny": (4, 8, 12, 16)}


class TagCnnConfig(Config):
    size: Literal["large", "small", "tiny"] = Field("small", description="channels of the stages, from 96 to 16 in the last")


class _PictureCnn(nn.Module):
    """Convolutions of these (height, width) strides, each with batch norm and ReLU, and one linear layer behind them."""

    def __init__(self, channels: int, outputs: int, widths: tuple[int, ...], strides: tuple[tuple[int, int], ...]):
        super().__init__()
        self.stages = nn.ModuleList()
        for width, stride in zip(widths, strides, strict=True):
            convolution = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)))
            channels = width
        self.head = nn.Linear(channels, outputs)

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        taps: dict[str, Tensor] = {}
        for number, stage in enumerate(self.stages, 1):
            image = taps[f"stage{number}"] = stage(image)
        return taps

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_taps(image)[0]


class TagCnn(_PictureCnn):
    """Four convolutions of stride 2; mean over frequency and time; one linear layer."""

    def __init__(self, channels: int, outputs: int, widths: tuple[int, ...]):
        super().__init__(channels, outputs, widths, ((2, 2),) * 4)

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = self.maps(image)
        taps["embedding"] = taps["stage4"].mean((2, 3))
        return self.head(taps["embedding"]), taps


def _build(facts: Facts, config: TagCnnConfig) -> TagCnn:
    return TagCnn(facts.channels, facts.outputs, WIDTHS[config.size])


TAGCNN = ModelPlugin(
    name="tagcnn",
    build=_build,
    doc="four 3x3 convolutions of stride 2 on a log-mel picture; 80 k (large), 12 k (small) or 3 k (tiny) parameters",
    taps=("stage1", "stage2", "stage3", "stage4", "embedding"),
    Config=TagCnnConfig,
)


FRAME_WIDTHS = {"large": (16, 32, 48, 64), "small": (6, 12, 16, 24)}


class FrameCnnConfig(Config):
    size: Literal["large", "small"] = Field("small", description="channels of the stages, 64 or 24 in the last")


class FrameCnn(_PictureCnn):
    """Four convolutions that halve the frequencies, the first one the time too; mean over frequency; a linear layer a frame."""

    def __init__(self, channels: int, outputs: int, widths: tuple[int, ...]):
        super().__init__(channels, outputs, widths, ((2, 2), (2, 1), (2, 1), (2, 1)))

    def forward_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taps = self.maps(image)
        frames = taps["stage4"].mean(2)
        taps["embedding"] = frames.mean(2)
        return self.head(frames.transpose(1, 2)), taps


def _build_frames(facts: Facts, config: FrameCnnConfig) -> FrameCnn:
    return FrameCnn(facts.channels, facts.outputs, FRAME_WIDTHS[config.size])


FRAMECNN = ModelPlugin(
    name="framecnn",
    build=_build_frames,
    doc="four 3x3 convolutions on a log-mel picture, an answer for every second frame; 47 k (large) or 6 k (small) parameters",
    taps=("stage1", "stage2", "stage3", "stage4", "embedding"),
    Config=FrameCnnConfig,
)
