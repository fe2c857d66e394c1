"""A student as one module: what its task shows goes in, its values come out; built from a file that `kdbench export` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn

from kdbench.contract.batch import Batch
from kdbench.contract.errors import DataError
from kdbench.contract.model import Facts, ModelFamily, ModelPlugin, Net, normaliser
from kdbench.models import weights
from kdbench.registry import Registry, load_target
from kdbench.ship.card import ENTRY


class Student(nn.Module):
    """A trained network that takes its inputs as the task has them and gives its values. `card` says what both are."""

    def __init__(self, net: Net, card: Mapping[str, Any]) -> None:
        super().__init__()
        self.net = net
        self.card = dict(card)

    def forward(self, *inputs: Tensor) -> Tensor:
        nowhere = torch.empty(0)
        return self.net(Batch(dict(zip(self.net.reads, inputs, strict=True)), nowhere, nowhere)).values


def load_student(path: str | Path) -> Student:
    """A student from a safetensors file that `kdbench export KEY --to FILE.safetensors` wrote, on the CPU, in evaluation mode.

    It is a module: `student(images)` normalises as its training did and gives logits, `student.net.backbone` is the bare network,
    and `student.card` says how inputs are made, what the outputs are called and what it scored. Networks of kdbench, of timm and
    of installed packages can be loaded. (A program, `.pt2`, needs no kdbench: `torch.export.load(FILE).module()`.)
    """
    path = Path(path)
    given = weights.load(path)
    card = read_card(path)
    if "facts" not in card:
        raise DataError(f"{path}: {card.get('lacks') or 'its card does not say what the network was built from'}")
    return rebuilt(card, given, path)


def read_card(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get(ENTRY, "null"))
    except (ValueError, safetensors.SafetensorError) as error:
        raise DataError(f"{path}: its card cannot be read ({error})") from error
    if not isinstance(card, dict):
        raise DataError(f"{path}: has no card of kdbench; `kdbench export KEY --to FILE.safetensors` writes one")
    return card


def rebuilt(card: Mapping[str, Any], given: Mapping[str, Tensor], path: Path) -> Student:
    """The network that a card tells of, with these weights."""
    told = card["facts"]
    tables = {name: torch.zeros(shape) for name, shape in told["tables"].items()}
    facts = Facts(**{**told, "size": tuple(told["size"]), "tables": tables})
    registry = Registry()
    try:
        plugin = plugin_of(card["model"], registry)
    except KeyError:
        raise DataError(
            f"{path}: there is no network {card['model']!r} here; the package that it is of must be installed"
        ) from None
    backbone = plugin.build(facts, plugin.Config(**card["params"]))
    weights.put(backbone, given, path)
    prepare = normaliser(card["mean"], card["std"]) if "mean" in card else None
    return Student(Net(backbone, tuple(card["reads"]), prepare), card).eval().requires_grad_(False)


def plugin_of(name: str, registry: Registry) -> ModelPlugin:
    """The plugin of a network by its name; of a twin with the network that it is made from."""
    plugin: ModelPlugin = load_target(registry.model(name).target)
    if not isinstance(plugin, ModelFamily):
        return plugin
    member = name.partition(":")[2]
    return plugin.named(name, plugin_of(member, registry) if len(registry.model_targets(name)) > 1 else None)
