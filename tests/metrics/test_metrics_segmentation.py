"""Card S against torch, torchmetrics and scipy.ndimage, void, chunks and unlabelled images."""

import metric_samples as samples
import metric_vectors as v
import numpy as np
import pytest
import scipy.ndimage
import torch
import torchmetrics

from kdbench.metrics import calibration, card, dense_statistics, grid, pixels
from kdbench.metrics.catalogue import metrics

STUDENT, (TEACHER,) = samples.outputs("segmentation", seed=4)
LABELS = STUDENT["labels"]
VALID = LABELS != 255


def resized(outputs):
    logits = torch.tensor(outputs["logits"], dtype=torch.float64)
    return torch.nn.functional.interpolate(logits, LABELS.shape[1:], mode="bilinear", align_corners=False)


def maps(outputs):
    return resized(outputs).argmax(1).numpy()


def squared_error(p):
    """Brier score over the valid pixels."""
    one_hot = np.arange(4)[None, :, None, None] == LABELS[:, None]
    return ((p - one_hot) ** 2).sum(axis=1)[VALID].mean()


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (11, 13), (40, 25), (3, 4)])
def test_resizing_equals_torch(size):
    logits = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    theirs = torch.nn.functional.interpolate(torch.tensor(logits), size, mode="bilinear", align_corners=False)
    assert grid.resize(logits, *size) == pytest.approx(theirs.numpy(), abs=1e-12)


def test_one_cell_resizes_to_itself():
    assert grid.resize(np.full((1, 2, 1, 1), 3.0), 4, 5) == pytest.approx(3.0)


def test_truth_equals_torchmetrics():
    found = card.truth("segmentation", STUDENT)
    p, y = resized(STUDENT), torch.tensor(LABELS.astype(int))
    iou = torchmetrics.classification.MulticlassJaccardIndex(4, ignore_index=255, average="macro")
    assert found["miou"] == pytest.approx(float(iou(p, y)), abs=1e-6)
    ece = torchmetrics.classification.MulticlassCalibrationError(4, n_bins=15, ignore_index=255)
    assert found["ece"] == pytest.approx(float(ece(p.softmax(1), y)), abs=1e-6)
    assert found["nll"] == pytest.approx(float(torch.nn.functional.cross_entropy(p, y, ignore_index=255)), abs=1e-12)
    right = (maps(STUDENT) == LABELS)[VALID]
    assert found["pixel_accuracy"] == right.mean()


def test_fidelity_equals_a_plain_computation():
    found = card.fidelity("segmentation", STUDENT, [TEACHER])
    s, t = maps(STUDENT), maps(TEACHER)
    assert found["agreement"] == (s == t)[VALID].mean()
    assert found["agreement_all"] == (s == t).mean()
    jaccard = torchmetrics.classification.MulticlassJaccardIndex(4, average="macro")
    assert found["miou_st"] == pytest.approx(float(jaccard(torch.tensor(s[VALID]), torch.tensor(t[VALID]))), abs=1e-6)
    log_s, log_t = (torch.log_softmax(resized(side), 1) for side in (STUDENT, TEACHER))
    kl = (log_t.exp() * (log_t - log_s)).sum(1).numpy()
    assert found["kl"] == pytest.approx(kl[VALID].mean(), abs=1e-12)
    native_s, native_t = (torch.log_softmax(torch.tensor(side["logits"], dtype=torch.float64), 1) for side in (STUDENT, TEACHER))
    assert found["kl_native"] == pytest.approx(float((native_t.exp() * (native_t - native_s)).sum(1).mean()), abs=1e-12)
    p_s, p_t = log_s.exp().numpy(), log_t.exp().numpy()
    belief = np.take_along_axis(p_t, s[:, None], axis=1)[:, 0]
    expected = calibration.expected_calibration_error(p_s.max(axis=1)[VALID], belief[VALID])
    assert found["ece_t"] == pytest.approx(expected, abs=1e-12)
    assert found["tv"] == pytest.approx(0.5 * np.abs(p_s - p_t).sum(axis=1)[VALID].mean(), abs=1e-12)
    assert found["teacher_brier"] == pytest.approx(squared_error(p_t), abs=1e-12)
    assert card.truth("segmentation", STUDENT)["brier"] == pytest.approx(squared_error(p_s), abs=1e-12)
    images = [(s == t)[i][VALID[i]].mean() for i in range(len(s))]
    assert found["agreement_image"] == pytest.approx(np.mean(images))


def test_confusion_matrices_are_per_image_and_leave_void_out():
    matrices = pixels.gather(STUDENT, (), dense_statistics.confusion)["confusion"]
    s = maps(STUDENT)
    for i, matrix in enumerate(matrices):
        expected = np.zeros((4, 4), int)
        np.add.at(expected, (LABELS[i][VALID[i]], s[i][VALID[i]]), 1)
        assert (matrix == expected).all()


