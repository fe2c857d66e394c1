"""Decisions: temperature, links and an ensemble's mean, against values worked out by hand and by scipy."""

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdbench.contract.decisions import Decisions, divergence

# The shared inputs of the papers' notes, and KD at three temperatures computed independently there.
STUDENT = torch.tensor([[2.0, 1, 0], [0, 1, 3]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [1, 0, 4]], dtype=torch.float64)


@pytest.mark.parametrize(("T", "expected"), [(1, 0.07561057), (2, 0.17711234), (4, 0.23792815)])
def test_kd_vectors(T, expected):
    rows = divergence(Decisions(STUDENT, "class"), Decisions(TEACHER, "class"), T)
    assert rows.mean().item() == pytest.approx(expected, abs=1e-8)


def test_arguments_of_kl_are_not_swapped():
    forward = divergence(Decisions(STUDENT, "class"), Decisions(TEACHER, "class")).mean()
    p, q = scipy.special.softmax(TEACHER.numpy(), 1), scipy.special.softmax(STUDENT.numpy(), 1)
    assert forward.item() == pytest.approx(scipy.special.rel_entr(p, q).sum(1).mean(), abs=1e-12)
    reverse = divergence(Decisions(STUDENT, "class"), Decisions(TEACHER, "class"), kind="rkl").mean()
    assert reverse.item() == pytest.approx(scipy.special.rel_entr(q, p).sum(1).mean(), abs=1e-12)


def test_js_and_tvd():
    p, q = scipy.special.softmax(TEACHER.numpy(), 1), scipy.special.softmax(STUDENT.numpy(), 1)
    m = (p + q) / 2
    js = 0.5 * (scipy.special.rel_entr(p, m) + scipy.special.rel_entr(q, m)).sum(1)
    student, teacher = Decisions(STUDENT, "class"), Decisions(TEACHER, "class")
    np.testing.assert_allclose(divergence(student, teacher, kind="js").numpy(), js, atol=1e-12)
    np.testing.assert_allclose(divergence(student, teacher, kind="tvd").numpy(), 0.5 * np.abs(p - q).sum(1), atol=1e-12)


def test_ensemble_means_and_temperature_after_the_mean():
    members = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]], dtype=torch.float64).log()
    by_prob = Decisions(members, "class", reduce="prob")
    np.testing.assert_allclose(by_prob.log_probs().exp(), [[0.7, 0.3]], atol=1e-12)
    np.testing.assert_allclose(by_prob.log_probs(4).exp(), [[0.552759, 0.447241]], atol=1e-6)
    np.testing.assert_allclose(Decisions(members, "class", reduce="logit").log_probs().exp(), [[0.75, 0.25]], atol=1e-12)


def test_tag_ensemble_is_the_mean_of_sigmoids():
    members = torch.randn(3, 5, 4, dtype=torch.float64) * 3
    reduced = Decisions(members, "tag", reduce="prob").log_probs()
    np.testing.assert_allclose(reduced[..., 0].exp(), members.sigmoid().mean(0), atol=1e-12)
    np.testing.assert_allclose(reduced.exp().sum(-1), np.ones((5, 4)), atol=1e-12)


def test_bernoulli_divergence_is_a_mean_over_tags():
    s, t = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    p, q = t.sigmoid().numpy(), s.sigmoid().numpy()
    expected = (scipy.special.rel_entr(p, q) + scipy.special.rel_entr(1 - p, 1 - q)).mean(1)
    np.testing.assert_allclose(divergence(Decisions(s, "tag"), Decisions(t, "tag")), expected, atol=1e-12)
    np.testing.assert_allclose(divergence(Decisions(s, "tag"), Decisions(t, "tag"), tags="sum"), expected * 3, atol=1e-12)


def test_valid_counts_in_the_denominator_and_weight_does_not():
    d = Decisions(STUDENT, "class", valid=torch.tensor([True, False]))
    assert d.mean(torch.tensor([3.0, float("nan")])).item() == 3.0
    assert d.but(valid=None, weight=torch.tensor([0.5, 0.5])).mean(torch.tensor([3.0, 5.0])).item() == 2.0
    assert d.but(valid=torch.zeros(2, dtype=torch.bool)).mean(torch.tensor([3.0, 5.0])).item() == 0.0


def test_extreme_logits_stay_finite():
    wild = torch.tensor([[50.0, -50, 0], [-50, 50, 0]])
    for axis in ("class", "tag", "candidate"):
        rows = divergence(Decisions(wild, axis), Decisions(wild.flip(0), axis))
        assert torch.isfinite(rows).all()
        assert (rows > 0).all()


@given(st.integers(1, 6), st.integers(2, 5), st.floats(-20, 20), st.sampled_from([1.0, 2.0, 4.0]))
def test_divergence_is_zero_at_equality_and_blind_to_a_shift(n, k, shift, T):
    z = torch.randn(n, k, dtype=torch.float64, generator=torch.Generator().manual_seed(n * 7 + k))
    for kind in ("fkl", "rkl", "js", "tvd"):
        rows = divergence(Decisions(z, "class"), Decisions(z + shift, "class"), T, kind)
        assert rows.abs().max() < 1e-9


def test_maps_undo_the_rows():
    maps = torch.randn(2, 3, 4, 5)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 3)
    assert torch.equal(Decisions(rows, "class", grid=(2, 4, 5)).maps(), maps)
    with pytest.raises(ValueError, match="no grid"):
        Decisions(rows, "class").maps()


def test_axes_must_agree():
    with pytest.raises(ValueError, match="axis"):
        divergence(Decisions(STUDENT, "class"), Decisions(TEACHER, "tag"))
