"""Channel-wise divergence against hand-computed values, what it ignores, and what it refuses."""

import numpy as np
import pytest
import scipy.special
import torch

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.cwd import CWDFeatures, CWDFeaturesConfig, channel_divergence

STUDENT = torch.tensor([[[[0.0, 1], [2, 3]], [[1, 1], [1, 1]]]], dtype=torch.float64)
TEACHER = torch.tensor([[[[0.0, 2], [2, 4]], [[0, 0], [0, 4]]]], dtype=torch.float64)


@pytest.mark.parametrize(("T", "expected"), [(1.0, 0.59579732), (4.0, 1.00376108)])
def test_the_known_values(T, expected):
    assert channel_divergence(STUDENT, TEACHER, T).item() == pytest.approx(expected, abs=1e-7)


def maps(seed, shape=(3, 5, 4, 6)):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_a_constant_per_channel_changes_nothing_and_equal_maps_have_no_distance():
    s, t = maps(0), maps(1)
    shift = maps(2, (3, 5, 1, 1))
    torch.testing.assert_close(channel_divergence(s + shift, t - 2 * shift, 2.0), channel_divergence(s, t, 2.0))
    assert channel_divergence(s, s + shift, 2.0).abs().item() < 1e-12


def test_positions_that_are_not_valid_have_no_share():
    s, t = maps(0), maps(1)
    valid = torch.from_numpy(np.random.default_rng(3).random((3, 4, 6)) < 0.6)
    total = 0.0
    for n in range(3):
        kept = valid[n].numpy()
        for c in range(5):
            a, b = (scipy.special.log_softmax(m[n, c].numpy()[kept] / 2) for m in (s, t))
            total += (np.exp(b) * (b - a)).sum()
    found = channel_divergence(s, t, 2.0, valid)
    assert found.item() == pytest.approx(4 * total / 15)
    torch.testing.assert_close(channel_divergence(torch.where(valid[:, None], s, 9e9), t, 2.0, valid), found)


def test_an_image_without_a_valid_position_gives_nothing_and_no_nan():
    s = maps(0).requires_grad_()
    loss = channel_divergence(s, maps(1), 1.0, torch.zeros(3, 4, 6, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and (s.grad == 0).all()


def test_positions_that_are_not_valid_stay_silent_in_half_precision():
    """There, the lowest finite number minus a logit is minus infinity."""
    valid = torch.ones(3, 4, 6, dtype=torch.bool)
    valid[:, 2:] = False
    s = (30 * maps(0)).half().requires_grad_()
    loss = channel_divergence(s, (30 * maps(1)).half(), 1.0, valid)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(s.grad).all()


def test_weights_multiply():
    s, t, q = maps(0), maps(1), torch.full((3, 4, 6), 0.3, dtype=torch.float64)
    torch.testing.assert_close(channel_divergence(s, t, 1.0, weight=q), 0.3 * channel_divergence(s, t, 1.0))


def test_wild_maps_stay_finite():
    s = (50 * maps(0)).float().requires_grad_()
    loss = channel_divergence(s, -50 * maps(0).float(), 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(s.grad).all()


def built(student, teacher):
    method = CWDFeatures(CWDFeaturesConfig())
    method.build(Specs(NetSpec({"stage3": student}, 3, 0), (NetSpec({"stage3": teacher}, 3, 0),), 10), None)
    return method


def test_widths_are_joined_by_a_convolution_only_where_they_differ():
    assert len(list(built((4, 3, 3), (4, 6, 6)).parameters())) == 0
    assert built((4, 3, 3), (5, 6, 6)).layers[0].weight.shape == (5, 4, 1, 1)


@pytest.mark.parametrize("shape", [(4, 1, 1), (4,)])
def test_one_position_is_refused(shape):
    with pytest.raises(KdbenchError, match="a distribution over one position says nothing"):
        built(shape, shape)
