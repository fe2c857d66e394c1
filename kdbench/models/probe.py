"""What a network looks like and costs, without training it: tap shapes, parameters and multiply-adds.

`probe` builds on PyTorch's meta device, which has shapes but no memory and no arithmetic, so a net of any size is read
in a moment. Multiply-adds are those of convolutions and linear layers (projections of attention included); biases,
normalisation, activations, pooling and the products inside attention are left out, as in the literature's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdbench.contract.method import NetSpec
from kdbench.contract.model import Config, Facts, ModelPlugin

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
Shape = tuple[int, ...]


@dataclass(frozen=True)
class ProbedNet(NetSpec):
    """A NetSpec with the multiply-adds of one sample."""

    macs: int


@dataclass(frozen=True)
class Cost:
    parameters: int
    macs: int


def parameters(model: nn.Module) -> int:
    """Trainable values; buffers do not count."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _macs(module: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> int:
    if isinstance(module, CONVOLUTIONS):
        return output.numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    # Attention multiplies by its projections without calling them as modules.
    assert isinstance(module, nn.MultiheadAttention)
    names = dict(zip(("query", "key", "value"), inputs)) | dict(keywords)
    query, key, value = (names[name].numel() for name in ("query", "key", "value"))
    return (2 * query + key + value) * module.embed_dim


def _run(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor], int]:
    """One pass in evaluation mode without gradients: values, taps and multiply-adds; the model is left as it was."""
    total = 0
    attention = [m for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    inner = {id(child) for module in attention for child in module.modules()} - {id(module) for module in attention}

    def add(module: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        nonlocal total
        total += _macs(module, args, keywords, output)

    counted = (*CONVOLUTIONS, nn.Linear, nn.MultiheadAttention)
    hooks = [
        module.register_forward_hook(add, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, counted) and id(module) not in inner
    ]
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            if hasattr(model, "forward_taps"):
                values, taps = model.forward_taps(*inputs)  # type: ignore[operator]
            else:
                values, taps = model(*inputs), {}
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return values, taps, total


def count(model: nn.Module, *inputs: Tensor) -> Cost:
    """Trainable parameters, and multiply-adds of one pass over these inputs, whatever their device."""
    return Cost(parameters(model), _run(model, inputs)[2])


Shapes = Mapping[str, Shape | tuple[Shape, torch.dtype]]
_PROBED: dict[tuple[ModelPlugin, str], ProbedNet] = {}


def _described(config: Config, facts: Facts, shapes: Shapes) -> str:
    tables = {name: (tuple(table.shape), table.dtype) for name, table in facts.tables.items()}
    plain = (facts.outputs, facts.channels, facts.size, facts.vocabulary, dict(facts.lengths), tables)
    return repr((config.model_dump(), plain, dict(shapes)))


def probe(plugin: ModelPlugin, config: Config, facts: Facts, batch_shapes: Shapes) -> ProbedNet:
    """Shapes and cost of a network that is never made; answers are kept for this process.

    `batch_shapes` gives the shape of each field that the plugin reads, without the batch dimension: as a shape (then it
    is float32) or as (shape, dtype).
    """
    key = plugin, _described(config, facts, batch_shapes)
    if key not in _PROBED:
        inputs = []
        for name in plugin.reads:
            given = batch_shapes[name]
            shape, dtype = given if isinstance(given[-1], torch.dtype) else (given, torch.float32)
            inputs.append(torch.empty((1, *shape), dtype=dtype, device="meta"))  # type: ignore[misc]
        with torch.device("meta"):
            model = plugin.build(facts, config)
        values, taps, macs = _run(model, tuple(inputs))
        shapes = {name: tuple(tap.shape[1:]) for name, tap in taps.items()}
        _PROBED[key] = ProbedNet(shapes, values.shape[1], parameters(model), macs)
    return _PROBED[key]
