"""RankNet, pointwise MSE and Trans-Encoder's losses: worked values, plain loops, invariances."""

import math

import numpy as np
import pytest
import scipy.special
import torch

from kdbench.methods.pointwise_mse import rescaled, squared_error
from kdbench.methods.ranknet import pairs
from kdbench.methods.trans_encoder import cosines, cross_loss, tower_loss

T_LIST = torch.tensor([[3.0, 1, 0]], dtype=torch.float64)
S_LIST = torch.tensor([[2.0, 2, 1]], dtype=torch.float64)


def test_ranknet_values():
    hard, some = pairs(S_LIST, T_LIST, "hard", 1.0)
    assert hard.item() == pytest.approx(0.43989019, abs=1e-8)
    assert some.item()
    assert pairs(S_LIST, T_LIST, "soft", 1.0)[0].item() == pytest.approx(0.54534595, abs=1e-8)


@pytest.mark.parametrize("T", [1.0, 3.0])
def test_ranknet_is_a_loop_over_pairs(T):
    torch.manual_seed(0)
    s, t = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64).round()
    for row in range(3):
        soft, hard = [], []
        for i in range(6):
            for j in range(6):
                p = scipy.special.expit((s[row, i] - s[row, j]).item())
                wanted = scipy.special.expit(((t[row, i] - t[row, j]) / T).item())
                if i < j:
                    soft.append(-(wanted * math.log(p) + (1 - wanted) * math.log(1 - p)))
                if t[row, i] > t[row, j]:
                    hard.append(-math.log(p))
        assert pairs(s, t, "soft", T)[0][row].item() == pytest.approx(np.mean(soft), abs=1e-10)
        assert pairs(s, t, "hard", T)[0][row].item() == pytest.approx(np.mean(hard), abs=1e-10)


@pytest.mark.parametrize("form", ["soft", "hard"])
def test_ranknet_is_blind_to_offsets_and_to_the_candidates_order(form):
    torch.manual_seed(1)
    s, t = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    value = pairs(s, t, form, 1.0)[0]
    order = torch.randperm(5)
    torch.testing.assert_close(pairs(s[:, order] + 3, t[:, order] - 8, form, 1.0)[0], value)
    flat = pairs(torch.zeros_like(s), t, form, 1.0)[0]
    torch.testing.assert_close(flat, torch.full_like(flat, math.log(2)))


def test_soft_ranknet_rests_where_the_student_is_the_teacher():
    s = T_LIST.clone().requires_grad_()
    pairs(s, T_LIST + 5, "soft", 1.0)[0].sum().backward()
    assert s.grad.abs().max() < 1e-12


def test_queries_without_a_pair_are_told():
    tied = torch.ones(1, 4)
    loss, some = pairs(torch.randn(1, 4), tied, "hard", 1.0)
    assert (loss.item(), some.item()) == (0.0, False)
    for form in ("soft", "hard"):
        loss, some = pairs(torch.randn(2, 1), torch.randn(2, 1), form, 1.0)
        assert loss.tolist() == [0.0, 0.0]
        assert not some.any()


def test_ranknet_survives_extreme_scores():
    s = torch.tensor([[50.0, -50]], requires_grad=True)
    for form in ("soft", "hard"):
        (grad,) = torch.autograd.grad(pairs(s, -s.detach(), form, 1.0)[0].sum(), s)
        assert torch.isfinite(grad).all()
        assert grad.abs().max() > 0.5  # a wrong pair is felt however wrong it is


def test_pointwise_values():
    assert squared_error(S_LIST, T_LIST, "raw").item() == pytest.approx(1.0)
    assert squared_error(S_LIST, T_LIST, "minmax").item() == pytest.approx(((2 - 1) ** 2 + (2 - 1 / 3) ** 2 + 1) / 3)
    z = (np.array([3, 1, 0]) - 4 / 3) / np.std([3, 1, 0])
    assert squared_error(S_LIST, T_LIST, "zscore").item() == pytest.approx(((np.array([2, 2, 1]) - z) ** 2).mean())


def test_pointwise_sees_offsets_unless_the_target_is_rescaled():
    assert squared_error(S_LIST, T_LIST + 1, "raw").item() != pytest.approx(1.0)
    for how in ("zscore", "minmax"):
        torch.testing.assert_close(rescaled(5 * T_LIST - 3, how), rescaled(T_LIST, how))
        assert torch.equal(rescaled(torch.full((2, 3), 0.7), how), torch.zeros(2, 3))
    assert rescaled(T_LIST, "raw") is T_LIST


def test_trans_encoder_losses():
    cosine = torch.tensor([[0.5, -0.3, 1.0]], dtype=torch.float64)
    logits = torch.tensor([[1.0, -2, 30]], dtype=torch.float64)
    p = scipy.special.expit(logits.numpy())
    wanted = np.array([[0.5, 0, 1]])
    expected = -(wanted * np.log(p) + (1 - wanted) * np.log1p(-p)).mean()
    assert cross_loss(logits, cosine).item() == pytest.approx(expected, abs=1e-10)
    assert tower_loss(cosine, logits).item() == pytest.approx(((cosine.numpy() - p) ** 2).mean(), abs=1e-12)


def test_cosines_of_towers_do_not_see_length_and_share_documents():
    torch.manual_seed(2)
    q, d = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 5, 4, dtype=torch.float64)
    found = cosines({"embedding": 7 * q, "documents": d})
    for b in range(3):
        for k in range(5):
            expected = q[b] @ d[b, k] / (q[b].norm() * d[b, k].norm())
            assert found[b, k].item() == pytest.approx(expected.item())
    shared = cosines({"embedding": q, "documents": d[:1]})
    torch.testing.assert_close(shared[0], found[0])
    same = cosines({"embedding": q, "documents": q[:, None]})
    torch.testing.assert_close(same, torch.ones(3, 1, dtype=torch.float64))
