"""What must hold for any outputs: order of items does not matter, bounds hold, a copy is a perfect copy."""

import metric_samples as samples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from kdbench.metrics import average_precision as ap
from kdbench.metrics import calibration, card, divergence, ranking

few = settings(max_examples=40)
seeds = st.integers(0, 2**20)


def logits(axes=2, low=1, high=6):
    return hn.arrays(
        np.float32,
        hn.array_shapes(min_dims=axes, max_dims=axes, min_side=low, max_side=high),
        elements=st.floats(-30, 30, width=32),
    )


@st.composite
def pairs(draw):
    """Student and teacher logits of one shape with labels; ties and extremes included."""
    first = draw(logits(low=2))
    second = draw(hn.arrays(np.float32, first.shape, elements=st.floats(-30, 30, width=32)))
    labels = draw(hn.arrays(np.int64, first.shape[0], elements=st.integers(0, first.shape[1] - 1)))
    return {"logits": first, "labels": labels}, {"logits": second, "labels": labels}


@few
@given(pairs())
def test_agreement_lies_within_what_the_accuracies_allow(pair):
    found = card.fidelity("classification", pair[0], [pair[1]])
    assert found["agreement_lower"] - 1e-12 <= found["agreement"] <= found["agreement_upper"] + 1e-12
    cells = [found[name] for name in ("both_right", "lost", "gained", "both_wrong_same", "both_wrong_different")]
    assert sum(cells) == pytest.approx(1)
    assert found["both_right"] + found["both_wrong_same"] == pytest.approx(found["agreement"])
    student = card.truth("classification", pair[0])["accuracy"]
    assert found["gained"] - found["lost"] == pytest.approx(student - found["teacher_accuracy"])


@few
@given(pairs())
def test_divergences_are_bounded_and_split_exactly(pair):
    found = card.fidelity("classification", pair[0], [pair[1]])
    assert found["kl"] >= -1e-12 and found["reverse_kl"] >= -1e-12
    assert -1e-12 <= found["jsd"] <= np.log(2) + 1e-12 and 0 <= found["tv"] <= 1 + 1e-12
    assert found["kl"] >= 2 * found["tv"] ** 2 - 1e-9  # Pinsker
    assert found["target_kl"] + found["non_target_kl_weighted"] == pytest.approx(found["kl"], abs=1e-9)


@few
@given(pairs(), seeds)
def test_calibration_is_bounded(pair, _):
    found = card.truth("classification", pair[0])
    for name in ("ece", "ece10", "classwise_ece"):
        assert 0 <= found[name] <= 1
    assert abs(found["overconfidence"]) <= found["ece"] + 1e-9  # the ECE of one bin is the least
    assert 0 <= found["brier"] <= 2 and found["nll"] >= 0


@few
@given(logits())
def test_ensemble_probabilities_sum_to_one_and_do_not_depend_on_order(z):
    members = [z.astype(float), -z.astype(float), 0.5 * z.astype(float)]
    log_p = divergence.ensemble_log_probs(members)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(1)
    assert divergence.ensemble_log_probs(members[::-1]) == pytest.approx(log_p, abs=1e-9)


