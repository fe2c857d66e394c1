"""Defects of earlier harnesses that these metrics must not inherit, and outputs that must be refused."""

import metric_samples as samples
import metric_vectors as v
import numpy as np
import pytest

from kdbench.metrics import card, divergence, features, shift


def test_likelihood_is_of_each_items_own_label():
    """Indexing [N, K] log p with [N] labels gives an N x N table, whose mean (1.1556 here) is no likelihood."""
    log_p = divergence.log_softmax(v.C_STUDENT["logits"])
    assert -log_p[:, v.LABELS].mean() == pytest.approx(1.1556, abs=5e-5)
    assert card.truth("classification", v.C_STUDENT)["nll"] == pytest.approx(0.8574, abs=5e-5)


def test_a_mean_over_items_is_not_a_mean_of_batch_means():
    student, (teacher,) = samples.outputs("classification", seed=3)
    whole = card.fidelity("classification", student, [teacher])["kl"]
    batches = [slice(0, 118), slice(118, 120)]
    parts = [card.fidelity("classification", *[_cut(side, part) for side in (student, [teacher])])["kl"] for part in batches]
    assert np.average(parts, weights=[118, 2]) == pytest.approx(whole, abs=1e-12)
    assert abs(np.mean(parts) - whole) > 1e-3


def _cut(side, part):
    cut = lambda outputs: {name: array[part] for name, array in outputs.items()}
    return [cut(one) for one in side] if isinstance(side, list) else cut(side)


def test_members_of_an_ensemble_are_not_items():
    student, members = samples.outputs("classification", seed=3, teachers=3)
    found = card.fidelity("classification", student, members)
    p = np.mean([np.exp(divergence.log_softmax(m["logits"].astype(float))) for m in members], axis=0)
    assert found["agreement"] == (p.argmax(1) == student["logits"].argmax(1)).mean()


def test_independent_feature_maps_with_a_common_border_are_not_alike():
    """Averaging channels and height, with image columns as samples, gives .9998 here."""
    draw = np.random.default_rng(0)
    border = 20.0 * np.isin(np.arange(8), (0, 7))
    x, y = (draw.normal(size=(200, 16, 8, 8)) + border for _ in range(2))
    columns = [part.mean(axis=(1, 2)).T for part in (x, y)]
    assert features.linear_cka(*columns) > 0.999
    assert abs(features.debiased_linear_cka(x, y)) < 0.05


def gram_cka(x, y):
    """Debiased CKA from centred Gram matrices without their diagonals (Song et al. 2012), N x N at a time."""

    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        total = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * k.sum(0) @ m.sum(0) / (n - 2)
        return (np.trace(k @ m) + total) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def test_debiased_cka_equals_gram_form_and_sees_through_width():
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(60, 50)) + 3.0, draw.normal(size=(60, 40))
    assert features.debiased_linear_cka(x, y) == pytest.approx(gram_cka(x, y), abs=1e-10)
    assert features.debiased_linear_cka(x, x @ np.linalg.qr(draw.normal(size=(50, 50)))[0] * 7) == pytest.approx(1)
    assert features.linear_cka(x, y) > 0.3 > abs(features.debiased_linear_cka(x, y))  # plain CKA of noise is large
    with pytest.raises(ValueError, match="at least 4"):
        features.debiased_linear_cka(x[:3], y[:3])


def test_neighbours_and_barrier():
    x = np.random.default_rng(0).normal(size=(40, 5))
    assert features.neighbourhood_overlap(x, 3 * x) == 1
    assert features.neighbourhood_overlap(x, np.random.default_rng(1).normal(size=(40, 5))) < 0.4
    assert features.neighbourhood_overlap(x[:1], x[:1]) != features.neighbourhood_overlap(x[:1], x[:1])  # one item: NaN
    assert features.loss_barrier(np.array([1.0, 4.0, 3.0])) == pytest.approx(2)
    assert features.loss_barrier(np.array([1.0, 1.5, 3.0])) == pytest.approx(0)


def test_out_of_distribution():
    student, (teacher,) = samples.outputs("classification", seed=1)
    flat = {"logits": 0.01 * student["logits"]}, {"logits": 0.01 * teacher["logits"]}
    found = shift.out_of_distribution(student, [teacher], flat[0], [flat[1]])
    assert (found["detection_auroc"], found["teacher_detection_auroc"]) == (1, 1)
    whole = card.fidelity("classification", student, [teacher])
    assert found["outside_agreement"] == whole["agreement"]
    assert shift.detection_auroc(np.array([0.5, 0.5]), np.array([0.5])) == 0.5


def test_gap_and_gain():
    assert card.gap({"kl": 0.5, "map": 1.0}, {"kl": 0.2}) == pytest.approx({"kl": 0.3})
    assert card.kl_gain(0.2, 0.5) == pytest.approx(0.3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("family", samples.FAMILIES)
def test_logits_that_are_not_finite_are_refused_by_name(family, bad):
    student, (teacher,) = samples.outputs(family)
    name = "scores" if family == "retrieval" else "logits"
    broken = np.array(student[name])
    broken[(-1,) * broken.ndim] = bad
    with pytest.raises(ValueError, match=f"student {name}.*1 of"):
        card.fidelity(family, {**student, name: broken}, [teacher])
    with pytest.raises(ValueError, match=f"student {name}.*1 of"):
        card.truth(family, {**student, name: broken})
    with pytest.raises(ValueError, match=f"teacher 1 {name}.*1 of"):
        card.fidelity(family, student, [teacher, {**teacher, name: broken}])


@pytest.mark.parametrize("family", samples.FAMILIES)
def test_teachers_of_other_items_are_refused(family):
    student, (teacher,) = samples.outputs(family)
    name = "candidates" if family == "retrieval" else "labels"
    with pytest.raises(ValueError, match=name):
        card.fidelity(family, student, [{**teacher, name: teacher[name][::-1]}])
    with pytest.raises(ValueError, match="at least one teacher"):
        card.fidelity(family, student, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.full(120, 6)}, "6 classes"),
        ({"labels": np.zeros(3, int)}, "3 labels for 120"),
        ({"logits": np.zeros((120, 6, 1))}, "expected 2 dimensions"),
        ({"logits": np.zeros((0, 6))}, "no items"),
    ],
)
def test_malformed_classification_outputs_are_refused(change, message):
    student, _ = samples.outputs("classification")
    with pytest.raises(ValueError, match=message):
        card.truth("classification", {**student, **change})


def test_other_malformed_outputs_are_refused():
    maps, (map_teacher,) = samples.outputs("segmentation")
    tags, _ = samples.outputs("tagging")
    with pytest.raises(ValueError, match="4 classes"):
        card.truth("segmentation", {**maps, "labels": np.full((7, 11, 13), 4)})
    with pytest.raises(ValueError, match="every pixel is void"):
        card.truth("segmentation", {**maps, "labels": np.full((7, 11, 13), 255)})
    with pytest.raises(ValueError, match="differ in images or classes"):
        card.fidelity("segmentation", maps, [{"logits": map_teacher["logits"][:, :3]}])
    with pytest.raises(ValueError, match="other than 0 and 1"):
        card.truth("tagging", {**tags, "labels": tags["labels"] + 0.5})
    with pytest.raises(ValueError, match="no array 'logits'"):
        card.truth("tagging", {"labels": tags["labels"]})
    with pytest.raises(ValueError, match="no family 'vision'"):
        card.truth("vision", tags)
