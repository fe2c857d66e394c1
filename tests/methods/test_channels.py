"""ickd and mgd: correlations of channels and generated maps, against values worked out by hand."""

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.features import as_map, as_vector
from kdbench.methods.ickd import ICKD, ICKDConfig, correlation_gap
from kdbench.methods.mgd import MGD, MGDConfig, kept

S = torch.tensor([[1.0, 0], [1, 1]], dtype=torch.float64).view(1, 2, 1, 2)
T = torch.tensor([[1.0, 1], [0, 1]], dtype=torch.float64).view(1, 2, 1, 2)


def maps(seed, shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_ickd_known_value():
    assert correlation_gap(S, T).item() == pytest.approx(0.10263340, abs=1e-8)


def test_ickd_written_out_at_two_sizes():
    s, t = maps(0, (3, 4, 5, 2)), maps(1, (3, 4, 3, 3))
    total = 0.0
    for a, b in zip(s.numpy().reshape(3, 4, -1), t.numpy().reshape(3, 4, -1)):
        g, h = ([row / np.sqrt((row**2).sum()) for row in m @ m.T] for m in (a, b))
        total += sum(((x - y) ** 2).sum() for x, y in zip(g, h))
    assert correlation_gap(s, t).item() == pytest.approx(total / 12)


def test_ickd_does_not_see_positions_or_scale_and_bears_dead_channels():
    s, t = maps(0, (2, 4, 3, 3)), maps(1, (2, 4, 3, 3))
    moved = s.flatten(2)[:, :, torch.randperm(9)].view_as(s)
    torch.testing.assert_close(correlation_gap(3 * moved, t), correlation_gap(s, t))
    dead = torch.zeros(2, 4, 3, 3, requires_grad=True)
    correlation_gap(dead, t).backward()
    assert torch.isfinite(dead.grad).all()


def spec(shape):
    return NetSpec({"stage3": shape}, 3, 0)


def built(kind, config, student, teacher):
    method = kind(config)
    method.build(Specs(spec(student), (spec(teacher),), 10), None)
    return method


def test_ickd_refuses_one_position():
    with pytest.raises(KdbenchError, match="channels correlate over positions, there is one"):
        built(ICKD, ICKDConfig(), (4, 1, 1), (4, 1, 1))
    with pytest.raises(KdbenchError, match="cannot be compared"):
        built(ICKD, ICKDConfig(), (4,), (4,))


class Step:
    def __init__(self, student, teacher, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        self._said = (
            Outputs(torch.zeros(1, 3), {"stage3": student}),
            Signal(Decisions(torch.zeros(1, 3), "class"), {"stage3": teacher}),
        )

    def student(self):
        return self._said[0]

    def teacher(self):
        return self._said[1]


def copying(**params):
    """mgd whose generator gives back what it gets."""
    method = built(MGD, MGDConfig(**params), (3, 2, 2), (3, 2, 2))
    method.layers[0]["generate"] = torch.nn.Identity()
    return method


def test_mgd_known_value_and_both_reductions():
    ones, zeros = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    method = copying(drop=0.0)
    assert method.c.weight * method.gap(Step(ones, zeros)).item() == pytest.approx(8.4e-4)
    assert copying(drop=0.0, reduction="mean").gap(Step(ones, zeros)).item() == pytest.approx(1.0)


@pytest.mark.parametrize(("what", "alike"), [("channel", (2, 3)), ("position", (1,))])
def test_mgd_drops_whole_channels_or_positions(what, alike):
    shape = torch.Size((200, 6, 5, 5))
    mask = kept(shape, what, 0.15, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    full = mask.expand(shape)
    assert (full.amax(alike) == full.amin(alike)).all()
    assert abs(mask.mean().item() - 0.85) < 0.03


def test_mgd_has_another_mask_at_each_step():
    student, teacher = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)
    method = copying(drop=0.5)
    first, second, again = (method.gap(Step(student, teacher, seed)).item() for seed in (0, 1, 0))
    assert first == again != second


def test_mgd_refuses_positions_of_a_vector():
    with pytest.raises(KdbenchError, match="a vector has no positions to drop"):
        built(MGD, MGDConfig(mask="position"), (3,), (3,))
    assert built(MGD, MGDConfig(), (3,), (5,)).layers[0]["align"].weight.shape == (5, 3, 1, 1)


def test_a_tap_as_a_vector_and_as_a_map():
    vector, pairs, map_ = torch.randn(2, 5), torch.randn(2, 7, 5), torch.randn(2, 5, 3, 4)
    assert as_vector(vector) is vector and as_map(map_) is map_
    torch.testing.assert_close(as_vector(pairs), torch.stack([p.mean(0) for p in pairs]))
    torch.testing.assert_close(as_vector(map_), map_.flatten(2).mean(2))
    assert as_map(vector).shape == (2, 5, 1, 1)
    torch.testing.assert_close(as_map(pairs)[1, 3, 6, 0], pairs[1, 6, 3])