@pytest.mark.parametrize("family", samples.FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_items_does_not_matter(family, seed):
    student, near = samples.outputs(family, seed=seed, teachers=2)
    units = len(next(iter(student.values())))
    order = np.random.default_rng(seed).permutation(units)
    moved, moved_near = samples.take(family, student, order), [samples.take(family, t, order) for t in near]
    assert card.truth(family, moved) == pytest.approx(card.truth(family, student), abs=1e-12, nan_ok=True)
    expected = card.fidelity(family, student, near)
    assert card.fidelity(family, moved, moved_near) == pytest.approx(expected, abs=1e-12, nan_ok=True)


PERFECT = {
    "classification": {"agreement": 1, "kl": 0, "reverse_kl": 0, "jsd": 0, "tv": 0, "ece_t": 0, "kappa": 1,
                       "error_consistency": 1, "exaggeration_slope": 1,
                       "exaggeration_theil_sen": 1, "dark_rank": 1, "logit_mse": 0, "logit_pearson": 1},
    "segmentation": {"agreement": 1, "miou_st": 1, "kl": 0, "kl_native": 0, "tv": 0, "boundary_agreement": 1, "boundary_iou": 1,
                     "ece_t": 0, "kappa": 1},
    "retrieval": {"tau_ap": 1, "tau_b": 1, "weighted_tau": 1, "spearman": 1, "overlap@1": 1, "rbo": 1, "ndcg_t": 1, "kl": 0,
                  "rr_teacher_top": 1, "margin_mse": 0, "kl_standardised": 0, "query_ties": 1},
    "tagging": {"positive_agreement": 1, "agreement": 1, "kl": 0, "map_t": 1, "auc_t": 1, "lwlrap_t": 1, "overlap@1": 1, "tv": 0,
                "exact_match": 1, "spearman": 1, "tau_b": 1, "ece_t": 0},
}  # fmt: skip


@pytest.mark.parametrize("family", samples.FAMILIES)
@settings(max_examples=8)
@given(seed=seeds)
def test_a_copy_of_the_teacher_is_perfect(family, seed):
    teacher = samples.outputs(family, seed=seed)[1][0]
    found = card.fidelity(family, teacher, [teacher])
    for name, value in PERFECT[family].items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


@few
@given(seeds, st.sampled_from([0.25, 2.0, 1024.0]), st.integers(-5, 5))
def test_a_change_of_scale_moves_no_rank_measure(seed, scale, offset):
    student, (teacher,) = samples.outputs("retrieval", seed=seed)
    student = {**student, "scores": np.round(student["scores"] * 3)}  # whole numbers, so that ties stay ties
    moved = {**student, "scores": scale * student["scores"] + offset}
    before, after = (card.fidelity("retrieval", side, [teacher]) for side in (student, moved))
    for name in ("tau_b", "tau_ap", "weighted_tau", "spearman", "rbo", "overlap@1", "overlap@10", "ndcg_t", "rr_teacher_top"):
        assert after[name] == before[name], name
    assert after["kl_standardised"] == pytest.approx(before["kl_standardised"], abs=1e-9)


@few
@given(st.permutations(range(9)), st.permutations(range(9)))
def test_rank_measures_are_bounded_and_rbo_is_symmetric(first, second):
    a, b = np.array([first]), np.array([second])
    assert -1 - 1e-12 <= ranking.tau_ap(a, b)[0] <= 1 + 1e-12
    assert ranking.tau_ap(a, a[:, ::-1])[0] == pytest.approx(-1)
    both = (
        ranking.rank_biased_overlap(ranking.shared_depths(a, b))[0],
        ranking.rank_biased_overlap(ranking.shared_depths(b, a))[0],
    )
    assert both[0] == both[1] and 0 <= both[0] <= 1 + 1e-12
    truncated = ranking.rank_biased_overlap(ranking.shared_depths(a, a), extrapolate=False)[0]
    assert truncated == pytest.approx(1 - 0.9**9)


@few
@given(logits(low=2), seeds)
def test_average_precision_ignores_scale_and_order_of_clips(z, seed):
    draw = np.random.default_rng(seed)
    positive = draw.random(z.shape) < 0.5
    order = draw.permutation(len(z))
    scores = z.astype(float)
    for measure in (ap.average_precision, ap.auc):
        expected = measure(scores, positive)
        np.testing.assert_allclose(measure(4 * scores[order], positive[order]), expected, atol=1e-12)
        known = expected[~np.isnan(expected)]
        assert ((known >= -1e-12) & (known <= 1 + 1e-12)).all()
    np.testing.assert_allclose(ap.auc(-scores, positive), 1 - ap.auc(scores, positive), atol=1e-12)


@few
@given(hn.arrays(float, st.integers(1, 30), elements=st.floats(0, 1)), seeds)
def test_every_confidence_has_a_bin_closed_on_the_right(confidence, _):
    cell = calibration.bin_of(confidence)
    assert ((cell >= 0) & (cell < 15)).all()
    assert (confidence <= (cell + 1) / 15).all() and ((confidence > cell / 15) | (cell == 0)).all()
