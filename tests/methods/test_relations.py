"""Relations between samples (sp, cc, rkd, pkt): published vectors, loops in numpy, invariances, the smallest batches."""

import math

import numpy as np
import pytest
import torch

from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.cc import CC, CCConfig, correlations, neighbouring
from kdbench.methods.features import unit
from kdbench.methods.pkt import PKT, PKTConfig, divergences
from kdbench.methods.rkd import RKD, RKDConfig, angles, distances
from kdbench.methods.sp import SP, SPConfig, similarities

STUDENT = torch.tensor([[1, 0], [0, 2], [1, 1]], dtype=torch.float64)
TEACHER = torch.tensor([[1, 0], [1, 1], [0, 2]], dtype=torch.float64)


def term(method, student, teacher, layers=None):
    return method.distance(layers, student, teacher)


def sp(student, teacher):
    return term(SP(SPConfig()), student, teacher)


def rkd(student, teacher, **params):
    return term(RKD(RKDConfig(**params)), student, teacher)


def pkt(student, teacher, **params):
    return term(PKT(PKTConfig(**params)), student, teacher)


def kernel(student, teacher):
    return (correlations(student, 0.4, 2) - correlations(teacher, 0.4, 2)).pow(2).mean()


ALL = [sp, rkd, pkt, kernel]


def test_vectors():
    assert sp(STUDENT, TEACHER).item() == pytest.approx(0.15803236, abs=1e-8)
    assert rkd(STUDENT, TEACHER, distance=1, angle=0).item() == pytest.approx(0.14130457, abs=1e-8)
    assert rkd(STUDENT, TEACHER, distance=0, angle=1).item() == pytest.approx(0.17122816, abs=1e-8)
    assert rkd(STUDENT, TEACHER).item() == pytest.approx(12.09402228, abs=1e-7)
    assert pkt(STUDENT, TEACHER).item() == pytest.approx(0.01503841, abs=1e-8)
    assert pkt(STUDENT, TEACHER, reduction="rows").item() == pytest.approx(0.04511523, abs=1e-8)
    assert kernel(STUDENT, TEACHER).item() == pytest.approx(0.04725449, abs=1e-8)
    assert neighbouring(STUDENT, TEACHER).item() == pytest.approx(1.0)


def by_hand(name, s, t):
    """The same from the formula, pair by pair."""
    n = len(s)

    def cosine(f, i, j):
        return f[i] @ f[j] / math.sqrt((f[i] @ f[i]) * (f[j] @ f[j]))

    def huber(x):
        return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5

    total = 0.0
    if name == "sp":
        for i in range(n):
            gs, gt = [s[i] @ s[j] for j in range(n)], [t[i] @ t[j] for j in range(n)]
            total += sum((a / math.hypot(*gs) - b / math.hypot(*gt)) ** 2 for a, b in zip(gs, gt))
        return total / n**2
    if name == "cc":
        for i in range(n):
            for j in range(n):
                ks, kt = (math.exp(-0.8) * (1 + 0.8 * c + 0.32 * c * c) for c in (cosine(s, i, j), cosine(t, i, j)))
                total += (ks - kt) ** 2
        return total / n**2
    if name == "pkt":
        for i in range(n):
            ps, pt = ([(cosine(f, i, j) + 1) / 2 for j in range(n)] for f in (s, t))
            for a, b in zip(ps, pt):
                p, q = b / sum(pt), a / sum(ps)
                total += p * math.log((p + 1e-7) / (q + 1e-7))
        return total / n**2
    gaps = [[[math.dist(f[i], f[j]) for j in range(n)] for i in range(n)] for f in (s, t)]
    means = [sum(map(sum, g)) / (n * (n - 1)) for g in gaps]
    far = sum(huber(gaps[0][i][j] / means[0] - gaps[1][i][j] / means[1]) for i in range(n) for j in range(n)) / n**2

    def angle(f, i, j, k):
        a, b = f[j] - f[i], f[k] - f[i]
        return a @ b / math.sqrt((a @ a) * (b @ b)) if a.any() and b.any() else 0.0

    every = [(i, j, k) for i in range(n) for j in range(n) for k in range(n)]
    return 25 * far + 50 * sum(huber(angle(s, *at) - angle(t, *at)) for at in every) / n**3


