"""Where a student starts, if not fresh: from given weights (an earlier student's, a file's), or on the way to its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kdbench.contract.model import Net
from kdbench.models import given_weights
from kdbench.models.weight_files import WeightsError


def from_weights(module: nn.Module, path: Path, part: Sequence[str] = (), fresh: Sequence[str] = ()) -> None:
    """All weights of a file, but those of the network whose names begin with one of `fresh`; or of the file those that begin
    with one of `part`. Each must be there, and fit."""
    if not part:
        given_weights.load_into(module, path, fresh)
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


@torch.no_grad()
def towards_teacher(net: Net, init: str | Mapping[str, Any], teachers: Sequence[Net]) -> None:
    """Where `init` says {mix: λ}, move a fresh student: θ = λ·θ_teacher + (1 − λ)·θ_fresh, over weights and running statistics.

    At λ = 1 the student is its teacher, bit for bit; what cannot be mixed (counts) is the nearer one's.
    """
    if isinstance(init, str) or "mix" not in init:
        return
    share, own = init["mix"], net.backbone.state_dict()
    theirs = teachers[0].backbone.state_dict()
    for name, value in own.items():
        if value.is_floating_point():
            value.lerp_(theirs[name], share)
        elif share >= 0.5:
            value.copy_(theirs[name])
