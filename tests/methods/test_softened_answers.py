"""wsld, ctkd and mlkd: their values worked out elsewhere or written here with other operations, and what each is known by."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import torch

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.method import Owner
from kdbench.methods.ctkd import CTKD, CTKDConfig, strength
from kdbench.methods.mlkd import level_gaps
from kdbench.methods.wsld import soft_cross_entropy, trust

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)
LABEL = torch.tensor([0, 2])


def rows(values, **more):
    return Decisions(values, "class", **more)


def test_wsld_known_values():
    w = trust(rows(STUDENT), rows(TEACHER), LABEL)
    assert w.tolist() == pytest.approx([0.90926884, 0.92407091], abs=1e-7)
    soft = (w * soft_cross_entropy(rows(STUDENT), rows(TEACHER), 2.0)).mean().item()
    assert soft == pytest.approx(3.20005886, abs=1e-7)
    as_kl = (w * divergence(rows(STUDENT), rows(TEACHER), 2.0)).mean().item()
    assert as_kl == pytest.approx(0.16277130, abs=1e-7)


def test_wsld_trusts_between_nothing_and_all_and_passes_no_gradient():
    rng = np.random.default_rng(0)
    s = torch.from_numpy(60 * rng.normal(size=(200, 5))).requires_grad_()
    t, label = torch.from_numpy(60 * rng.normal(size=(200, 5))), torch.from_numpy(rng.integers(0, 5, 200))
    w = trust(rows(s), rows(t), label)
    assert not w.requires_grad and w.min() >= 0 and w.max() <= 1 and torch.isfinite(w).all()
    right = torch.tensor([[80.0, 0, 0]])
    assert trust(rows(right), rows(right / 40), LABEL[:1]).item() < 1e-6
    assert trust(rows(right / 40), rows(right), LABEL[:1]).item() > 0.999


def ctkd(theta=1.0, **params):
    method = CTKD(CTKDConfig(**params)).double()
    method.build(None, None)
    method.theta = torch.nn.Parameter(torch.tensor(theta, dtype=torch.float64))
    return method


def term(method, student, progress):
    step = SimpleNamespace(
        progress=progress, supervised=None, decide=lambda: rows(student), teacher=lambda: SimpleNamespace(decisions=rows(TEACHER))
    )
    return method.terms(step)["ctkd"]


def test_ctkd_starts_at_the_temperature_of_the_release():
    method = CTKD(CTKDConfig())
    method.build(None, None)
    assert method.temperature().item() == pytest.approx(15.62117157, abs=1e-5)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.0), (1, -0.02447174), (5, -0.5), (10, -1.0), (100, -1.0)])
def test_ctkd_gains_its_strength_along_half_a_cosine(epoch, expected):
    assert strength(epoch / 240, 10 / 240) == pytest.approx(expected, abs=1e-8)
    assert strength(0.0, 0.0) == -1.0


@pytest.mark.parametrize("epoch", [0, 3, 10])
def test_ctkd_gives_theta_its_gradient_times_the_strength_and_the_student_that_of_kd(epoch):
    progress, factor = epoch / 240, strength(epoch / 240, 10 / 240)
    method, student = ctkd(0.3), STUDENT.clone().requires_grad_()
    term(method, student, progress).compute().backward()

    theta, T = 0.3, lambda theta: 1 + 20 / (1 + math.exp(-theta))

    def loss(theta):
        return divergence(rows(STUDENT), rows(TEACHER), T(theta)).mean().item()

    slope = (loss(theta + 1e-5) - loss(theta - 1e-5)) / 2e-5
    assert method.theta.grad.item() == pytest.approx(factor * slope, rel=1e-5, abs=1e-12)
    fixed = STUDENT.clone().requires_grad_()
    divergence(rows(fixed), rows(TEACHER), T(theta)).mean().backward()
    torch.testing.assert_close(student.grad, fixed.grad)


def test_ctkd_climbs_where_the_student_descends_and_tells_its_temperature():
    method = ctkd(curriculum=0.0, task=0.0)
    student = torch.nn.Parameter(STUDENT.clone())
    owners = {"student": Owner([student, method.theta])}
    optimiser = torch.optim.SGD(owners["student"].params, lr=0.1)
    values = method.backward({"ctkd": term(method, student, 0.5)}, owners)
    before = method.temperature().item()
    assert values["temperature"] == pytest.approx(before)
    optimiser.step()
    assert method.temperature().item() > before
    later = divergence(rows(student), rows(TEACHER), before).mean().item()
    assert later < divergence(rows(STUDENT), rows(TEACHER), before).mean().item()


def test_mlkd_known_values():
    gaps = [level_gaps(rows(STUDENT), rows(TEACHER), T) for T in (2.0, 3.0, 4.0, 5.0, 6.0)]
    assert sum(batch.item() for batch, _ in gaps) == pytest.approx(0.01427577, abs=1e-8)
    assert sum(group.item() for _, group in gaps) == pytest.approx(0.04676690, abs=1e-8)


def test_mlkd_levels_are_those_of_the_full_products():
    rng = np.random.default_rng(0)
    s, t = 5 * rng.normal(size=(30, 7)), 5 * rng.normal(size=(30, 7))
    valid = rng.random(30) < 0.7
    p, q = (scipy.special.softmax(z[valid] / 3, 1) for z in (s, t))
    batch, group = level_gaps(rows(torch.from_numpy(s), valid=torch.from_numpy(valid)), rows(torch.from_numpy(t)), 3.0)
    assert batch.item() == pytest.approx(((p @ p.T - q @ q.T) ** 2).sum() / valid.sum())
    assert group.item() == pytest.approx(((p.T @ p - q.T @ q) ** 2).sum() / 7)
    none = torch.zeros(30, dtype=torch.bool)
    assert [gap.item() for gap in level_gaps(rows(torch.from_numpy(s), valid=none), rows(torch.from_numpy(t)), 3.0)] == [0, 0]


def test_mlkd_of_equal_answers_is_zero_and_a_weight_is_a_factor():
    alike = level_gaps(rows(STUDENT), rows(STUDENT + 5), 2.0)
    assert max(gap.abs().item() for gap in alike) < 1e-15
    plain = level_gaps(rows(STUDENT), rows(TEACHER), 2.0)
    weighed = level_gaps(rows(STUDENT, weight=torch.full((2,), 0.25)), rows(TEACHER), 2.0)
    for a, b in zip(plain, weighed):
        assert b.item() == pytest.approx(0.25 * a.item())
