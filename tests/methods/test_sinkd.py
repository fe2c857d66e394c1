"""SinKD: the plan against plain Sinkhorn and an exact assignment, what the distance cannot see, and its refusals."""

import numpy as np
import pytest
import scipy.optimize
import torch

from kdbench.contract.decisions import Decisions
from kdbench.methods.sinkd import SinKD, SinKDConfig, plan, spread, thinned, transport


def sets(n=12, k=5, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, k, dtype=torch.float64, generator=generator) * scale for _ in range(2)]


def plain(cost, eps, rounds):
    """As the release does it: rows, then columns, scaled to 1."""
    k = np.exp(-cost / eps)
    for _ in range(rounds):
        k = k / k.sum(1, keepdims=True)
        k = k / k.sum(0, keepdims=True)
    return k


def test_the_plan_is_plain_sinkhorn():
    s, t = (z.softmax(1) for z in sets())
    cost = torch.cdist(s, t, p=1)
    np.testing.assert_allclose(cost.numpy(), np.abs(s.numpy()[:, None] - t.numpy()[None]).sum(-1), atol=1e-12)
    even = torch.full((12,), -np.log(12), dtype=torch.float64)
    found = plan(cost, 0.1, 20, even, even)
    np.testing.assert_allclose(12 * found.numpy(), plain(cost.numpy(), 0.1, 20), atol=1e-10)
    np.testing.assert_allclose(found.sum(0), np.full(12, 1 / 12), atol=1e-12)


def test_with_little_entropy_it_is_the_best_assignment():
    s, t = (z.softmax(1) for z in sets(seed=3))
    even = torch.full((12,), -np.log(12), dtype=torch.float64)
    cost = torch.cdist(s, t, p=1).numpy()
    best = cost[scipy.optimize.linear_sum_assignment(cost)].mean()
    assert transport(s, t, 0.004, 3000, even).sum().item() == pytest.approx(best, rel=0.01)
    assert transport(s, t, 0.1, 20, even).sum().item() > best


def distance(s, t, axis="class", valid=None, grid=None, **config):
    return SinKD(SinKDConfig(**config)).distance(Decisions(s, axis, valid=valid, grid=grid), Decisions(t, axis, grid=grid))


def test_it_cannot_see_which_answer_belongs_to_whom():
    s, t = sets()
    moved = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert distance(s[moved], t).item() == pytest.approx(distance(s, t).item(), abs=1e-12)
    assert distance(t[moved], t).item() == pytest.approx(distance(t, t).item(), abs=1e-9)


def test_equal_answers_cost_nothing_only_without_bias():
    s, t = sets()
    assert distance(t, t).item() > 1e-4
    z = t.clone().requires_grad_()
    value = distance(z, t, debiased=True)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert distance(s, t, debiased=True).item() > 0.01


@pytest.mark.parametrize("axis", ["class", "tag"])
def test_extreme_logits_are_finite(axis):
    s = torch.tensor([[50.0, -50], [-50, 50], [50, 50]], requires_grad=True)
    value = distance(s, -s.detach(), axis)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(s.grad).all()


def test_the_cost_of_tags_is_their_mean():
    s, t = sets(4, 3)
    p, q = (spread(Decisions(z, "tag"), 2.0) for z in (s, t))
    expected = 2 * ((s / 2).sigmoid()[:, None] - (t / 2).sigmoid()[None]).abs().mean(-1)
    torch.testing.assert_close(torch.cdist(p, q, p=1), expected)


def test_rows_that_do_not_count_are_not_there():
    s, t = sets()
    valid = torch.arange(12) % 3 != 0
    torch.testing.assert_close(distance(s, t, valid=valid), distance(s[valid], t[valid]), atol=1e-9, rtol=0)
    assert distance(s, t, valid=torch.zeros(12, dtype=torch.bool)).item() == pytest.approx(0, abs=1e-20)
    assert torch.isfinite(distance(s[:1], t[:1]))


def test_of_maps_every_image_shows_the_same_places():
    rows = torch.arange(3 * 4 * 5).view(3, 20)
    chosen = thinned(rows.flatten(), (3, 4, 5), 12).view(3, 4)
    assert torch.equal(chosen, rows[:, [0, 5, 10, 15]])
    assert torch.equal(thinned(rows.flatten(), (3, 4, 5), 60), rows.flatten())
    assert torch.equal(thinned(rows.flatten(), None, 7), rows.flatten())
    s, t = sets(60)
    images = torch.tensor([2, 0, 1])
    turned = [z.view(3, 20, -1)[images].flatten(0, 1) for z in (s, t)]
    found = [distance(*z, grid=(3, 4, 5), rows=12) for z in ((s, t), turned)]
    torch.testing.assert_close(*found)


def test_it_must_ride_on_another_term():
    with pytest.raises(ValueError, match="task or kd must be above 0"):
        SinKDConfig(task=0, kd=0)
