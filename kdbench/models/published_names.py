"""What the repositories of the CIFAR distillation literature call the weights of networks that ours equal.

Read off RepDistiller (Y. Tian, D. Krishnan, P. Isola: Contrastive Representation Distillation, ICLR 2020), whose teachers many
later papers took over. A table says how one network class spells its names; the first pattern that fits the beginning of a name
decides, and a name that none fits is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from kdbench.models.cifar_mobile import MobileNetV2Half, ShuffleNet
from kdbench.models.cifar_resnet import CifarResNet
from kdbench.models.cifar_vgg import CifarVgg
from kdbench.models.cifar_wrn import WideResNet

Told = str | Callable[[re.Match[str]], str]
Table = tuple[tuple[str, Told], ...]

BLOCK = r"layer(\d+)\.(\d+)\."
TOP: Table = ((r"conv1\.", "stem.0."), (r"bn1\.", "stem.1."), (r"(?:fc|linear)\.", "head."))
# MobileNetV2's seven groups of blocks, of which ours share a stage where the map keeps its size: (stage, blocks before)
GROUPS = ((0, 0), (0, 1), (1, 0), (2, 0), (2, 4), (3, 0), (3, 3))
INVERTED = {"0": "widen.0", "1": "widen.1", "3": "depthwise.0", "4": "depthwise.1", "6": "narrow.0", "7": "narrow.1"}
HALVING = {"1": "left.0", "2": "left.1", "3": "right.0", "4": "right.2", "5": "right.3"}  # ShuffleNetV2's first block of a stage
PASSING = {"1": "right.0", "2": "right.2", "3": "right.3"}


def _within(layers: Mapping[str, str]) -> Table:
    """Convolution and BatchNorm of a block, by the number that both bear."""

    def told(kind: str) -> Callable[[re.Match[str]], str]:
        return lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.{layers[m[3]]}.{kind}."

    numbers = f"([{''.join(layers)}])"
    return ((rf"{BLOCK}conv{numbers}\.", told("0")), (rf"{BLOCK}bn{numbers}\.", told("1")))


def _shortcut(m: re.Match[str]) -> str:
    return f"stages.{int(m[1]) - 1}.{m[2]}.shortcut."


RESIDUAL: Table = (*TOP, (rf"{BLOCK}(?:downsample|shortcut)\.", _shortcut))
BASIC: Table = (*RESIDUAL, *_within({"1": "first", "2": "second"}))
BOTTLENECK: Table = (*RESIDUAL, *_within({"1": "reduce", "2": "spatial", "3": "expand"}))
WIDE: Table = (
    (r"conv1\.", "stem."),
    (r"bn1\.", "norm."),
    (r"fc\.", "head."),
    (r"block(\d+)\.layer\.(\d+)\.convShortcut\.", _shortcut),
    (r"block(\d+)\.layer\.(\d+)\.bn([12])\.", lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.norm{m[3]}."),
    (r"block(\d+)\.layer\.(\d+)\.conv([12])\.", lambda m: f"stages.{int(m[1]) - 1}.{m[2]}.conv{m[3]}."),
)
VGG: Table = ((r"block(\d+)\.", lambda m: f"blocks.{m[1]}."), (r"classifier\.", "head."))
MOBILE: Table = (
    (r"conv1\.", "stem."),
    (r"conv2\.", "last."),
    (r"classifier\.0\.", "head."),
    (
        r"blocks\.(\d)\.(\d)\.conv\.([013467])\.",
        lambda m: f"stages.{GROUPS[int(m[1])][0]}.{GROUPS[int(m[1])][1] + int(m[2])}.{INVERTED[m[3]]}.",
    ),
)
SHUFFLE_1: Table = (*TOP, *_within({"1": "squeeze", "2": "depthwise", "3": "expand"}))
SHUFFLE_2: Table = (
    *TOP,
    (r"conv2\.", "last.0.0."),
    (r"bn2\.", "last.0.1."),
    *((p.replace(r"(\d+)\.(\d+)", r"(\d+)\.(0)"), told) for p, told in _within(HALVING)),
    *_within(PASSING),
)


def _tables(module: nn.Module) -> tuple[Table, ...]:
    if isinstance(module, CifarResNet):
        return BASIC, BOTTLENECK
    if isinstance(module, ShuffleNet):
        return SHUFFLE_1, SHUFFLE_2
    kinds: dict[type[nn.Module], Table] = {WideResNet: WIDE, CifarVgg: VGG, MobileNetV2Half: MOBILE}
    return tuple(table for kind, table in kinds.items() if isinstance(module, kind))


def renamed(module: nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The weights under our names, where they are all those of this network in one of the spellings; else None."""
    wanted = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    for table in _tables(module):
        found = {_spelled(table, name): value for name, value in given.items()}
        if len(found) == len(given) and wanted <= found.keys():
            return found
    return None


def _spelled(table: Table, name: str) -> str:
    for pattern, told in table:
        made, fits = re.subn(rf"^{pattern}", told, name)
        if fits:
            return made
    return name
