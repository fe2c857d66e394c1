"""Digits: sets are what they say, unlabelled ones hold no label, views are pure, and the default data are as they were."""

import hashlib

import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.models.small import lenet8
from kdbench.tasks.classification import Digits
from kdbench.tasks.data.made.digit_looks import LOOKS, Look, show

TASK = Digits(Digits.Config(labelled=200))


def images(name: str, task: Digits = TASK) -> torch.Tensor:
    return task.data(name).fields["image"]


def rows(image: torch.Tensor) -> set[bytes]:
    return {one.numpy().tobytes() for one in image}


def test_every_set_that_is_not_named_for_its_labels_has_none():
    for name in Digits.sets:
        assert ("label" in TASK.data(name).fields) == (name in ("labelled", "train")), name


def test_halves_are_disjoint_and_together_the_pool():
    a, b = images("half_a"), images("half_b")
    assert torch.equal(torch.cat((a, b)), images("pool")) and len(a) == len(b) == 450
    assert not rows(a) & rows(b)


def test_parts_of_the_pool_are_balanced():
    labels = TASK.data("train").fields["label"]
    pool = images("pool")
    for name in ("pool_50", "pool_200", "half_a", "half_b", "labelled"):
        part = images(name)
        start = 450 if name == "half_b" else 0
        assert torch.equal(part, pool[start : start + len(part)])
        assert labels[start : start + len(part)].bincount().unique().numel() == 1, name
    assert torch.equal(images("pool_200"), images("labelled"))


def test_no_set_holds_held_out_images():
    clean = Digits(Digits.Config(test="clean"))
    held_out = rows(images("test", clean)) | rows(images("val", clean))
    for name in Digits.sets:
        assert not rows(images(name)) & held_out, name


def test_foreign_sets():
    pool, scrambled, noise = images("pool"), images("scrambled"), images("noise")
    assert len(scrambled) == len(noise) == len(pool)
    assert torch.equal(scrambled.flatten(1).sort(1).values, pool.flatten(1).sort(1).values), "the same pixels"
    differs = (scrambled != pool).flatten(1).any(0)
    assert differs.sum() > 40
    correlation = torch.corrcoef(noise.flatten(1)[:, :2].T)[0, 1]
    assert abs(correlation) < 0.1 and abs(noise.mean() - 0.5) < 0.01 and noise.min() >= 0 and noise.max() <= 1


def test_clean_held_out_images_are_the_first_of_the_blocks():
    clean, views = Digits(Digits.Config(test="clean")).data("test"), TASK.data("test")
    assert len(clean) == 600 and len(views) == 1800
    assert torch.equal(views.fields["label"], clean.fields["label"].repeat(3))
    assert torch.equal(clean.blocks.repeat(3), views.blocks)


@pytest.mark.parametrize("policy", Digits.augments)
def test_a_look_is_a_function_of_sample_and_view(policy: str):
    draw, image, index = Draw(5), images("pool"), torch.arange(900)
    view = torch.full_like(index, 2)
    whole = TASK.augment(policy, Batch({"image": image}, index, view), draw)["image"]
    some = torch.tensor([7, 3, 800])
    part = TASK.augment(policy, Batch({"image": image[some]}, some, view[some]), draw)["image"]
    torch.testing.assert_close(part, whole[some], atol=1e-6, rtol=1e-6)
    assert torch.equal(whole, image) == (policy == "none")
    assert set(LOOKS) == set(Digits.augments)


def test_gentle_begins_with_the_image_as_it_is():
    draw, image, index = Draw(5), images("pool")[:10], torch.arange(10)
    view = torch.tensor([0, 1] * 5)
    seen = show(LOOKS["gentle"], image, view, index, draw)
    assert torch.equal(seen[::2], image[::2]) and not torch.equal(seen[1::2], image[1::2])


def test_looks_do_what_they_are_called():
    draw, image, index = Draw(5), images("pool"), torch.arange(900)
    view = torch.ones_like(index)
    noise = show(LOOKS["noise_only"], image, view, index, draw) - image
    assert abs(noise.std() - 0.15) < 0.003 and abs(noise.mean()) < 0.003
    turned = show(Look(upside_down=0.5), image, view, index, draw)
    upside = (turned.flip(2) - image).flatten(1).abs().amax(1) < 1e-5
    upright = (turned - image).flatten(1).abs().amax(1) < 1e-5
    assert (upside | upright).all() and 400 < upside.sum() < 500
    quarter = torch.zeros(1, 1, 8, 8)
    quarter[0, 0, 1, 3:5] = 1  # two pixels at the top
    angles = [show(Look(rotation=90), quarter, torch.tensor([v]), torch.tensor([0]), draw) for v in range(200)]
    centre = torch.arange(8) - 3.5
    at_top = [(a[0, 0] * centre[:, None]).sum() for a in angles]
    assert max(at_top) < 0.5, "no more than a quarter turn: the top never comes to the bottom"
    aside = [float((a[0, 0] * centre[None, :]).sum()) for a in angles]
    assert max(aside) > 3 and min(aside) < -3


def test_what_was_there_before_is_as_it_was():
    """Results of earlier versions stay comparable: the default view and the default sets are pinned by their bytes."""

    def sha(image: torch.Tensor) -> str:
        return hashlib.sha256(image.numpy().tobytes()).hexdigest()[:12]

    default = Digits()
    found = {name: sha(images(name, default)) for name in ("labelled", "pool", "train")}
    assert found == {"labelled": "57cb6d77b612", "pool": "a507c665e780", "train": "a507c665e780"}
    assert len(default.data("labelled")) == 100


def test_lenet8_has_the_parameters_of_the_design():
    net = lenet8.build(TASK.facts, lenet8.Config())
    assert sum(p.numel() for p in net.parameters()) == 17_690 and not list(net.buffers())
    values, taps = net.forward_taps(images("pool")[:2])
    assert values.shape == (2, 10) and tuple(taps) == lenet8.taps
    assert {name: tuple(tap.shape[1:]) for name, tap in taps.items()} == {
        "stage1": (6, 8, 8), "stage2": (16, 3, 3), "embedding": (48,)
    }  # fmt: skip
