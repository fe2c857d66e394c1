"""Folders as they are unpacked: pairs by stem, splits, what is missing, an order and a fingerprint of the content alone."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import scene_files
from PIL import Image

from kdbench.contract.errors import DataError
from kdbench.tasks.data.scenes import scene_layouts
from kdbench.tasks.data.scenes.scene_set import SceneSet

pytestmark = pytest.mark.usefixtures("own_cache")


def look(name: str, root: Path, drop: bool = False) -> SceneSet:
    scene_layouts.look.cache_clear()
    return scene_layouts.look(name, scene_layouts.find(name, str(root)), drop)


def test_each_layout_is_found_under_its_root_and_taken_for_no_other(tmp_path: Path) -> None:
    for name in ("cityscapes", "gta5", "synthia", "camvid", "idd"):
        getattr(scene_files, name)(tmp_path / {"camvid": "CamVid", "idd": "idd20k_lite"}.get(name, name))
    sizes = {
        name: {split: len(part.stems) for split, part in look(name, tmp_path).parts.items()}
        for name in ("cityscapes", "gta5", "synthia", "camvid", "idd")
    }
    assert sizes == {
        "cityscapes": {"train": 8, "val": 6},
        "gta5": {"train": 8},
        "synthia": {"train": 8},
        "camvid": {"train": 8, "val": 2, "test": 6},
        "idd": {"train": 8, "val": 4},
    }
    for name, other in (("cityscapes", "idd20k_lite"), ("idd", "cityscapes"), ("gta5", "synthia"), ("camvid", "gta5")):
        with pytest.raises(DataError, match=f"{name}: it is not in"):
            scene_layouts.find(name, str(tmp_path / other))


def test_pairs_are_made_by_stem(tmp_path: Path) -> None:
    for name in ("cityscapes", "idd", "camvid"):
        found = look(name, getattr(scene_files, name)(tmp_path / name))
        for part in found.parts.values():
            for stem, image, label in zip(part.stems, part.images, part.labels, strict=True):
                assert stem.split("/")[-1] in image.name and image.name.split("_")[0] == label.name.split("_")[0]
    assert not any("inst_label" in path.name for path in look("idd", tmp_path / "idd").parts["val"].labels)


def test_cityscapes_with_train_ids_a_level_deeper_and_without_either(tmp_path: Path) -> None:
    one = look("cityscapes", scene_files.cityscapes(tmp_path / "a", ending="labelTrainIds"))
    assert one.tree.code == "Cityscapes train ids"
    scene_files.cityscapes(tmp_path / "b")
    for name in ("leftImg8bit", "gtFine"):
        (tmp_path / "b" / f"{name}_trainvaltest").mkdir()
        shutil.move(tmp_path / "b" / name, tmp_path / "b" / f"{name}_trainvaltest" / name)
    assert look("cityscapes", tmp_path / "b").tree.code == "Cityscapes ids"
    for path in (tmp_path / "b").rglob("*labelIds.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"train: no \*_gtFine_labelIds\.png and no .*; there are color\.png, instanceIds\.png"):
        look("cityscapes", tmp_path / "b")


def test_missing_partners_are_named_or_dropped_on_request(tmp_path: Path) -> None:
    root = scene_files.gta5(tmp_path / "gta5")
    (root / "labels" / "00003.png").unlink()
    (root / "images" / "00005.png").unlink()
    with pytest.raises(DataError, match=r"train: 1 images without a label \(00003\) and 1 labels without an image \(00005\)"):
        look("gta5", root)
    assert sorted(look("gta5", root, drop=True).parts["train"].stems) == ["00001", "00002", "00004", "00006", "00007", "00008"]


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    root = scene_files.pairs(tmp_path / "p", {"train": 2})
    shutil.copy(root / "images" / "train" / "000.png", root / "images" / "train" / "000.jpg")
    with pytest.raises(DataError, match=r"000\.png: 000\.jpg is there too"):
        look("pairs", root)


def test_a_synthia_copy_that_lost_its_classes_is_refused(tmp_path: Path) -> None:
    root = scene_files.synthia(tmp_path / "s", 2)
    for path in (root / "GT" / "LABELS").iterdir():
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    with pytest.raises(DataError, match="one value in all pixels"):
        look("synthia", root)


def test_folders_of_ones_own_in_three_forms(tmp_path: Path) -> None:
    inside = scene_files.pairs(tmp_path / "inside", {"train": 3, "val": 2, "test": 2}, labelled=("val", "test"))
    around = tmp_path / "around"
    for split in ("train", "val", "test"):
        for kind, name in (("images", "images"), ("labels", "masks")):
            if (inside / kind / split).is_dir():
                shutil.copytree(inside / kind / split, around / split / name)
    one, other = look("pairs", inside), look("pairs", around)
    assert not one.parts["train"].labels and len(one.parts["test"].labels) == 2
    assert one.fingerprint == other.fingerprint, "one content, wherever it lies"
    flat = tmp_path / "flat"
    shutil.copytree(inside / "images" / "test", flat / "images")
    shutil.copytree(inside / "labels" / "test", flat / "labels")
    assert list(look("pairs", flat).parts) == ["train"]


def test_the_fingerprint_is_of_the_content_and_the_order_of_the_names(tmp_path: Path) -> None:
    root = scene_files.gta5(tmp_path / "a")
    before = look("gta5", root)
    shutil.copytree(root, tmp_path / "b")
    again = look("gta5", tmp_path / "b")
    assert again.fingerprint == before.fingerprint and again.parts["train"].stems == before.parts["train"].stems
    by_hash = sorted((f"{number:05}" for number in range(1, 9)), key=lambda stem: hashlib.sha256(stem.encode()).hexdigest())
    assert before.parts["train"].stems == by_hash, "the same order in every process"
    with pytest.raises(DataError, match=rf"say which files are meant: params: {{source_content: {before.fingerprint}}}"):
        scene_layouts.load("gta5", str(root), "", False, "source_content")
    label = np.asarray(Image.open(tmp_path / "b" / "labels" / "00001.png")).copy()
    label[0, 0] ^= 1
    scene_files.save(tmp_path / "b" / "labels" / "00001.png", label, palette=True)
    scene_layouts.look.cache_clear()
    with pytest.raises(DataError, match="these are not the files of param `source_content`"):
        scene_layouts.load("gta5", str(tmp_path / "b"), before.fingerprint, False, "source_content")
