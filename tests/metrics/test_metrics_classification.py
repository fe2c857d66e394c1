"""Card C against scikit-learn, scipy and torchmetrics, and the cases where nothing can be said."""

import metric_samples as samples
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sklearn.metrics
import torch
import torchmetrics

from kdbench.metrics import calibration, card, divergence, exaggeration
from kdbench.metrics.catalogue import metrics

STUDENT, (TEACHER,) = samples.outputs("classification", seed=4)
P_S, P_T = (scipy.special.softmax(side["logits"].astype(float), axis=1) for side in (STUDENT, TEACHER))
LABELS = STUDENT["labels"]
CARD = card.fidelity("classification", STUDENT, [TEACHER])
TRUTH = card.truth("classification", STUDENT)
tensor = lambda array: torch.tensor(np.asarray(array))


def test_divergences_equal_scipy():
    assert CARD["kl"] == pytest.approx(scipy.special.rel_entr(P_T, P_S).sum(1).mean(), abs=1e-14)
    assert CARD["reverse_kl"] == pytest.approx(scipy.special.rel_entr(P_S, P_T).sum(1).mean(), abs=1e-14)
    root = scipy.spatial.distance.jensenshannon(P_T, P_S, axis=1)  # scipy gives the square root
    assert CARD["jsd"] == pytest.approx((root**2).mean(), abs=1e-14)


def test_divergence_and_agreement_equal_torchmetrics():
    kl = torchmetrics.KLDivergence()(tensor(P_T), tensor(P_S))  # the teacher is p, the first argument
    assert CARD["kl"] == pytest.approx(float(kl), abs=1e-12)
    same = torchmetrics.classification.MulticlassAccuracy(6, average="micro")(tensor(P_S), tensor(P_T.argmax(1)))
    assert CARD["agreement"] == pytest.approx(float(same), abs=1e-7)


def test_truth_equals_torchmetrics_and_scikit_learn():
    assert TRUTH["accuracy"] == sklearn.metrics.accuracy_score(LABELS, P_S.argmax(1))
    assert TRUTH["nll"] == pytest.approx(sklearn.metrics.log_loss(LABELS, P_S), abs=1e-13)
    assert TRUTH["top5_accuracy"] == sklearn.metrics.top_k_accuracy_score(LABELS, P_S, k=5)
    assert TRUTH["brier"] == pytest.approx(((P_S - np.eye(6)[LABELS]) ** 2).sum(1).mean(), abs=1e-14)
    for name, bins in (("ece", 15), ("ece10", 10)):
        theirs = torchmetrics.classification.MulticlassCalibrationError(6, n_bins=bins, norm="l1")(tensor(P_S), tensor(LABELS))
        assert TRUTH[name] == pytest.approx(float(theirs), abs=1e-6)


def test_classwise_error_is_the_mean_of_binary_ones():
    each = [calibration.expected_calibration_error(P_S[:, k], k == LABELS) for k in range(6)]
    assert TRUTH["classwise_ece"] == pytest.approx(np.mean(each), abs=1e-14)


def test_kappa_of_decisions_and_of_errors_equals_scikit_learn():
    s, t = P_S.argmax(1), P_T.argmax(1)
    assert CARD["kappa"] == pytest.approx(sklearn.metrics.cohen_kappa_score(t, s), abs=1e-13)
    assert CARD["error_consistency"] == pytest.approx(sklearn.metrics.cohen_kappa_score(t == LABELS, s == LABELS), abs=1e-13)


def test_dark_rank_equals_scipy_item_by_item():
    values = []
    for t, s in zip(P_T, P_S):
        rest = np.arange(6) != t.argmax()
        values.append(scipy.stats.spearmanr(t[rest], s[rest]).statistic)
    assert CARD["dark_rank"] == pytest.approx(np.mean(values), abs=1e-13)


def test_exaggeration_equals_scipy():
    chosen = np.arange(120), P_T.argmax(1)
    x, y = scipy.special.logit(P_T[chosen]), scipy.special.logit(P_S[chosen])
    fit = scipy.stats.linregress(x, y)
    assert CARD["exaggeration_slope"] == pytest.approx(fit.slope, abs=1e-12)
    assert CARD["exaggeration_intercept"] == pytest.approx(fit.intercept, abs=1e-12)
    assert CARD["exaggeration_theil_sen"] == pytest.approx(scipy.stats.theilslopes(y, x).slope, abs=1e-12)


