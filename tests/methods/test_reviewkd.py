"""ReviewKD's comparison at several sizes, its fusion, its order of levels, its refusals."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import MethodError
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.reviewkd import Fusion, ReviewKD, ReviewKDConfig, hierarchical


def ramp(side, divisor):
    return (torch.arange(side * side, dtype=torch.float64) / divisor).reshape(1, 1, side, side)


@pytest.mark.parametrize(("side", "divisor", "expected"), [(4, 8, 1.14453125), (8, 32, 1.26521810)])
def test_the_known_values(side, divisor, expected):
    map_ = ramp(side, divisor)
    assert hierarchical(map_, torch.zeros_like(map_)).item() == pytest.approx(expected, abs=1e-7)


def test_one_position_is_plain_squared_error():
    a, b = torch.randn(3, 5, 1, 1, dtype=torch.float64), torch.randn(3, 5, 1, 1, dtype=torch.float64)
    assert hierarchical(a, b).item() == pytest.approx(((a - b) ** 2).mean().item())


def test_maps_that_are_not_square():
    """Written out: blocks of 2×1 are the averages of an 8×2 map at 4×2, and so on; a side is never averaged up."""
    gap = np.random.default_rng(0).normal(size=(2, 3, 8, 2))
    errors = [(gap**2).mean()]
    for high, wide in ((4, 2), (2, 2), (1, 1)):
        blocks = gap.reshape(2, 3, high, 8 // high, wide, 2 // wide).mean((3, 5))
        errors.append((blocks**2).mean())
    expected = np.dot(errors, [1, 0.5, 0.25, 0.125]) / 1.875
    found = hierarchical(torch.from_numpy(gap), torch.zeros(gap.shape, dtype=torch.float64))
    assert found.item() == pytest.approx(expected)


def built(student, teacher, taps=None, **params):
    names = {"student_taps": list(student), "teacher_taps": list(teacher), **params}
    method = ReviewKD(ReviewKDConfig(**names))
    method.build(Specs(NetSpec(student, 3, 0), (NetSpec(teacher, 3, 0),), 10), None)
    return method


def test_parameters_of_the_release():
    shapes = {"stage1": (64, 8, 8), "stage2": (128, 4, 4), "stage3": (256, 2, 2), "embedding": (256,)}
    assert sum(p.numel() for p in built(shapes, shapes).parameters()) == 1_808_774


def step(student, teacher):
    outputs = Outputs(torch.zeros(2, 3), student)
    signal = Signal(Decisions(torch.zeros(2, 3), "class"), teacher)
    return SimpleNamespace(student=lambda: outputs, teacher=lambda: signal)


SHAPES = {"stage1": (4, 8, 8), "stage2": (6, 4, 4), "embedding": (6,)}
HINTS = {"stage1": (5, 6, 6), "stage2": (7, 3, 3), "embedding": (9,)}


def taps(shapes):
    return {name: torch.randn(2, *shape) for name, shape in shapes.items()}


def test_levels_of_other_sizes_are_compared_from_the_deepest_up():
    method = built(SHAPES, HINTS)
    student, teacher = taps(SHAPES), taps(HINTS)
    gaps = method.gaps(step(student, teacher))
    assert gaps.shape == (3,)
    # A change of the shallowest tap reaches its own level only, one of the deepest reaches all.
    moved = dict(student, stage1=torch.randn_like(student["stage1"]))
    changed = method.gaps(step(moved, teacher)) != gaps
    assert changed.tolist() == [False, False, True]
    moved = dict(student, embedding=torch.randn_like(student["embedding"]))
    assert (method.gaps(step(moved, teacher)) != gaps).all()


def test_fusion_is_a_gated_sum_of_the_tap_and_the_deeper_level():
    fusion = Fusion(3, 4, 5, fuse=True).double().eval()
    tap, deeper = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 4, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        out, residual = fusion(tap, deeper, (4, 4))
        x = np.einsum("oc,bchw->bohw", fusion.reduce[0].weight[:, :, 0, 0], tap) / np.sqrt(1 + 1e-5)
        y = deeper.numpy().repeat(2, 2).repeat(2, 3)
        gate = np.einsum("oc,bchw->bohw", fusion.gate.weight[:, :, 0, 0], np.concatenate([x, y], 1))
        gate = 1 / (1 + np.exp(-gate - fusion.gate.bias.numpy()[:, None, None]))
        np.testing.assert_allclose(residual, gate[:, :1] * x + gate[:, 1:] * y, rtol=1e-8)
        torch.testing.assert_close(out, fusion.expand(residual))


def test_the_weight_rises():
    def weight(progress, **params):
        method = built(SHAPES, HINTS, weight=5.0, **params)
        return method.terms(SimpleNamespace(progress=progress, supervised=None))["reviewkd"].weight

    assert weight(0.0, warmup=0.1) == pytest.approx(5e-8)
    assert weight(0.05, warmup=0.1) == pytest.approx(2.5)
    assert weight(0.5, warmup=0.1) == weight(0.0, warmup=0.0) == 5.0


def test_one_sample_without_positions_is_refused_in_words():
    with pytest.raises(MethodError, match="batch of two or more"):
        built(SHAPES, HINTS).gaps(step({n: t[:1] for n, t in taps(SHAPES).items()}, {n: t[:1] for n, t in taps(HINTS).items()}))


def test_taps_are_paired():
    with pytest.raises(ValueError, match="student_taps names 1 and teacher_taps 4"):
        ReviewKDConfig(student_taps=["stage1"])
