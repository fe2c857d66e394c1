"""FitNets' own module: its distance, its regressor, its refusals."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.fitnets import FitNets, FitNetsConfig


def built(guided=(4, 3, 3), hint=(6, 3, 3)):
    method = FitNets(FitNetsConfig())
    method.build(Specs(NetSpec({"stage2": guided}, 3, 0), (NetSpec({"stage2": hint}, 3, 0),), 10), None)
    return method


def step(guided, hint):
    student = Outputs(torch.zeros(len(guided), 3), {"stage2": guided})
    teacher = Signal(Decisions(torch.zeros(len(guided), 3), "class"), {"stage2": hint})
    return SimpleNamespace(student=lambda: student, teacher=lambda: teacher)


def test_distance_is_half_the_squared_norm_over_channels():
    method = built()
    guided, hint = torch.randn(2, 4, 3, 3), torch.randn(2, 6, 3, 3)
    found = method.distance(step(guided, hint)).item()
    weight, bias = (p.detach().numpy() for p in method.regressor.parameters())
    shown = np.einsum("oc,bchw->bohw", weight[:, :, 0, 0], guided.numpy()) + bias[None, :, None, None]
    assert found == pytest.approx(0.5 * ((shown - hint.numpy()) ** 2).sum(1).mean(), rel=1e-5)


def test_distance_is_zero_where_the_regressor_says_the_hint():
    method = built()
    guided = torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        hint = method.regressor(guided)
    assert method.distance(step(guided, hint)).item() == 0


def test_maps_of_unequal_size_meet_at_the_smaller_one():
    method = built(hint=(6, 6, 6))
    assert torch.isfinite(method.distance(step(torch.randn(2, 4, 3, 3), torch.randn(2, 6, 6, 6))))


def test_vectors_have_a_linear_regressor():
    method = built((5,), (7,))
    assert isinstance(method.regressor, torch.nn.Linear)
    with pytest.raises(KdbenchError, match="both be maps or both be vectors"):
        built((5,), (7, 2, 2))


def test_phases():
    assert [p.name for p in built().phases()] == ["hint", "distil"]
    assert [p.name for p in FitNets(FitNetsConfig(weight=0)).phases()] == ["distil"]
