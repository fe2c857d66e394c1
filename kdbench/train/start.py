"""A student that starts from given weights: of an earlier student or of a file, whole or in part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from kdbench.models import given_weights
from kdbench.models.weight_files import WeightsError


def take(module: nn.Module, path: Path, part: Sequence[str] = ()) -> None:
    """All weights of a file, or those whose names begin with one of `part`; each part must be there, and fit."""
    if not part:
        given_weights.load_into(module, path)
        return
    given, own = given_weights.read(path), module.state_dict()
    for prefix in part:
        chosen = {name: value for name, value in given.items() if name.startswith(prefix)}
        if not chosen:
            raise WeightsError(f"{path}: has no weights whose names begin with {prefix!r}; there are {', '.join(sorted(given))}")
        for name, value in chosen.items():
            if name not in own or own[name].shape != value.shape:
                has = f"{list(own[name].shape)}" if name in own else "none"
                raise WeightsError(f"{path}: {name} is {list(value.shape)}, the student has {has}")
            own[name].copy_(value)
