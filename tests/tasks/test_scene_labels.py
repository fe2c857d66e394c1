"""Label images as classes: every row of the published tables, each way of writing, and what is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_files import deep_png

from kdbench.contract.errors import DataError
from kdbench.tasks.data.scenes import label_files, label_maps, scene_cache
from kdbench.tasks.data.scenes.label_files import Writing

NAMES = [
    *("road", "sidewalk", "building", "wall", "fence", "pole", "light", "sign", "vegetation", "terrain", "sky", "person"),
    *("rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
]
IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
SYNTHIA = [3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11]
COLOURS = [
    *((128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30)),
    *((220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70)),
    *((0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32)),
]
EVERY = np.array([*IDS, 0, 34], np.uint8).reshape(3, 7)
TRAIN = np.array([*range(19), 255, 255], np.uint8).reshape(3, 7)


def read(path: Path, code: str, space: str = "cityscapes19", writing: Writing | None = None, **given) -> np.ndarray:
    classes = len(label_maps.SPACES[space].names) if space in label_maps.SPACES else given.pop("classes")
    table = label_maps.table(code, space, classes, **given)
    return label_files.classes(label_files.values(path, writing or Writing()), table, path)


def saved(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(array, mode) if mode == "P" else Image.fromarray(array)
    if mode == "P":
        image.putpalette([each for row in [[9, 9, 9]] * 256 for each in row])
    image.save(path)
    return path


def test_every_row_of_the_table_in_each_way_of_writing(tmp_path: Path) -> None:
    assert [*label_maps.SPACES["cityscapes19"].names] == NAMES and [*label_maps.SPACES["cityscapes19"].colours] == COLOURS
    for mode in (None, "P"):
        assert np.array_equal(read(saved(tmp_path / f"{mode}.png", EVERY, mode), "Cityscapes ids"), TRAIN)
    assert np.array_equal(read(saved(tmp_path / "train.png", TRAIN), "Cityscapes train ids"), TRAIN)
    coloured = np.array([*COLOURS, (0, 0, 0), (111, 74, 0)], np.uint8).reshape(3, 7, 3)
    found = read(saved(tmp_path / "colours.png", coloured), "Cityscapes ids", writing=Writing(label_maps.COLOURS))
    assert np.array_equal(found, TRAIN)
    first = np.array([*SYNTHIA, 0, 22], np.uint16).reshape(3, 7)
    deep_png(tmp_path / "deep.png", np.stack([first, first * 0 + 4711, first * 0], -1))
    assert np.array_equal(read(tmp_path / "deep.png", "SYNTHIA ids", writing=Writing(deep=True)), TRAIN)
    copy = saved(tmp_path / "copy.png", first.astype(np.uint8))
    assert np.array_equal(read(copy, "SYNTHIA ids", writing=Writing(deep=True)), TRAIN)


def test_all_other_ids_are_void_and_numbers_beyond_the_table_are_refused(tmp_path: Path) -> None:
    others = np.array([[each for each in (*range(35), 255) if each not in IDS]], np.uint8)
    assert (read(saved(tmp_path / "void.png", others), "Cityscapes ids") == 255).all()
    cases = [("Cityscapes ids", 35, "0–34, 255"), ("Cityscapes train ids", 19, "0–18, 255"), ("SYNTHIA ids", 23, "0–22")]
    cases += [("CamVid ids", 12, "0–11"), ("IDD level 1", 7, "0–6, 255")]
    for code, value, expected in cases:
        path = saved(tmp_path / "bad.png", np.array([[1, value]], np.uint8))
        with pytest.raises(DataError, match=rf"bad\.png: label {value}, expected {expected}"):
            read(path, code, label_maps.spaces_of(code)[0])


def test_all_five_row_filters_of_deep_files_are_read_and_pillow_would_lose_them(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 23, (40, 33, 3)).astype(np.uint16)
    samples[..., 1] = np.random.default_rng(1).integers(0, 65536, (40, 33))
    deep_png(tmp_path / "deep.png", samples)
    assert np.array_equal(label_files.values(tmp_path / "deep.png", Writing(deep=True)), samples[..., 0])
    assert not np.asarray(Image.open(tmp_path / "deep.png"))[..., 0].any(), "if Pillow reads 16 bits now, use it"
    with pytest.raises(DataError, match=r"deep\.png: 16 bits in 3 channels; only SYNTHIA"):
        label_files.values(tmp_path / "deep.png", Writing())
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "deep.png").read_bytes()[:300])
    with pytest.raises(DataError, match=r"cut\.png: cannot be read as a PNG of 16 bits"):
        label_files.values(cut, Writing(deep=True))
    flat = saved(tmp_path / "flat.png", samples.astype(np.uint8))
    with pytest.raises(DataError, match=r"flat\.png: colours of 8 bits, expected GT/LABELS"):
        label_files.values(flat, Writing(deep=True))


@pytest.mark.parametrize(
    ("space", "classes"),
    [
        ("synthia16", [0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 9, 10, 11, 12, 255, 13, 255, 14, 15]),
        ("synthia13", [0, 1, 2, 255, 255, 255, 3, 4, 5, 255, 6, 7, 8, 9, 255, 10, 255, 11, 12]),
        ("idd7", [0, 1, 5, 4, 4, 4, 4, 4, 5, 1, 6, 2, 2, 3, 3, 3, 3, 3, 3]),
    ],
)
@pytest.mark.parametrize(
    ("code", "ids"), [("Cityscapes ids", IDS), ("Cityscapes train ids", range(19)), ("SYNTHIA ids", SYNTHIA)]
)
def test_smaller_lists_of_classes(space: str, classes: list[int], code: str, ids: list[int]) -> None:
    assert label_maps.table(code, space, 0)[list(ids)].tolist() == classes
    names = label_maps.SPACES[space].names
    assert len(names) == max(each for each in classes if each != 255) + 1
    if space != "idd7":
        assert [names[each] for each in classes if each != 255] == [name for name, each in zip(NAMES, classes) if each != 255]


def test_own_labels_by_number_and_by_colour(tmp_path: Path) -> None:
    path = saved(tmp_path / "n.png", np.array([[0, 1, 2, 9, 255]], np.uint8))
    assert read(path, "own numbers", "own", classes=3, void=9).tolist() == [[0, 1, 2, 255, 255]]
    shifted = saved(tmp_path / "s.png", np.array([[0, 1, 2, 3, 255]], np.uint8))
    assert read(shifted, "own numbers", "own", classes=3, void=0).tolist() == [[255, 0, 1, 2, 255]]
    with pytest.raises(DataError, match=r"n\.png: label 9, expected 0–2, 255"):
        read(path, "own numbers", "own", classes=3)
    colours = Writing({(1, 2, 3): 0, (200, 0, 0): 1, (0, 0, 0): 255}, indexed=False)
    coloured = np.array([[[200, 0, 0], [1, 2, 3], [0, 0, 0]]], np.uint8)
    assert read(saved(tmp_path / "c.png", coloured), "own numbers", "own", colours, classes=2).tolist() == [[1, 0, 255]]
    Image.fromarray(coloured).quantize(3).save(tmp_path / "p.png")  # numbers in an order of the file's own
    assert read(tmp_path / "p.png", "own numbers", "own", colours, classes=2).tolist() == [[1, 0, 255]]
    coloured[0, 0] = (200, 0, 1)
    with pytest.raises(DataError, match=r"c\.png: colour \(200, 0, 1\) is no class; 1 of 3 pixels"):
        read(saved(tmp_path / "c.png", coloured), "own numbers", "own", colours, classes=2)
    with pytest.raises(DataError, match=r"c\.png: colours, expected numbers of classes; .*palette"):
        read(tmp_path / "c.png", "own numbers", "own", classes=2)
    with pytest.raises(DataError, match=r"n\.png: one channel without a palette, expected colours"):
        read(path, "own numbers", "own", colours, classes=2)


def test_a_code_is_read_only_into_lists_that_it_can_fill() -> None:
    with pytest.raises(DataError, match="labels written as CamVid ids cannot be read as cityscapes19; they can as camvid11"):
        label_maps.table("CamVid ids", "cityscapes19", 19)


def test_resized_labels_have_no_new_numbers_and_sizes_must_agree(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).choice([0, 18, 255], (11, 17)).astype(np.uint8)
    for size in ((5, 8), (22, 34), (11, 17), (48, 64)):
        assert set(np.unique(scene_cache.nearest(maps, size))) <= {0, 18, 255}
    assert scene_cache.nearest(np.arange(12).reshape(1, 12), (1, 4)).tolist() == [[1, 4, 7, 10]], "the pixel under the centre"
    assert np.array_equal(scene_cache.nearest(maps, (22, 34)), maps.repeat(2, 0).repeat(2, 1))
    path, image = saved(tmp_path / "l.png", maps), saved(tmp_path / "i.png", np.zeros((17, 11, 3), np.uint8))
    with pytest.raises(DataError, match=r"l\.png: 17×11 pixels, its image i\.png has 11×17"):
        scene_cache.label(path, image, Writing(), label_maps.table("Cityscapes train ids", "cityscapes19", 19))
