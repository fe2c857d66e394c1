"""Top-k targets: what is kept and what the rest becomes, on every axis, and that the student is left alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions, divergence
from kdbench.methods.kd import KD, KDConfig
from kdbench.methods.top_k import TopK, TopKConfig, cut

LOGITS = torch.tensor([[2.0, -1, 0.5, 0], [0, 3, -2, 1]], dtype=torch.float64)


def probs(axis, k, fill, values=LOGITS, reduce="none"):
    found = cut(Decisions(values, axis, reduce=reduce), k, fill).log_probs().exp()
    return (found[..., 0] if axis == "tag" else found).numpy()


def test_tags_keep_their_probability():
    p = LOGITS.sigmoid().numpy()
    np.testing.assert_allclose(probs("tag", 2, "zero"), [[p[0, 0], 0, p[0, 2], 0], [0, p[1, 1], 0, p[1, 3]]], atol=1e-12)
    share = np.array([p[0, 2] / 2, p[1, 3] / 2])
    expected = [[p[0, 0], share[0], p[0, 2], share[0]], [share[1], p[1, 1], share[1], p[1, 3]]]
    np.testing.assert_allclose(probs("tag", 2, "spread"), expected, atol=1e-12)


@pytest.mark.parametrize("axis", ["class", "candidate"])
def test_distributions_stay_distributions(axis):
    p = LOGITS.softmax(1).numpy()
    first = probs(axis, 2, "zero")
    np.testing.assert_allclose(first[0], [p[0, 0] / (p[0, 0] + p[0, 2]), 0, p[0, 2] / (p[0, 0] + p[0, 2]), 0], atol=1e-12)
    second = probs(axis, 2, "spread")
    rest = (p[0, 1] + p[0, 3]) / 2
    np.testing.assert_allclose(second[0], [p[0, 0], rest, p[0, 2], rest], atol=1e-12)


@pytest.mark.parametrize("fill", ["zero", "spread"])
def test_all_answers_are_all_there_is(fill):
    decisions = Decisions(LOGITS, "tag")
    assert cut(decisions, 4, fill) is decisions
    assert cut(decisions, 9, fill) is decisions


def test_an_ensemble_is_cut_after_its_mean():
    members = torch.stack((LOGITS, -LOGITS + 1))
    mean = members.sigmoid().mean(0)
    found = probs("tag", 1, "zero", members, "prob")
    np.testing.assert_allclose(found.max(1), mean.max(1).values, atol=1e-12)
    assert ((found > 0).sum(1) == 1).all()


@pytest.mark.parametrize("axis", ["class", "tag"])
@pytest.mark.parametrize("kind", ["fkl", "js", "skew", "tvd"])
def test_zeros_are_numbers(axis, kind):
    s = (LOGITS * 25).requires_grad_()
    rows = divergence(Decisions(s, axis), cut(Decisions(-LOGITS * 25, axis), 1, "zero"), kind=kind)
    rows.sum().backward()
    assert torch.isfinite(rows).all()
    assert torch.isfinite(s.grad).all()


def test_only_the_teacher_is_cut():
    student = Decisions(LOGITS.flip(1), "tag")
    teacher = Signal(Decisions(LOGITS, "tag"), members=(Signal(Decisions(LOGITS, "tag")),))
    step = SimpleNamespace(decide=lambda on="transfer": student, teacher=lambda on="transfer": teacher, supervised=None)
    wrapped = TopK(TopKConfig(k=1), KD(KDConfig(T=1, weight=1, task=0)))
    found = wrapped.terms(step)["kd"].compute()
    expected = divergence(student, cut(teacher.decisions, 1, "zero")).mean()
    torch.testing.assert_close(found, expected)
    assert found.item() != pytest.approx(divergence(student, teacher.decisions).mean().item())