def test_small_chunks_change_nothing(monkeypatch):
    whole = card.fidelity("segmentation", STUDENT, [TEACHER]), card.truth("segmentation", STUDENT)
    monkeypatch.setattr(pixels, "CHUNK", 1)
    parts = card.fidelity("segmentation", STUDENT, [TEACHER]), card.truth("segmentation", STUDENT)
    assert parts[0] == pytest.approx(whole[0], abs=1e-12, nan_ok=True)
    assert parts[1] == pytest.approx(whole[1], abs=1e-12)


def test_boundary_and_dilation_equal_scipy():
    t = np.random.default_rng(1).integers(0, 3, (3, 9, 12)).repeat(2, 1).repeat(2, 2)
    edge = grid.boundary(t)
    for picture, found in zip(t, edge):
        padded = np.pad(picture, 1, mode="edge")
        neighbours = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        assert (found == np.any([n != picture for n in neighbours], axis=0)).all()
    sparse = np.random.default_rng(2).random((2, 15, 20)) < 0.03
    for times in (1, 3):
        expected = [scipy.ndimage.binary_dilation(m, np.ones((3, 3)), iterations=times) for m in sparse]
        assert (grid.dilate(sparse, times) == np.array(expected)).all()
    assert (grid.dilate(sparse, 0) == sparse).all()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_bands_are_each_class_minus_its_erosion(width):
    t = np.random.default_rng(3).integers(0, 3, (2, 4, 5)).repeat(6, 1).repeat(5, 2)
    found = grid.band(t, width)
    for picture, inside in zip(t, found):
        for k in range(3):
            mask = picture == k
            eroded = scipy.ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
            assert ((inside & mask) == (mask & ~eroded)).all()


def test_boundary_metrics_equal_a_plain_computation():
    draw = np.random.default_rng(7)
    t = draw.integers(0, 3, (2, 6, 8)).repeat(5, 1).repeat(6, 2)
    s = np.roll(t, 2, axis=2)
    labels = np.where(draw.random(t.shape) < 0.1, 255, t)
    found = card.fidelity("segmentation", {"logits": v.map_logits(s), "labels": labels}, [{"logits": v.map_logits(t)}])
    valid, width = labels != 255, grid.band_width(30, 48)
    eroded = lambda mask: scipy.ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    scores = []
    for k in range(3):
        bands = [np.array([(m == k) & ~eroded(m == k) for m in side]) & valid for side in (s, t)]
        scores.append((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())
    assert found["boundary_iou"] == pytest.approx(np.mean(scores))
    ring = grid.dilate(grid.boundary(t), 3) & valid
    assert found["boundary_agreement_3"] == pytest.approx((s == t)[ring].mean())
    assert found["interior_agreement"] == pytest.approx((s == t)[valid & ~grid.boundary(t)].mean())


def test_a_map_without_boundaries_has_no_boundary_agreement():
    flat = {"logits": v.map_logits(np.zeros((1, 4, 4), int))}
    found = card.fidelity("segmentation", flat, [flat])
    assert np.isnan(found["boundary_agreement_0"]) and found["interior_agreement"] == 1
    assert found["miou_st_absent"] == 2


def test_pseudo_labels():
    certain, unsure = np.log([0.98, 0.01, 0.01]), np.log([0.6, 0.3, 0.1])
    teacher = {"logits": np.stack([certain, certain, unsure, unsure], axis=1)[None, :, None, :]}
    student = {"logits": v.map_logits(np.array([[[0, 1, 0, 0]]])), "labels": np.array([[[0, 1, 2, 255]]])}
    found = card.fidelity("segmentation", student, [teacher])
    assert (found["pseudo_coverage"], found["pseudo_precision"]) == (pytest.approx(2 / 3), 0.5)
    assert (found["agreement_covered"], found["agreement_uncovered"]) == (0.5, 1.0)


def test_miou_sums_the_set_and_does_not_average_images():
    s, y = np.array([[[0, 0, 0]], [[0, 1, 1]]]), np.array([[[0, 0, 1]], [[0, 1, 1]]])
    found = card.truth("segmentation", {"logits": v.map_logits(s, 2), "labels": y})
    assert found["miou"] == pytest.approx((3 / 4 + 2 / 3) / 2)  # .708; the mean of images would be .667


def test_networks_of_different_stride_meet_at_the_labels():
    fine = {"logits": np.random.default_rng(0).normal(size=(7, 4, 10, 12))}
    found = card.fidelity("segmentation", STUDENT, [fine])
    assert np.isfinite(found["kl"]) and np.isnan(found["kl_native"])


def test_unlabelled_images_are_compared_on_the_students_grid():
    bare, other = ({"logits": side["logits"]} for side in (STUDENT, TEACHER))
    found = card.fidelity("segmentation", bare, [other])
    assert found["agreement"] == (STUDENT["logits"].argmax(1) == TEACHER["logits"].argmax(1)).mean()
    assert found["kl"] == pytest.approx(found["kl_native"]) and "lost" not in found


def test_every_metric_made_is_listed():
    made = set(card.truth("segmentation", STUDENT)) | set(card.fidelity("segmentation", STUDENT, [TEACHER]))
    assert made == {entry.name for entry in metrics("segmentation")}
