"""KD's divergences: the one that the contract's own tests leave out, and what each is at its extremes."""

import math

import numpy as np
import pytest
import scipy.special
import torch

from kdbench.contract.decisions import Decisions, divergence
from kdbench.methods.kd import KDConfig

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)


def rows(student, teacher, axis="class", **how):
    return divergence(Decisions(student, axis), Decisions(teacher, axis), **how)


@pytest.mark.parametrize("skew", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("T", [1.0, 4.0])
def test_skew_is_kl_to_a_mixture(T, skew):
    t, s = scipy.special.softmax(TEACHER.numpy() / T, 1), scipy.special.softmax(STUDENT.numpy() / T, 1)
    expected = T * T * scipy.special.rel_entr(t, skew * t + (1 - skew) * s).sum(1)
    np.testing.assert_allclose(rows(STUDENT, TEACHER, T=T, kind="skew", skew=skew), expected, atol=1e-12)


def test_skew_on_tags_is_a_mean_of_bernoullis():
    t, s = scipy.special.expit(TEACHER.numpy()), scipy.special.expit(STUDENT.numpy())
    m = 0.1 * t + 0.9 * s
    expected = (scipy.special.rel_entr(t, m) + scipy.special.rel_entr(1 - t, 1 - m)).mean(1)
    np.testing.assert_allclose(rows(STUDENT, TEACHER, "tag", kind="skew", skew=0.1), expected, atol=1e-12)


def test_skew_lies_between_nothing_and_kl_and_is_bounded_where_kl_is_not():
    kl = rows(STUDENT, TEACHER)
    by_share = torch.stack([rows(STUDENT, TEACHER, kind="skew", skew=a) for a in (1e-9, 0.2, 0.6, 1 - 1e-9)])
    torch.testing.assert_close(by_share[0], kl, atol=1e-7, rtol=0)
    assert (by_share.diff(dim=0) < 0).all()
    assert by_share[-1].abs().max() < 1e-6
    wild = torch.tensor([[50.0, -50.0]], dtype=torch.float64, requires_grad=True)
    far = rows(wild, -wild.detach(), kind="skew", skew=0.1)
    assert far.item() == pytest.approx(-math.log(0.1))
    far.sum().backward()
    assert torch.isfinite(wild.grad).all()


def test_skew_of_equal_answers_is_stationary():
    z = TEACHER.clone().requires_grad_()
    value = rows(z, TEACHER + 7, kind="skew").sum()
    value.backward()
    assert value.abs() < 1e-12
    assert z.grad.abs().max() < 1e-12


@pytest.mark.parametrize("skew", [0.0, 1.0, -0.2])
def test_a_skew_that_is_no_mixture_is_refused(skew):
    with pytest.raises(ValueError, match="skew"):
        KDConfig(divergence="skew", skew=skew)
