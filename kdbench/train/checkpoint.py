"""A job's state on disk as safetensors: no pickle, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

SEPARATOR = "\x1f"  # cannot occur in the name of a module or parameter


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, torch.Tensor]:
    out: dict[str, torch.Tensor] = {}
    for name, value in tree.items():
        path = f"{prefix}{SEPARATOR}{name}" if prefix else name
        if isinstance(value, Mapping):
            out |= flatten(value, path)
        elif isinstance(value, torch.Tensor):
            out[path] = value.detach().contiguous().clone()
        elif value is not None:
            raise TypeError(f"{path!r} of the state is a {type(value).__name__}; a method keeps its state in buffers")
    return out


def unflatten(flat: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(SEPARATOR)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree


def save(path: Path, state: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # a link of that name would be written through
    save_file(flatten(state), temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The saved state, or None where there is none that can be read (a torn file starts the job anew)."""
    try:
        return unflatten(load_file(path, device=str(device)))
    except (FileNotFoundError, SafetensorError):
        return None
