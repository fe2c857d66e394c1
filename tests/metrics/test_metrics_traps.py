"""Defects of earlier harnesses that these metrics must not inherit, and outputs that must be refused."""

import metric_samples as samples
import metric_vectors as v
import numpy as np
import pytest

from kdbench.metrics import card, controls, divergence


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


def test_gain():
    assert controls.kl_gain(0.2, 0.5) == pytest.approx(0.3)


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
