"""From a recipe to an optimiser and a learning rate: the rate is a function of the step, so there is no scheduler to save."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from kdbench.contract.arithmetic import Arithmetic
from kdbench.contract.method import Owner


def arithmetic(recipe: Mapping[str, Any]) -> Arithmetic:
    return Arithmetic(recipe["precision"], recipe["compile"])


def optimiser(owner: Owner, recipe: Mapping[str, Any]) -> torch.optim.Optimizer:
    settings = {**recipe, **owner.settings}
    params = [p for p in owner.params if p.requires_grad]
    # Fused: one pass over a parameter and its moments instead of one an operation. Complex numbers it does not know.
    fused = all(p.is_floating_point() for p in params)
    rest = {"lr": settings["lr"], "weight_decay": settings["weight_decay"], "fused": fused}
    if settings["optimiser"] == "sgd":
        return torch.optim.SGD(params, momentum=settings["momentum"], nesterov=settings["nesterov"], **rest)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["optimiser"]]
    return kind(params, **rest)


def factor(recipe: Mapping[str, Any], step: int, steps: int) -> float:
    """What the base learning rate is multiplied by at a step of a phase of `steps` steps."""
    warm = int(recipe["warmup"] * steps)
    schedule = recipe["schedule"]
    if step < warm:
        share = (step + 1) / (warm + 1)
        # One-cycle rises along a cosine from a 25th, as its author's code does; the others rise linearly.
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share)) / 2 if schedule == "onecycle" else share
    share = (step - warm) / max(1, steps - warm)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - share
    if schedule == "steps":
        return float(recipe["gamma"] ** sum(step / steps >= milestone for milestone in recipe["milestones"]))
    return (1 + math.cos(math.pi * share)) / 2  # cosine, and the fall of one-cycle


def set_rate(owner: Owner, recipe: Mapping[str, Any], step: int, steps: int) -> None:
    assert owner.optimiser is not None
    rate = owner.settings.get("lr", recipe["lr"]) * factor(recipe, step, steps)
    for group in owner.optimiser.param_groups:
        group["lr"] = rate
