"""Networks as the CIFAR distillation repositories define them, as far as names, order and arithmetic go; made for these tests."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


class Residual(nn.Module):
    """Two convolutions, or three of them, of which the second has the stride."""

    def __init__(self, inputs: int, width: int, stride: int, three: bool, shortcut: str) -> None:
        super().__init__()
        shapes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)]
        shapes = shapes if three else [(inputs, width, 3, stride), (width, width, 3, 1)]
        self.count, self.by = len(shapes), shortcut
        for number, (first, last, kernel, step) in enumerate(shapes, 1):
            setattr(self, f"conv{number}", conv(first, last, kernel, step))
            setattr(self, f"bn{number}", nn.BatchNorm2d(last))
        outputs = shapes[-1][1]
        if stride != 1 or inputs != outputs:
            setattr(self, shortcut, nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = F.relu(y) if number < self.count else y
        return F.relu(y + (getattr(self, self.by)(x) if hasattr(self, self.by) else x))


class ResNet(nn.Module):
    def __init__(
        self, stem: int, widths: tuple[int, ...], depths: tuple[int, ...], three: bool, shortcut: str, head: str
    ) -> None:
        super().__init__()
        self.conv1, self.bn1, self.head = conv(3, stem), nn.BatchNorm2d(stem), head
        inputs, self.stages = stem, len(widths)
        for number, (width, depth) in enumerate(zip(widths, depths), 1):
            blocks = []
            for place in range(depth):
                blocks.append(Residual(inputs, width, 2 if number > 1 and place == 0 else 1, three, shortcut))
                inputs = width * (4 if three else 1)
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        setattr(self, head, nn.Linear(inputs, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return getattr(self, self.head)(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width)
        self.convShortcut = conv(inputs, width, 1, stride) if inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        seen = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(seen))))
        return y + (x if self.convShortcut is None else self.convShortcut(seen))


class Stage(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Wide(nn.Module):
    def __init__(self, depth: int, factor: int) -> None:
        super().__init__()
        widths, blocks = [16, 16 * factor, 32 * factor, 64 * factor], (depth - 4) // 6
        self.conv1 = conv(3, 16)
        for n in (1, 2, 3):
            rest = [WideBlock(widths[n], widths[n], 1) for _ in range(blocks - 1)]
            setattr(self, f"block{n}", Stage(WideBlock(widths[n - 1], widths[n], 1 if n == 1 else 2), *rest))
        self.bn1, self.fc = nn.BatchNorm2d(widths[3]), nn.Linear(widths[3], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class Vgg(nn.Module):
    def __init__(self, depths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = 3
        for number, (width, depth) in enumerate(zip((64, 128, 256, 512, 512), depths)):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += [conv(inputs, width, bias=True), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            setattr(self, f"block{number}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(5):
            x = F.relu(getattr(self, f"block{number}")(x))
            x = F.max_pool2d(x, 2) if number < 3 else x
        return self.classifier(x.mean((2, 3)))


def lively(net: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics none of which equals another, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                drawn = torch.rand(value.shape, generator=generator) + 0.5
                value.copy_(drawn if value.dim() < 2 or "running" in name else (drawn - 1) * 2 / value[0].numel() ** 0.5)
    return net.eval()


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def numbered(prefix: str, number: int | str) -> list[str]:
    """A convolution without bias and its BatchNorm: convN, bnN."""
    return [f"{prefix}conv{number}.weight", *(f"{prefix}bn{number}.{part}" for part in NORM)]


def pair(prefix: str, first: int) -> list[str]:
    """The same by their places in a sequence."""
    return [f"{prefix}{first}.weight", *(f"{prefix}{first + 1}.{part}" for part in NORM)]


def mobile_names() -> list[str]:
    groups = [pair(f"blocks.{g}.{b}.conv.", k) for g, n in enumerate((1, 2, 3, 4, 3, 3, 1)) for b in range(n) for k in (0, 3, 6)]
    return [
        *pair("conv1.", 0),
        *(name for group in groups for name in group),
        *pair("conv2.", 0),
        "classifier.0.weight",
        "classifier.0.bias",
    ]


def shuffle_1_names() -> list[str]:
    blocks = [f"layer{s}.{b}." for s, n in enumerate((4, 8, 4), 1) for b in range(n)]
    inner = [name for block in blocks for k in (1, 2, 3) for name in numbered(block, k)]
    return [*numbered("", 1), *inner, "linear.weight", "linear.bias"]


def shuffle_2_names() -> list[str]:
    blocks = [(f"layer{s}.{b}.", 5 if b == 0 else 3) for s, n in enumerate((4, 8, 4), 1) for b in range(n)]
    inner = [name for block, count in blocks for k in range(1, count + 1) for name in numbered(block, k)]
    return [*numbered("", 1), *inner, *numbered("", 2), "linear.weight", "linear.bias"]
