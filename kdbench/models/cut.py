"""Cuts a network at a tap: the part that turns this tap into the network's values, as a module of its own.

A cut is found, not declared, and then checked on a small batch: the part's answers must be the network's own, so a network that
adds a path around the tap (a pyramid, an attention over stages) is refused and never silently cut wrong.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from kdbench.contract.batch import Batch
from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Net


class CutError(KdbenchError):
    """A network that cannot be cut at the tap asked for."""


class LastLayer(nn.Module):
    """The layer that reads the last tap. A pair's one score loses its dimension of size 1, as in the network."""

    def __init__(self, layer: nn.Module, squeeze: bool):
        super().__init__()
        self.layer, self.squeeze = layer, squeeze

    def forward(self, tap: Tensor) -> Tensor:
        values = self.layer(tap)
        return values.squeeze(-1) if self.squeeze else values


class Rest(nn.Module):
    """A network from one of its stages on: a copy whose earlier stages let their input pass."""

    def __init__(self, backbone: Any, stages: int):
        super().__init__()
        self.backbone = copy.deepcopy(backbone)
        for number in range(stages):
            self.backbone.stages[number] = nn.Identity()
        if hasattr(self.backbone, "stem"):
            self.backbone.stem = nn.Identity()

    def forward(self, tap: Tensor) -> Tensor:
        return self.backbone(tap)


@torch.no_grad()
def tail(net: Net, tap: str, sample: Batch, deep: bool = True) -> nn.Module:
    """A copy of what follows a tap, with the weights as they are. `sample` is any small batch of the task.

    Without `deep`, it must be one layer: one that has no statistics and means the same in training and in evaluation.
    """
    training = net.training
    outputs = net.eval()(sample)
    try:
        if tap not in outputs.taps:
            raise CutError(f"{_told(net)} has no tap {tap!r}, it has {', '.join(outputs.taps)}")
        for part in (_last_layer(net, tap, sample, outputs.values, outputs.taps[tap]), _later_stages(net, tap) if deep else None):
            if part is not None and _same(part.eval(), outputs.taps[tap], outputs.values):
                return part.train(training)
    finally:
        net.train(training)
    raise CutError(f"{_told(net)} cannot be cut at {tap!r}: what follows is no part of its own, or reads more than this tap")


def _told(net: Net) -> str:
    return f"network {type(net.backbone).__name__}"


def _same(part: nn.Module, tap: Tensor, values: Tensor) -> bool:
    try:
        found = part(tap)
    except (RuntimeError, TypeError, AttributeError):  # shapes that do not meet: the cut is wrong, and is refused as such
        return False
    # Against the size of the answers: those of a fresh network may be tiny.
    return found.shape == values.shape and bool((found - values).abs().max() <= 1e-4 * values.abs().max())


@torch.no_grad()
def reader(net: Net, tap: str, sample: Batch) -> nn.Module | None:
    """The linear or 1×1 layer of the network itself that reads the tap, if there is one."""
    seen: list[tuple[nn.Module, Tensor]] = []
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0]))) for m in layers]
    training = net.training
    try:
        wanted = net.eval()(sample).taps.get(tap)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    found = [m for m, given in seen if wanted is not None and given.shape == wanted.shape and torch.equal(given, wanted)]
    return found[-1] if found else None


def _last_layer(net: Net, tap: str, sample: Batch, values: Tensor, given: Tensor) -> nn.Module | None:
    """A copy of the layer that reads the tap."""
    layer = reader(net, tap, sample)
    if layer is None:
        return None
    copied = copy.deepcopy(layer)
    return LastLayer(copied, squeeze=copied(given).dim() > values.dim())


def _later_stages(net: Net, tap: str) -> nn.Module | None:
    """The rest of a network of `stages`, behind one of them."""
    number = tap.removeprefix("stage")
    stages = getattr(net.backbone, "stages", None)
    if not isinstance(stages, nn.ModuleList) or not number.isdigit() or int(number) > len(stages):
        return None
    return Rest(net.backbone, int(number))


def anew(part: nn.Module) -> nn.Module:
    """The part with fresh weights, from torch's own starts."""
    for module in part.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    return part
