"""A job's state on disk as safetensors: no pickle, written whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from kdbench.results.files import write_atomically

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


def save(path: Path, state: Mapping[str, Any], about: Mapping[str, str] | None = None) -> None:
    """`about` says what it is the state of; whoever loads it must say the same."""
    write_atomically(path, safetensors.torch.save(flatten(state), dict(about or {})))


def load(path: Path, device: torch.device, about: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """The saved state, or None where there is none that can be used: then the job starts anew, and its log says why."""
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, "pt", device=str(device)) as file:
            found = file.metadata() or {}
            other = sorted(name for name in {*found, *(about or {})} if found.get(name) != (about or {}).get(name))
            if not other:
                return unflatten({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        why = f"is of another {', '.join(other)}"
    except (safetensors.SafetensorError, OSError) as error:
        why = f"cannot be read ({error})"
    print(f"kdbench: {path} {why}; starting anew", file=sys.stderr)
    return None