@pytest.mark.parametrize("scale", [1, 50])
@pytest.mark.parametrize(("name", "loss"), [("sp", sp), ("rkd", rkd), ("pkt", pkt), ("cc", kernel)])
def test_against_loops(name, loss, scale):
    random = np.random.default_rng(len(name) + scale)
    s, t = random.uniform(-scale, scale, (5, 4)), random.uniform(-scale, scale, (5, 7))
    assert loss(torch.from_numpy(s), torch.from_numpy(t)).item() == pytest.approx(by_hand(name, s, t), abs=1e-6)


@pytest.mark.parametrize("loss", ALL)
def test_order_of_the_batch_does_not_matter_and_equal_features_cost_nothing(loss):
    s, t = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    order = torch.randperm(6)
    torch.testing.assert_close(loss(s[order], t[order]), loss(s, t))
    assert abs(loss(t, t).item()) < 1e-12
    assert loss(s, t).item() > 1e-4


def test_what_each_relation_does_not_see():
    s, t = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    each = torch.rand(6, 1, dtype=torch.float64) + 0.1
    same = torch.testing.assert_close
    for loss in ALL:
        same(loss(7 * s @ turn, t), loss(s, t))
    same(rkd(s + 3, t), rkd(s, t))
    same(pkt(each * s, t), pkt(s, t))
    same(kernel(each * s, t), kernel(s, t))
    for loss, moved in ((sp, each * s), (sp, s + 3), (rkd, each * s), (pkt, s + 3)):
        assert abs(loss(moved, t) - loss(s, t)) > 1e-6


@pytest.mark.parametrize("loss", ALL)
def test_a_batch_of_one_is_nothing(loss):
    one = torch.randn(1, 4, requires_grad=True)
    value = loss(one, torch.randn(1, 5))
    value.backward()
    assert abs(value.item()) < 1e-6
    assert torch.isfinite(one.grad).all()
    assert neighbouring(one, torch.randn(1, 4)).item() == 0


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("rows", [torch.zeros(4, 3), torch.ones(4, 3), torch.eye(4, 3)])  # dead, collapsed, one dead
def test_gradients_stay_small_where_features_are_dead_or_equal(loss, rows):
    student = rows.clone().requires_grad_()
    loss(student, torch.randn(4, 6)).backward()
    assert student.grad.abs().max() < 1e3


def test_a_list_is_compared_within_itself():
    s, t = torch.randn(3, 4, 5, dtype=torch.float64), torch.randn(3, 4, 7, dtype=torch.float64)
    for loss in (sp, rkd, pkt):
        each = torch.stack([loss(a, b) for a, b in zip(s, t)]).mean()
        torch.testing.assert_close(loss(s, t), each)


def test_maps_are_averaged_but_for_similarities_of_whole_maps():
    s, t = torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    for loss in (rkd, pkt):
        torch.testing.assert_close(loss(s, t), loss(s.mean((2, 3)), t))
    torch.testing.assert_close(sp(s, t), sp(s.flatten(1), t))


def test_parts_have_their_scale():
    rows = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(similarities(rows).norm(dim=1), torch.ones(5, dtype=torch.float64))
    assert distances(rows).sum().item() == pytest.approx(5 * 4)
    assert angles(rows).abs().max() <= 1 + 1e-12
    assert (divergences(rows, -rows[:, :1]) > 0).all()
    assert unit(torch.zeros(2, 3)).abs().sum() == 0


def built(student, teacher, **params):
    method = CC(CCConfig(**params))
    method.build(Specs(NetSpec({"embedding": student}, 3, 0), (NetSpec({"embedding": teacher}, 3, 0),), 10), None)
    return method


def test_the_teacher_s_embedding_is_fixed_and_keeps_its_correlations():
    method = built((4,), (6,), dim=8)
    layers = method.layers[0]
    s, t = layers(torch.randn(5, 4), teacher := torch.randn(5, 6))
    assert s.shape == t.shape == (5, 8)
    torch.testing.assert_close(correlations(t, 0.4, 2), correlations(teacher, 0.4, 2))
    assert {name for name, _ in method.named_parameters()} == {"layers.0.student.weight", "layers.0.student.bias"}
    assert "layers.0.projection" in method.state_dict()
    student = torch.randn(5, 4)
    for variant in ("paper", "crd"):
        found = built((4,), (6,), variant=variant)
        assert found.distance(found.layers[0], student, teacher).item() > 0
