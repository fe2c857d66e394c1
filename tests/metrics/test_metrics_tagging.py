"""Card A and the truth metrics of tagging against scikit-learn, scipy and torchmetrics."""

import metric_samples as samples
import metric_vectors as v
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import torch
import torchmetrics

from kdbench.metrics import average_precision as ap
from kdbench.metrics import calibration, card
from kdbench.metrics.catalogue import metrics

STUDENT, (TEACHER,) = samples.outputs("tagging", seed=4)
P_S, P_T = (scipy.special.expit(side["logits"].astype(float)) for side in (STUDENT, TEACHER))
LABELS = STUDENT["labels"].astype(int)
TRUTH, CARD = card.truth("tagging", STUDENT), card.fidelity("tagging", STUDENT, [TEACHER])


def test_average_precision_and_area_equal_scikit_learn_with_ties():
    draw = np.random.default_rng(0)
    scores, positive = draw.integers(0, 7, (50, 4)).astype(float), draw.random((50, 4)) < 0.3
    for own, theirs in (
        (ap.average_precision, sklearn.metrics.average_precision_score),
        (ap.auc, sklearn.metrics.roc_auc_score),
    ):
        assert own(scores, positive) == pytest.approx([theirs(positive[:, c], scores[:, c]) for c in range(4)], abs=1e-13)
    weight = positive.sum(axis=1)
    kept = weight > 0
    theirs = sklearn.metrics.label_ranking_average_precision_score(positive[kept], scores[kept], sample_weight=weight[kept])
    assert ap.lwlrap(scores, positive) == pytest.approx(theirs, abs=1e-13)
    assert ap.f1(scores >= 4, positive) == pytest.approx(sklearn.metrics.f1_score(positive, scores >= 4, average=None))


def test_lwlrap_gives_a_clip_without_tags_no_weight():
    """scikit-learn scores such a clip 1 unless told otherwise: .777778 instead of .722222 on the note's vector."""
    chosen = v.A_TEACHER_P >= 0.5
    assert sklearn.metrics.label_ranking_average_precision_score(chosen, v.A_STUDENT_P) == pytest.approx(0.777778, abs=1e-6)
    assert ap.lwlrap(v.A_STUDENT_P, chosen) == pytest.approx(0.722222, abs=1e-6)
    assert np.isnan(ap.lwlrap(v.A_STUDENT_P, np.zeros((3, 3), bool)))


def test_tags_without_positives_are_left_out_and_counted():
    assert (TRUTH["map_skipped"], TRUTH["auc_skipped"]) == (1, 1)
    with_positives = LABELS.any(axis=0)
    expected = sklearn.metrics.average_precision_score(LABELS[:, with_positives], P_S[:, with_positives])
    assert TRUTH["map"] == pytest.approx(expected, abs=1e-13)
    theirs = torchmetrics.classification.MultilabelAveragePrecision(5)(
        torch.tensor(P_S[:, with_positives]), torch.tensor(LABELS[:, with_positives])
    )
    assert TRUTH["map"] == pytest.approx(float(theirs), abs=1e-6)


def test_probabilities_against_labels():
    assert TRUTH["nll"] == pytest.approx(
        np.mean([sklearn.metrics.log_loss(y, p, labels=[0, 1]) for y, p in zip(LABELS.T, P_S.T)])
    )
    assert TRUTH["brier"] == pytest.approx(((P_S - LABELS) ** 2).mean(), abs=1e-14)
    each = [calibration.expected_calibration_error(p, y, 10) for p, y in zip(P_S.T, LABELS.T)]
    assert TRUTH["ece"] == pytest.approx(np.mean(each), abs=1e-14)
    assert TRUTH["f1_micro"] == pytest.approx(sklearn.metrics.f1_score(LABELS, P_S >= 0.5, average="micro"))


def test_kl_and_decisions_equal_libraries():
    rel = scipy.special.rel_entr
    assert CARD["kl"] == pytest.approx((rel(P_T, P_S) + rel(1 - P_T, 1 - P_S)).mean(), abs=1e-13)
    s, t = (P_S >= 0.5).ravel(), (P_T >= 0.5).ravel()
    assert CARD["positive_agreement"] == pytest.approx(sklearn.metrics.f1_score(t, s))
    assert CARD["kappa"] == pytest.approx(sklearn.metrics.cohen_kappa_score(t, s))
    assert CARD["exact_match"] == ((P_S >= 0.5) == (P_T >= 0.5)).all(axis=1).mean()


