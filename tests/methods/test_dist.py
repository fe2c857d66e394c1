"""DIST against the released values on the shared inputs, numpy's correlations, and its own invariances."""

import numpy as np
import pytest
import torch

from kdbench.contract.decisions import Decisions
from kdbench.methods.dist import answers, correlation, intra, shares

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)


def both(student, teacher, T=1.0, axis="class"):
    s, t = (answers(Decisions(z, axis), T) for z in (student, teacher))
    return (1 - correlation(s, t)).mean(), intra(s, t, None)


@pytest.mark.parametrize(("T", "inter", "columns"), [(1, 0.01120843, 5.5e-7), (4, 0.80471721 / 16, 3.74e-5 / 16)])
def test_released_values(T, inter, columns):
    found = both(STUDENT, TEACHER, T)
    assert found[0].item() == pytest.approx(inter, abs=1e-8)
    assert found[1].item() == pytest.approx(columns, abs=5e-8)


@pytest.mark.parametrize("axis", ["class", "tag"])
def test_is_numpy_s_correlation(axis):
    torch.manual_seed(0)
    s, t = torch.randn(9, 5, dtype=torch.float64), torch.randn(9, 5, dtype=torch.float64)
    p, q = (answers(Decisions(z, axis), 2.0).numpy() for z in (s, t))
    inter, columns = both(s, t, 2.0, axis)
    assert inter.item() == pytest.approx(1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q)]), abs=1e-6)
    assert columns.item() == pytest.approx(1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T)]), abs=1e-6)


def test_shares_leave_out_rows_and_count_them_double():
    torch.manual_seed(1)
    s, t = torch.rand(6, 4, dtype=torch.float64), torch.rand(6, 4, dtype=torch.float64)
    some = torch.tensor([1, 1, 0, 1, 0, 1], dtype=torch.float64)
    kept = some.bool()
    torch.testing.assert_close(intra(s, t, some), intra(s[kept], t[kept], None), atol=1e-6, rtol=0)
    twice = torch.tensor([2.0, 1, 1, 1, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(intra(s, t, twice), intra(torch.cat((s, s[:1])), torch.cat((t, t[:1])), None), atol=1e-6, rtol=0)
    assert intra(s, t, torch.zeros(6, dtype=torch.float64)).item() == 1


def test_a_row_that_is_not_valid_has_no_share():
    decisions = Decisions(STUDENT, "class", valid=torch.tensor([True, False]), weight=torch.tensor([0.5, 3.0]))
    assert shares(decisions).tolist() == [0.5, 0.0]
    assert shares(Decisions(STUDENT, "class")) is None


def test_nothing_is_left_at_affine_answers_and_much_at_opposite_ones():
    torch.manual_seed(2)
    t = torch.rand(7, 5, dtype=torch.float64)
    assert (1 - correlation(3 * t + 2, t)).abs().max() < 1e-6
    assert (1 - correlation(-t, t)).min() > 1.9


def test_a_batch_of_one_has_no_columns_to_correlate():
    s = STUDENT[:1].clone().requires_grad_()
    p, q = answers(Decisions(s, "class"), 1.0), answers(Decisions(TEACHER[:1], "class"), 1.0)
    value = intra(p, q, None)
    assert value.item() == 1.0
    value.backward()
    assert s.grad.abs().max() == 0
    inter = (1 - correlation(p, q)).item()
    assert inter + 1 == pytest.approx(1.01640892, abs=1e-8)


def test_extreme_logits_have_finite_gradients():
    s = torch.tensor([[50.0, -50, 0], [-50, 50, 0]], requires_grad=True)
    p, q = answers(Decisions(s, "class"), 1.0), answers(Decisions(-s.detach(), "class"), 1.0)
    ((1 - correlation(p, q)).mean() + intra(p, q, torch.ones(2))).backward()
    assert torch.isfinite(s.grad).all()
