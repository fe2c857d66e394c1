"""Every vector of the fidelity, retrieval and audio notes."""

import metric_vectors as v
import numpy as np
import pytest

from kdbench.metrics import (
    agreement,
    average_precision,
    calibration,
    card,
    controls,
    dense_statistics,
    divergence,
    exaggeration,
    ranking,
)
from kdbench.metrics.blocks import class_iou
from kdbench.metrics.pixels import gather

six = lambda value: pytest.approx(value, abs=1e-6)

CARD_C = {
    "agreement": 0.75, "kl": 0.063115, "reverse_kl": 0.066398, "jsd": 0.016011, "tv": 0.15, "kappa": 0.5,
    "error_consistency": 0.5, "agreement_lower": 0.25, "agreement_upper": 0.75, "both_right": 0.5, "lost": 0.25,
    "gained": 0.0, "both_wrong_same": 0.25, "both_wrong_different": 0.0, "retention": 2 / 3, "inherited_error": 1.0,
    "correction": 0.0, "target_kl": 0.054810, "non_target_kl": 0.017631, "ece_t": 0.05, "teacher_ece": 0.45,
    "teacher_nll": 0.804719, "teacher_brier": 0.465, "teacher_accuracy": 0.75, "class_agreement_teacher_min": 2 / 3,
    "log_kl": np.log(0.0631150), "dark_rank_skipped": 4.0, "teacher_argmax_ties": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("name", CARD_C)
def test_card_c(name):
    assert card.fidelity("classification", v.C_STUDENT, [v.C_TEACHER])[name] == pytest.approx(CARD_C[name], abs=2e-6)


def test_card_c_split_is_exact_and_slope_and_skips():
    found = card.fidelity("classification", v.C_STUDENT, [v.C_TEACHER])
    assert found["target_kl"] + found["non_target_kl_weighted"] == pytest.approx(found["kl"], abs=1e-15)
    assert found["exaggeration_slope"] == pytest.approx(0.4506, abs=5e-5)
    assert np.isnan(found["dark_rank"])  # three classes leave two to rank


def test_truth_c():
    found = card.truth("classification", v.C_STUDENT)
    assert (found["accuracy"], found["ece"], found["nll"], found["brier"]) == (0.5, six(0.45), six(0.857399), six(0.51))
    assert np.isnan(found["top5_accuracy"])


def test_ece_of_ten_bins_closes_on_the_right():
    """.6 and .5 lie on edges: (.5, .6] and (.4, .5] keep them apart; (.6, .7] would too, a shared bin would not."""
    confidence, right = np.array([0.6, 0.5, 0.6, 0.5]), np.array([1, 0, 1, 0])
    assert calibration.expected_calibration_error(confidence, right, 10) == six(0.45)
    assert calibration.bin_of(np.array([0.0, 0.1, 0.1000001, 0.6, 1.0]), 10).tolist() == [0, 0, 1, 5, 9]


def test_doubled_log_odds_have_slope_two():
    teacher, student = np.array([0.6, 0.7, 0.8]), np.array([0.692308, 0.844828, 0.941176])
    slope, intercept = exaggeration.line(exaggeration.log_odds(teacher), exaggeration.log_odds(student))
    assert (slope, intercept) == (pytest.approx(2, abs=1e-4), pytest.approx(0, abs=1e-4))  # six digits given
    exact = exaggeration.log_odds(teacher)
    assert exaggeration.line(exact, 2 * exact) == (pytest.approx(2, abs=1e-12), pytest.approx(0, abs=1e-12))


def test_fidelity_gain():
    assert controls.fidelity_gain(0.845, 0.80, 0.77, 0.745) == pytest.approx(0.257, abs=5e-4)
    assert np.isnan(controls.fidelity_gain(0.98, 0.985, 0.99, 0.98))  # half a point of room: no quotient


def test_feasible_agreement_as_in_stanton():
    assert agreement.agreement_bounds(0.55, 0.95)[1] == pytest.approx(0.60)
    assert agreement.agreement_bounds(0.75, 0.95)[0] == pytest.approx(0.70)


def test_ensemble_is_the_mean_of_probabilities():
    members = [np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])]
    mean = divergence.ensemble_log_probs(members)
    assert np.exp(mean)[0] == pytest.approx([0.7, 0.3], abs=1e-12)  # mean of logits would give .75


