"""Losses against values worked out elsewhere, or written here from the formula with other operations, in float64."""

import numpy as np
import pytest
import scipy.special
import torch

from kdbench.contract.decisions import Decisions, divergence
from kdbench.methods.at import attention
from kdbench.methods.dkd import decoupled
from kdbench.methods.logit_std import LogitStd
from kdbench.methods.margin_mse import margin_error

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)
LABEL = torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("T", "target", "rest", "total"), [(1, 0.06087817, 0.23105858, 1.90934680), (4, 0.12437038, 0.24870600, 2.11401841)]
)
def test_dkd_vectors(T, target, rest, total):
    t, n = decoupled(Decisions(STUDENT, "class"), Decisions(TEACHER, "class"), LABEL, T)
    found = (T * T * t.mean()).item(), (T * T * n.mean()).item()
    assert found == pytest.approx((target, rest), abs=1e-8)
    assert found[0] + 8 * found[1] == pytest.approx(total, abs=1e-7)


def test_dkd_with_the_teacher_s_own_weights_is_kd():
    student, teacher = Decisions(STUDENT, "class"), Decisions(TEACHER, "class")
    t, n = decoupled(student, teacher, LABEL, 4)
    off = 1 - scipy.special.softmax(TEACHER.numpy() / 4, 1)[np.arange(2), LABEL]
    torch.testing.assert_close(t + torch.from_numpy(off) * n, divergence(student, teacher, 4, squared=False))


def test_dkd_survives_what_overflows_in_the_release():
    wild = torch.tensor([[200.0, 0, -200], [-200, 200, 0]], requires_grad=True)
    t, n = decoupled(Decisions(wild, "class"), Decisions(-wild.detach(), "class"), LABEL, 1.0)
    assert torch.isfinite(t).all()
    assert torch.isfinite(n).all()
    (t.mean() + n.mean()).backward()
    assert torch.isfinite(wild.grad).all()


def test_dkd_of_two_classes_has_no_rest():
    _, rest = decoupled(Decisions(STUDENT[:, :2], "class"), Decisions(TEACHER[:, :2], "class"), torch.tensor([0, 1]), 1.0)
    assert rest.abs().max() < 1e-12


def see(z):
    return LogitStd(None, torch.nn.Module()).see(Decisions(z, "class"))


def test_logit_std_vector_and_invariance():
    row = divergence(see(STUDENT), see(TEACHER), 2.0).mean()
    assert row.item() == pytest.approx(0.04268330, abs=1e-7)
    moved = divergence(see(0.1 * STUDENT - 3), see(5 * TEACHER + 7), 2.0).mean()
    assert moved.item() == pytest.approx(row.item(), abs=1e-6)


def test_logit_std_keeps_gradients_of_constant_logits_small():
    flat = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    divergence(see(flat), see(TEACHER), 2.0).mean().backward()
    assert flat.grad.abs().max() < 1e3


def test_margin_mse_vector_and_invariances():
    teacher = torch.tensor([[5.0, 4, 3, 2, 1]])
    student = torch.tensor([[4.0, 5, 1, 3, 2]])
    assert margin_error(student, teacher).item() == 3.25
    shifted = margin_error(student + 3, teacher - 11).item()
    assert shifted == pytest.approx(3.25)
    assert margin_error(student, 2 * teacher).item() != pytest.approx(3.25)
    s = student.clone().requires_grad_()
    margin_error(s, teacher).sum().backward()
    assert s.grad[0, 0].item() == pytest.approx(-s.grad[0, 1:].sum().item())


def test_attention_maps():
    feature = torch.rand(2, 6, 4, 4, dtype=torch.float64)
    a = attention(feature, (4, 4))
    np.testing.assert_allclose(a.norm(dim=1), 1)
    torch.testing.assert_close(attention(3 * feature[:, torch.randperm(6)], (4, 4)), a)
    by_hand = (feature.numpy() ** 2).mean(1).reshape(2, 16)
    by_hand /= np.sqrt((by_hand**2).sum(1, keepdims=True))
    np.testing.assert_allclose(a, by_hand, atol=1e-12)
    assert attention(feature, (2, 2)).shape == (2, 4)