def test_logit_distance_sees_no_constant_and_pearson_no_scale():
    moved = {**STUDENT, "logits": TEACHER["logits"].astype(float) * 2 + np.arange(120)[:, None]}
    found = card.fidelity("classification", moved, [TEACHER])
    assert found["logit_pearson"] == pytest.approx(1, abs=1e-12)
    centred = TEACHER["logits"] - TEACHER["logits"].mean(1, keepdims=True, dtype=float)
    assert found["logit_mse"] == pytest.approx((centred**2).mean(), rel=1e-9)


def test_an_ensemble_of_one_teacher_twice_is_that_teacher():
    twice = card.fidelity("classification", STUDENT, [TEACHER, TEACHER])
    assert twice == pytest.approx(CARD, abs=1e-9)


def test_constant_nets_have_no_kappa_no_slope_no_dark_rank():
    constant = {"logits": np.tile([3.0, 0, 0, 0, 0, 0], (4, 1)), "labels": np.zeros(4, int)}
    found = card.fidelity("classification", constant, [constant])
    for name in ("kappa", "error_consistency", "exaggeration_slope", "dark_rank", "inherited_error", "correction"):
        assert np.isnan(found[name]), name
    assert (found["dark_rank_skipped"], found["retention"], found["agreement"]) == (4, 1, 1)


def test_ties_go_to_the_lowest_class_and_are_counted():
    tied = {"logits": np.array([[1.0, 1, 0], [0, 2, 1]]), "labels": np.array([1, 1])}
    found = card.truth("classification", tied)
    assert (found["accuracy"], found["argmax_ties"]) == (0.5, 1)


def test_without_labels_the_card_has_all_that_needs_no_truth():
    bare = card.fidelity("classification", {"logits": STUDENT["logits"]}, [{"logits": TEACHER["logits"]}])
    assert bare == {name: value for name, value in CARD.items() if name in bare}
    assert "agreement" in bare and "lost" not in bare and "teacher_accuracy" not in bare


def test_extreme_logits_need_no_clipping():
    far = {"logits": np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4]]), "labels": np.array([0, 2])}
    near = {"logits": np.array([[1.0, 0, -1], [1.0, 0, -1]]), "labels": np.array([0, 2])}
    found = card.fidelity("classification", near, [far])
    assert found["kl"] == pytest.approx(np.mean([np.log1p(np.exp(-1) + np.exp(-2)), 2 + np.log1p(np.exp(-1) + np.exp(-2))]))
    assert np.isfinite(card.fidelity("classification", far, [near])["kl"])


def test_a_perfect_copy_has_a_finite_log_kl():
    assert card.fidelity("classification", TEACHER, [TEACHER])["log_kl"] == pytest.approx(np.log(1e-12))


def test_theil_sen_of_many_items_stays_near_the_whole():
    draw = np.random.default_rng(0)
    x = draw.normal(size=4000)
    assert exaggeration.theil_sen(x, 1.5 * x + 0.1 * draw.normal(size=4000)) == pytest.approx(1.5, abs=0.02)


def test_log_space_helpers():
    values = np.array([[-np.inf, 0.0, 1.0], [-np.inf, -np.inf, -np.inf]])
    assert divergence.log_sum_exp(values) == pytest.approx(scipy.special.logsumexp(values, axis=1))
    wide = np.array([-800.0, -1e-3, 0.0, 5.0, 800.0])
    assert divergence.log_sigmoid(wide) == pytest.approx(scipy.special.log_expit(wide), abs=1e-15)
    zero = np.array([[0.0, -np.inf]])  # 0 log 0 is 0
    assert divergence.kl(zero, np.log([[0.5, 0.5]]))[0] == pytest.approx(np.log(2))


def test_every_metric_made_is_listed():
    assert set(TRUTH) | set(CARD) == {entry.name for entry in metrics("classification")}
