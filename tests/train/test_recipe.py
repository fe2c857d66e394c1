"""Learning rates are functions of the step; optimisers are torch's own with the recipe's settings."""

import pytest
import torch

from kdbench.contract.method import Owner
from kdbench.suite.recipe import RECIPE_DEFAULTS
from kdbench.train.recipe import factor, optimiser, set_rate


def curve(**recipe):
    return [factor({**RECIPE_DEFAULTS, **recipe}, step, 100) for step in range(100)]


def test_shapes_of_the_schedules():
    assert curve(schedule="constant", warmup=0.0) == [1.0] * 100
    cosine = curve(schedule="cosine", warmup=0.1)
    assert cosine[9] < 1 == cosine[10]
    assert max(cosine) == 1
    assert cosine[-1] < 0.01
    assert curve(schedule="linear", warmup=0.0)[50] == pytest.approx(0.5)
    one = curve(schedule="onecycle", warmup=0.3)
    assert one[0] < 0.06
    assert one[30] == 1
    assert one[-1] < 0.01
    steps = curve(schedule="steps", warmup=0.0, milestones=[0.5, 0.75], gamma=0.1)
    assert [steps[i] for i in (49, 50, 75)] == pytest.approx([1, 0.1, 0.01])


def test_warmup_rises_and_never_jumps():
    for schedule in ("constant", "linear", "cosine", "onecycle"):
        values = curve(schedule=schedule, warmup=0.2)
        assert all(a < b for a, b in zip(values[:20], values[1:20]))
        assert max(abs(a - b) for a, b in zip(values, values[1:])) < 0.15


def test_owner_settings_win():
    weight = torch.nn.Parameter(torch.zeros(1))
    owner = Owner([weight], {"lr": 0.5, "weight_decay": 0.0})
    owner.optimiser = optimiser(owner, {**RECIPE_DEFAULTS, "optimiser": "sgd", "lr": 0.1})
    group = owner.optimiser.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.5, 0.0, 0.9)
    set_rate(owner, {**RECIPE_DEFAULTS, "schedule": "linear", "warmup": 0.0}, 5, 10)
    assert group["lr"] == pytest.approx(0.25)
