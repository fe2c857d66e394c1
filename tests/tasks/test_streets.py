"""The generated street scenes: the same bytes for ever, complete labels, and a null control that is one."""

from __future__ import annotations

import numpy as np
import pytest

from kdbench.tasks.data.made import streets

Drawn = tuple[np.ndarray, np.ndarray]
HASHES = {
    "source": "62a984889e34bba4",
    "target": "7fdb761e988e330e",
    "source_val": "f1dd51c27eb868c5",
    "val": "b247bec296d341ec",
    "test": "1895e9e7f61eb536",
    "source, no gap": "4be4cdc8d0aa887b",
}


@pytest.fixture(scope="module")
def source() -> Drawn:
    return streets.draw("source", 256)


@pytest.fixture(scope="module")
def target() -> Drawn:
    return streets.draw("target", 256, gap=0.6, lay=1.0)


@pytest.fixture(scope="module")
def twin() -> Drawn:
    """Target scenes without any gap: by construction another sample of the source's distribution."""
    return streets.draw("target", 256)


def test_bytes_are_those_of_version_1() -> None:
    """Exactly rounded arithmetic only, so this holds on every machine; a change here is a new VERSION."""
    assert streets.VERSION == 1
    found = {split: streets.digest(*streets.draw(split, 70, gap=0.6, lay=1.0)) for split in streets.SPLITS}
    found["source, no gap"] = streets.digest(*streets.draw("source", 70))
    assert found == HASHES


@pytest.mark.parametrize("count", [1, 37, 64, 65])
def test_fewer_scenes_are_the_first_of_many(target: Drawn, count: int) -> None:
    few = streets.draw("target", count, gap=0.6, lay=1.0)
    assert all(np.array_equal(a, b[:count]) for a, b in zip(few, target, strict=True))


def test_no_scene_is_in_two_splits() -> None:
    labels = np.concatenate([streets.draw(split, 100, lay=1.0)[1] for split in streets.SPLITS])
    assert len({label.tobytes() for label in labels}) == len(labels)


@pytest.mark.parametrize("domain", ["source", "target"])
def test_every_class_is_in_most_images_and_only_the_bonnet_is_ignored(domain: str, request: pytest.FixtureRequest) -> None:
    _, labels = request.getfixturevalue(domain)
    seen, bonnet = labels[:, : -streets.BONNET], labels[:, -streets.BONNET :]
    assert (bonnet == streets.IGNORE).all()
    assert seen.max() == len(streets.CLASSES) - 1
    present = [(seen == k).any((1, 2)).mean() for k in range(len(streets.CLASSES))]
    assert min(present) >= 0.75, dict(zip(streets.CLASSES, present, strict=True))
    shares = {name: (seen == k).mean() for k, name in enumerate(streets.CLASSES)}
    assert shares["person"] < 0.06 and shares["pole"] < 0.06 and shares["road"] > 0.15


def test_the_gap_changes_the_look_and_not_the_labels_and_lay_the_labels(twin: Drawn, target: Drawn) -> None:
    hazy, labels = streets.draw("target", 64, gap=0.6)
    assert np.array_equal(labels, twin[1][:64])
    assert np.abs(hazy.astype(int) - twin[0][:64]).mean() > 20
    assert (target[1][:64] != labels).mean() > 0.1


def statistics(drawn: Drawn) -> np.ndarray:
    """Features of each image [N, 20]: pixel share of each class, mean and deviation of each channel, its sharpness, darkest and
    brightest value."""
    images, labels = drawn
    image = images[:, : -streets.BONNET].astype(np.float64)
    shares = np.stack([(labels == k).mean((1, 2)) for k in range(len(streets.CLASSES))], 1)
    edges = np.abs(np.diff(image, axis=2)).mean((1, 2))
    return np.concatenate([shares, image.mean((1, 2)), image.std((1, 2)), edges, image.min((1, 2)), image.max((1, 2))], 1)


def z_scores(a: Drawn, b: Drawn) -> np.ndarray:
    x, y = statistics(a), statistics(b)
    error = np.sqrt(x.var(0, ddof=1) / len(x) + y.var(0, ddof=1) / len(y))
    return np.abs(x.mean(0) - y.mean(0)) / np.maximum(error, 1e-12)


def test_without_a_gap_the_domains_are_one_distribution(source: Drawn, twin: Drawn, target: Drawn) -> None:
    assert z_scores(source, twin).max() < 4
    apart = z_scores(source, target)
    assert apart[:8].max() > 10, "the layouts should differ"
    assert apart[8:].max() > 20, "the looks should differ"


def test_nearer_things_hide_farther_ones(source: Drawn) -> None:
    """The road reaches the bonnet before the camera unless a thing stands on it, and the sky is never below the ground."""
    labels = source[1]
    before = labels[:, -streets.BONNET - 1, streets.WIDTH // 2]
    road, sky = streets.CLASSES.index("road"), streets.CLASSES.index("sky")
    assert (before == road).mean() > 0.9
    lowest_sky = np.where((labels == sky).any(2), np.arange(streets.HEIGHT), -1).max(1)
    highest_road = np.where((labels == road).any(2), np.arange(streets.HEIGHT), streets.HEIGHT).min(1)
    assert (lowest_sky <= highest_road).all()
