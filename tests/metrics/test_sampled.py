"""Cards of large sets: decisions speak for all images, logits for the sample, and blocks recompute both."""

import numpy as np
import pytest

from kdbench.metrics import segmentation
from kdbench.metrics.blocks import from_blocks

RNG = np.random.default_rng(5)
IMAGES, CLASSES, SIZE = 9, 5, (8, 12)
ROWS = np.array([1, 4, 6, 7])
LABELS = RNG.choice([0, 1, 2, 255], (IMAGES, *SIZE)).astype(np.uint8)  # class 3 is only predicted, class 4 is nowhere


def full() -> dict[str, np.ndarray]:
    logits = RNG.normal(size=(IMAGES, CLASSES, *SIZE))
    logits[:, 4] -= 50
    return {"logits": logits, "labels": LABELS}


def large(net: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    decisions = net["logits"].argmax(1).astype(np.uint8)
    return {"decisions": decisions, "labels": LABELS, "logits": net["logits"][ROWS], "rows": ROWS}


def few(net: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"logits": net["logits"][ROWS], "labels": LABELS[ROWS]}


OF_SAMPLE = {"nll", "brier", "ece", "ece_image", "kl", "log_kl", "reverse_kl", "tv", "kl_native", "ece_t"}
OF_SAMPLE |= {"pseudo_coverage", "pseudo_precision", "agreement_covered", "agreement_uncovered"}
OF_SAMPLE |= {"teacher_nll", "teacher_brier", "teacher_ece"}


def test_each_metric_is_of_all_images_or_of_the_sample() -> None:
    student, teacher = full(), full()
    got = segmentation.truth(large(student)) | segmentation.fidelity(large(student), [large(teacher)])
    whole = segmentation.truth(student) | segmentation.fidelity(student, [teacher])
    part = segmentation.truth(few(student)) | segmentation.fidelity(few(student), [few(teacher)])
    assert got.keys() == whole.keys() and got.keys() >= OF_SAMPLE
    for name, value in got.items():
        assert value == pytest.approx((part if name in OF_SAMPLE else whole)[name], nan_ok=True), name
    assert got["classes_absent"] == 1 and got["kl"] != pytest.approx(whole["kl"])


def test_against_several_teachers_the_sample_speaks_alone() -> None:
    student, teachers = full(), [full(), full()]
    got = segmentation.fidelity(large(student), [large(each) for each in teachers])
    assert got == pytest.approx(segmentation.fidelity(few(student), [few(each) for each in teachers]), nan_ok=True)


def test_blocks_recompute_the_primary_metrics() -> None:
    student, teacher = large(full()), large(full())
    card = segmentation.truth(student) | segmentation.fidelity(student, [teacher])
    blocks = segmentation.blocks(student, [teacher])
    assert {len(block) for block in blocks.values()} == {IMAGES}
    for metric in ("miou", "ece", "miou_st", "log_kl"):
        assert from_blocks(metric, blocks, np.arange(IMAGES)) == pytest.approx(card[metric]), metric
    assert np.flatnonzero(blocks["ece|ece_of_bins"][:, -1]).tolist() == ROWS.tolist(), "each image in its own place"
    assert {key.partition("|")[0] for key in segmentation.blocks(student, [])} == {"miou", "ece"}
    both = segmentation.blocks(student, [teacher, large(full())])
    assert {len(block) for block in both.values()} == {IMAGES} and "log_kl|log_ratio" in both


def test_nets_sampled_elsewhere_are_not_compared() -> None:
    student, teacher = large(full()), large(full())
    with pytest.raises(ValueError, match="differ in 'rows'"):
        segmentation.fidelity(student, [teacher | {"rows": ROWS + 1}])