CARD_S = {
    "agreement": 13 / 15, "agreement_all": 13 / 16, "miou_st": 0.809524, "miou_st_all": 0.696429, "both_right": 13 / 15,
    "lost": 2 / 15, "boundary_agreement_0": 9 / 11, "interior_agreement": 1.0, "class_agreement_teacher_min": 5 / 6,
    "teacher_miou": 1.0, "miou_st_absent": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("name", CARD_S)
def test_card_s(name):
    assert card.fidelity("segmentation", v.S_STUDENT, [v.S_TEACHER])[name] == six(CARD_S[name])


def test_card_s_confusion_and_pixel_kl():
    matrix = gather(v.S_STUDENT, [v.S_TEACHER], dense_statistics.overlap)["teacher_student"].sum(axis=0)
    assert agreement.class_agreement(matrix)[1] == six(5 / 6)
    kl = 2 / 15 * (0.8 * np.log(8) + 0.1 * np.log(1 / 8))  # two valid pixels differ
    assert card.fidelity("segmentation", v.S_STUDENT, [v.S_TEACHER])["kl"] == pytest.approx(kl, abs=1e-12)


CARD_R = {
    "tau_b": 0.4, "spearman": 0.6, "pearson": 0.6, "tau_ap": 0.25, "weighted_tau": 0.441606, "overlap@1": 0.0,
    "rbo_truncated": 0.264285, "rbo": 0.854775, "ndcg_t": 0.948788, "ndcg_t_exp": 0.858787, "rr_teacher_top": 0.5,
    "margin_mse": 3.25, "kl": 0.531203, "log_kl": np.log(0.531203),
}  # fmt: skip


@pytest.mark.parametrize("name", CARD_R)
def test_card_r(name):
    assert card.fidelity("retrieval", v.R_STUDENT, [v.R_TEACHER])[name] == pytest.approx(CARD_R[name], abs=2e-6)


def test_card_r_overlap_at_two_and_three():
    orders = [ranking.rank(side["scores"], side["candidates"]) for side in (v.R_TEACHER, v.R_STUDENT)]
    assert orders[1].tolist() == [[1, 0, 3, 4, 2]]
    shared = ranking.shared_depths(*orders)
    assert [float(ranking.overlap_at(shared, k)[0]) for k in (1, 2, 3)] == [0.0, 1.0, six(0.666667)]


def test_ties_in_a_run_go_to_the_higher_document():
    found = card.truth("retrieval", v.R_TIES)
    assert found["ndcg@10"] == six(0.525005)
    assert found["ndcg_exp@10"] == pytest.approx(0.47909, abs=5e-6)
    ascending = {**v.R_TIES, "run_scores": np.array([[2.3, 2.2, 2.1, 1.0]])}
    assert card.truth("retrieval", ascending)["ndcg@10"] == six(0.735007)


CARD_A = {
    "kl": 0.111760, "positive_agreement": 1 / 3, "agreement": 0.555556, "kappa": 0.0, "exact_match": 0.0,
    "lwlrap_t": 0.722222, "map_t": 0.666667, "overlap@1": 2 / 3, "spearman": (1 + 0 + 0.866025) / 3,
}  # fmt: skip


@pytest.mark.parametrize("name", CARD_A)
def test_card_a(name):
    assert card.fidelity("tagging", v.A_STUDENT, [v.A_TEACHER])[name] == six(CARD_A[name])


def test_card_a_per_tag():
    p, q = v.A_TEACHER_P, v.A_STUDENT_P
    kl = divergence.bernoulli_kl(np.log(p), np.log1p(-p), np.log(q), np.log1p(-q)).mean(axis=0)
    assert kl == six([0.085722, 0.192022, 0.057536])
    assert ranking.pearson(p.T, q.T) == six([0.891042, 0, 0.654654])
    assert ranking.spearman(p.T, q.T) == six([1, 0, 0.866025])
    assert average_precision.average_precision(q, p >= 0.5) == six([1, 0.5, 0.5])


def test_truth_a():
    positive = v.CLIP_LABELS > 0
    assert average_precision.average_precision(v.CLIP_P, positive) == pytest.approx([5 / 6, 5 / 6, 1])
    areas = average_precision.auc(v.CLIP_P, positive)
    assert areas == pytest.approx([5 / 6, 5 / 6, 1])
    assert [average_precision.d_prime(float(area)) for area in areas] == [pytest.approx(1.36814, abs=5e-6)] * 2 + [float("inf")]
    found = card.truth("tagging", v.CLIPS)
    assert found["map"] == pytest.approx(8 / 9)
    assert found["d_prime_of_mean_auc"] == pytest.approx(1.72625, abs=5e-6)
    assert found["lwlrap"] == pytest.approx(0.9)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert (found["d_prime_capped"], found["map_skipped"]) == (1.0, 0.0)


def test_d_prime_table():
    assert [average_precision.d_prime(area) for area in (0.95, 0.97, 0.98, 0.99)] == pytest.approx(
        [2.3262, 2.6598, 2.9044, 3.2900], abs=5e-5
    )


def test_iou_of_an_absent_class_is_no_class():
    """The vector on which libraries disagree: class 2 is neither labelled nor predicted."""
    outputs = {"logits": v.map_logits(np.array([[[0, 1, 0, 1]]])), "labels": np.array([[[0, 1, 0, 0]]])}
    iou = class_iou(gather(outputs, (), dense_statistics.confusion)["confusion"].sum(axis=0))
    assert iou[:2] == pytest.approx([2 / 3, 1 / 2]) and np.isnan(iou[2])
    found = card.truth("segmentation", outputs)
    assert (found["miou"], found["classes_absent"]) == (pytest.approx(0.5833, abs=5e-5), 1.0)