def test_score_correlations_equal_scipy():
    s, t = STUDENT["logits"].astype(float), TEACHER["logits"].astype(float)
    assert CARD["spearman"] == pytest.approx(np.mean([scipy.stats.spearmanr(a, b).statistic for a, b in zip(t.T, s.T)]))
    assert CARD["logit_pearson"] == pytest.approx(np.mean([scipy.stats.pearsonr(a, b).statistic for a, b in zip(t.T, s.T)]))
    assert CARD["tau_b"] == pytest.approx(np.mean([scipy.stats.kendalltau(a, b).statistic for a, b in zip(t, s)]))


def test_an_ensemble_is_the_mean_of_sigmoids():
    other = {**TEACHER, "logits": -TEACHER["logits"]}
    found = card.fidelity("tagging", STUDENT, [TEACHER, other])  # p and 1 - p: one half everywhere
    kl = 0.5 * np.log(0.5 / P_S) + 0.5 * np.log(0.5 / (1 - P_S))
    assert found["kl"] == pytest.approx(kl.mean(), abs=1e-9)


def test_strata_go_by_frequency_and_make_the_whole():
    parts = [CARD[f"kl_{name}"] for name in ("rare", "middle", "frequent")]
    assert np.mean(parts) == pytest.approx(CARD["kl"])  # six tags, two a stratum
    assert not np.isnan(TRUTH["map_rare"])  # the tag without positives is in it, and left out
    two = card.truth("tagging", {"logits": STUDENT["logits"][:, :2], "labels": LABELS[:, :2]})
    assert np.isnan(two["map_frequent"])


def test_best_threshold_equals_the_precision_recall_curve():
    thresholds, without = ap.best_f1_thresholds(P_S, LABELS > 0)
    assert (without, thresholds[5]) == (1, 0.5)
    for tag in range(5):
        precision, recall, _ = sklearn.metrics.precision_recall_curve(LABELS[:, tag], P_S[:, tag])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))
        assert sklearn.metrics.f1_score(LABELS[:, tag], P_S[:, tag] >= thresholds[tag]) == pytest.approx(best)


def test_operating_points_need_validation_outputs():
    assert "positive_agreement_own_threshold" not in CARD
    scaled = {**STUDENT, "val_logits": STUDENT["logits"] - 4, "val_labels": LABELS}
    shifted = {**scaled, "logits": STUDENT["logits"] - 4}
    teacher = {**TEACHER, "val_logits": TEACHER["logits"]}
    found = card.fidelity("tagging", shifted, [teacher])
    assert found["positive_agreement_own_threshold"] > found["positive_agreement_teacher_threshold"]  # own one undoes the shift


def test_capped_d_prime_is_finite_and_counted():
    positive = np.array([[True], [True], [False], [False]])
    areas = ap.auc(np.array([[4.0], [3], [2], [1]]), positive)
    values, capped = ap.capped_d_prime(areas, positive)
    assert (capped, values[0]) == (1, pytest.approx(np.sqrt(2) * scipy.stats.norm.ppf(1 - 1 / 8)))
    assert (ap.d_prime(1.0), ap.d_prime(0.0)) == (float("inf"), float("-inf"))


def test_no_decision_anywhere_has_no_positive_agreement():
    silent = {"logits": np.full((3, 2), -4.0) + np.arange(3)[:, None]}
    found = card.fidelity("tagging", silent, [silent])
    assert np.isnan(found["positive_agreement"]) and found["agreement"] == 1 and found["map_t_skipped"] == 2


def test_every_metric_made_is_listed():
    validated = {**STUDENT, "val_logits": STUDENT["logits"], "val_labels": LABELS}
    made = set(TRUTH) | set(card.fidelity("tagging", validated, [{**TEACHER, "val_logits": TEACHER["logits"]}]))
    assert made == {entry.name for entry in metrics("tagging")}
