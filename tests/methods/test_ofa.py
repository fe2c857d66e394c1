"""OFA: its weights at the corners where they are known, and its exits in every form of tap."""

import numpy as np
import pytest
import torch

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.errors import KdbenchError
from kdbench.methods.ofa import OFA, OFAConfig, exit_for, modulated

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)
LABEL = torch.tensor([0, 2])


def loss(student=STUDENT, teacher=TEACHER, labels=LABEL, **config):
    return OFA(OFAConfig(**config)).loss(Decisions(student, "class", labels), Decisions(teacher, "class"))


def test_gamma_one_is_the_teacher_s_cross_entropy():
    p, log_q = TEACHER.softmax(1).numpy(), STUDENT.log_softmax(1).numpy()
    assert loss(gamma=1).item() == pytest.approx(-(p * log_q).sum(1).mean(), abs=1e-12)
    z = STUDENT.clone().requires_grad_()
    (own,) = torch.autograd.grad(loss(z, gamma=1), z)
    (kl,) = torch.autograd.grad(divergence(Decisions(z, "class"), Decisions(TEACHER, "class")).mean(), z)
    torch.testing.assert_close(own, kl)


def test_weights_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
    np.testing.assert_allclose(modulated(p, LABEL[:1], 2.0, "released"), [[1.7**2 - 1, 0.04, 0.01]], atol=1e-12)
    np.testing.assert_allclose(modulated(p, LABEL[:1], 2.0, "paper"), [[1.7**2, 0.2, 0.1]], atol=1e-12)
    rising = torch.cat([modulated(p, LABEL[:1], gamma, "released") for gamma in (1.0, 1.5, 2.0)])
    assert (rising[:, 0].diff() > 0).all()
    assert (rising[:, 1:].diff(dim=0) < 0).all()


def test_a_teacher_that_is_certain_gives_a_multiple_of_cross_entropy():
    sure = torch.eye(3, dtype=torch.float64)[LABEL] * 2000 - 1000
    ce = torch.nn.functional.cross_entropy(STUDENT, LABEL).item()
    assert loss(teacher=sure, gamma=1.5).item() == pytest.approx((2**1.5 - 1) * ce, abs=1e-9)


def test_without_labels_the_teacher_s_best_answer_stands_in():
    assert loss(labels=None).item() == loss(labels=TEACHER.argmax(1)).item()
    assert loss(labels=torch.tensor([1, 1])).item() != loss(labels=None).item()


def test_extreme_logits_have_finite_gradients():
    wild = torch.tensor([[50.0, -50, 0]], requires_grad=True)
    loss(wild, -wild.detach(), LABEL[:1]).backward()
    assert torch.isfinite(wild.grad).all()


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("shape", [(4, 8, 8), (5, 1, 1), (3, 7, 5)])
def test_exits_of_maps(shape, after):
    leave = exit_for(shape, 16, 10, after, dense=False)
    tap = torch.randn(3, *shape, requires_grad=True)
    out = leave(tap)
    assert out.shape == (3, 10)
    assert sum(isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2) for m in leave.modules()) == after
    torch.testing.assert_close(leave(tap[:1]), out[:1], atol=1e-5, rtol=1e-5)  # nobody's company matters
    out.sum().backward()
    assert tap.grad.abs().sum() > 0


def test_exits_of_vectors_and_of_dense_maps():
    assert exit_for((6,), 16, 10, 2, dense=False)(torch.randn(2, 6)).shape == (2, 10)
    assert exit_for((6, 8, 4), 16, 10, 2, dense=True)(torch.randn(2, 6, 8, 4)).shape == (2, 10, 8, 4)
    for shape, dense in (((4, 6), False), ((6,), True)):
        with pytest.raises(KdbenchError, match="an exit reads a map"):
            exit_for(shape, 16, 10, 0, dense)
