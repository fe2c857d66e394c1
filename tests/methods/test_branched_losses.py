"""Losses and parts of methods with heads, players and learning teachers, against values worked out with other operations."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from kdbench.contract.decisions import Decisions, divergence
from kdbench.methods.bd_kd import balanced, entropy
from kdbench.methods.cerberus import Towers
from kdbench.methods.cerberus import answer as mean_of_heads
from kdbench.methods.dho import answer as two_heads
from kdbench.methods.meal_v2 import Discriminator, mean_logits, told
from kdbench.methods.mgd_semi import boxes, pasted, resized, similarities
from kdbench.methods.one import Gate, ensemble
from kdbench.methods.simkd import projector
from kdbench.methods.srrl import errors

STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)


def d(values, axis="class"):
    return Decisions(values, axis)


def kl(p, q):
    return (p * np.log(p / q)).sum(1)


def slow_balanced(student, teacher, T, balance):
    s, t = (scipy.special.softmax(z.numpy() / T, 1) for z in (student, teacher))
    surer = scipy.stats.entropy(s.T) < scipy.stats.entropy(t.T)
    return T * T * (np.where(surer, balance, 1) * kl(t, s) + np.where(surer, 1, balance) * kl(s, t))


@pytest.mark.parametrize("T", [1.0, 2.0])
@pytest.mark.parametrize("balance", [1.0, 2.0])
def test_bd_kd_is_the_slow_one(T, balance):
    generator = torch.Generator().manual_seed(3)
    student, teacher = (torch.randn(20, 5, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    np.testing.assert_allclose(
        balanced(d(student), d(teacher), T, balance), slow_balanced(student, teacher, T, balance), atol=1e-9
    )


def test_bd_kd_leans_by_who_is_surer():
    """The student is the less sure one in both rows of STUDENT, and the surer one with the places changed."""
    s, t = d(STUDENT), d(TEACHER)
    assert (entropy(s, 1.0) > entropy(t, 1.0)).all()
    forward, reverse = (divergence(s, t, kind=kind) for kind in ("fkl", "rkl"))
    torch.testing.assert_close(balanced(s, t, 1.0, 5.0), forward + 5 * reverse)
    torch.testing.assert_close(balanced(t, s, 1.0, 5.0), 5 * reverse + forward)
    assert balanced(s, s, 2.0, 2.0).abs().max() < 1e-12


def test_bd_kd_raises_the_entropy_of_a_student_that_is_too_sure():
    student = (3 * TEACHER).requires_grad_()
    balanced(d(student), d(TEACHER), 1.0, 2.0).sum().backward()
    moved = student.detach() - 0.1 * student.grad
    assert (entropy(d(moved), 1.0) > entropy(d(student.detach()), 1.0)).all()


@pytest.mark.parametrize("axis", ["class", "tag", "candidate"])
def test_bd_kd_on_extreme_and_single_answers(axis):
    wild = torch.tensor([[50.0, -50, 0]], dtype=torch.float64, requires_grad=True)
    rows = balanced(d(wild, axis), d(-wild.detach(), axis), 1.0, 2.0)
    rows.sum().backward()
    assert rows.shape == (1,) and torch.isfinite(rows).all() and torch.isfinite(wild.grad).all()
    if axis != "tag":
        assert balanced(d(wild[:, :1], axis), d(wild[:, 1:2], axis), 1.0, 2.0).item() == 0


def test_srrl_vector():
    mine, theirs = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[1.0, 1], [0, 2]])
    weight = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert errors(mine, theirs, mine @ weight.T, theirs @ weight.T).item() == pytest.approx(1.16666667)
    assert errors(theirs, theirs, theirs @ weight.T, theirs @ weight.T).item() == 0


def test_simkd_projector_has_the_published_size():
    assert sum(p.numel() for p in projector(256, 256, 2, maps=True).parameters()) == 214_016
    assert sum(p.numel() for p in projector(512, 2048, 2, maps=True).parameters()) == 12_066_816


def test_one_s_ensemble_is_a_gated_sum():
    values = [torch.randn(4, 3, dtype=torch.float64) for _ in range(3)]
    shares = torch.rand(4, 3, dtype=torch.float64).softmax(1)
    torch.testing.assert_close(ensemble(values, shares), torch.einsum("nbk,bn->bk", torch.stack(values), shares))
    torch.testing.assert_close(ensemble([values[0]] * 3, shares), values[0])  # equal branches, any gate
    maps = [torch.randn(4, 5, 2, 2) for _ in range(2)]
    assert ensemble(maps, torch.rand(4, 2)).shape == (4, 5, 2, 2)


def test_one_s_gate_is_a_distribution_for_any_batch():
    gate = Gate(6, 3)
    for tap in (torch.randn(5, 6, 4, 4), torch.randn(1, 6, 4, 4), torch.randn(5, 6)):
        torch.testing.assert_close(gate(tap).sum(1), torch.ones(len(tap)))


def test_one_s_ramp(monkeypatch):
    from types import SimpleNamespace

    from kdbench.methods.one import ONE, ONEConfig

    method = ONE(ONEConfig(ramp=0.5))
    method.gate, method.others = Gate(2, 2), torch.nn.ModuleList([torch.nn.Linear(2, 3)])
    outputs = SimpleNamespace(values=torch.zeros(2, 3), taps={"stage2": torch.zeros(2, 2)})
    weights = []
    for progress in (0.0, 0.25, 0.5, 0.9):
        step = SimpleNamespace(progress=progress, batch=lambda on: None, student=lambda on: outputs, supervised=lambda: None)
        weights.append(method.terms(step)["one"].weight)
    assert weights == pytest.approx([0.00673795, 0.28650480, 1, 1], abs=1e-8)


def test_meal_s_divergence_has_the_gradient_of_soft_cross_entropy():
    members = torch.stack((TEACHER, -TEACHER))
    joint = Decisions(members, "class", reduce="prob")
    q = members.softmax(2).mean(0)
    student = STUDENT.clone().requires_grad_()
    divergence(d(student), joint).mean().backward()
    torch.testing.assert_close(student.grad, (STUDENT.softmax(1) - q) / 2)
    torch.testing.assert_close(mean_logits(joint), torch.zeros_like(STUDENT))  # not the logits of the mean probability
    assert not torch.allclose(q, torch.full_like(q, 1 / 3))
    torch.testing.assert_close(mean_logits(d(TEACHER)), TEACHER)


def test_meal_s_discriminator():
    judged = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 2
    assert told(judged, teacher=False).item() == pytest.approx(expected)
    assert told(judged, teacher=True).item() == pytest.approx((math.log1p(math.exp(1)) + math.log1p(math.exp(2))) / 2)
    assert [layer.out_features for layer in Discriminator(1000, False) if hasattr(layer, "out_features")] == [125, 15, 2]
    assert (Discriminator(10, True)(torch.randn(50, 10)) >= 0).all()


@pytest.mark.parametrize("axis", ["class", "tag"])
def test_two_heads_are_a_distribution(axis):
    a, b = STUDENT, TEACHER
    logits = two_heads(axis, 0.3, 0.5, a, {"distilled": b})
    if axis == "class":
        expected = 0.3 * scipy.special.softmax(a.numpy(), 1) + 0.7 * scipy.special.softmax(b.numpy() / 0.5, 1)
        np.testing.assert_allclose(logits.softmax(1), expected, atol=1e-12)
    else:
        np.testing.assert_allclose(
            logits.sigmoid(), 0.3 * scipy.special.expit(a) + 0.7 * scipy.special.expit(b / 0.5), atol=1e-12
        )
    assert torch.equal(two_heads(axis, 1.0, 0.5, a, {"distilled": b}), a)
    assert torch.equal(two_heads(axis, 0.0, 0.5, a, {"distilled": b}), b / 0.5)


def test_the_mean_of_heads():
    heads = {"head1": TEACHER}
    np.testing.assert_allclose(
        mean_of_heads("class", STUDENT, heads).exp(), (STUDENT.softmax(1) + TEACHER.softmax(1)) / 2, atol=1e-12
    )
    torch.testing.assert_close(mean_of_heads("candidate", STUDENT, heads), (STUDENT + TEACHER) / 2)
    torch.testing.assert_close(mean_of_heads("class", STUDENT, {}), STUDENT.log_softmax(1))
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(mean_of_heads("class", maps, {"head1": -maps}).exp().sum(1), torch.ones(2, 4, 5))


def test_towers_score_shared_documents():
    head, query, documents = Towers(4), torch.randn(3, 4), torch.randn(1, 6, 4)
    scores = head({"embedding": query, "documents": documents})
    assert scores.shape == (3, 6) and (scores.abs() <= 10.0001).all()
    torch.testing.assert_close(scores, head({"embedding": query, "documents": documents.expand(3, -1, -1)}))


def test_boxes_cover_a_quarter_to_a_half_less_overlaps():
    masks = boxes(torch.zeros(200, 3, 48, 64), torch.Generator().manual_seed(1))
    share = masks.flatten(1).float().mean(1)
    assert masks.shape == (200, 48, 64)
    assert 0.2 < share.mean() < 0.45 and share.max() < 0.56 and share.min() > 0.08
    assert not torch.equal(masks[0], masks[1])


def test_pasted_labels_are_those_of_the_image_that_shows():
    values = torch.randn(3 * 4 * 5, 6)
    member = Decisions(values, "class", grid=(3, 4, 5))
    mask = torch.rand(3, 8, 10) < 0.5
    label = pasted(member, resized(mask, (3, 4, 5))).view(3, 4, 5)
    said, small = values.argmax(1).view(3, 4, 5), mask[:, ::2, ::2]
    for number in range(3):
        expected = np.where(small[number], said[(number + 1) % 3], said[number])
        np.testing.assert_array_equal(label[number], expected)


def test_similarities_of_regions():
    tap = torch.rand(2, 5, 7, 7, dtype=torch.float64)
    found = similarities(tap, 7)
    rows = tap.numpy().reshape(2, 5, 49)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.einsum("bci,bcj->bij", rows, rows), atol=1e-12)
    scale = torch.rand(2, 1, 7, 7, dtype=torch.float64) + 0.5
    torch.testing.assert_close(similarities(tap * scale, 7), found)
    torch.testing.assert_close(similarities(torch.rand(1, 3, 24, 32), 7).diagonal(dim1=1, dim2=2), torch.ones(1, 49))
