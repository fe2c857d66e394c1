"""ImageNet's layouts are one set: a class is the rank of its wnid, and whatever is wrong has its place."""

import hashlib
import struct
import zlib
from pathlib import Path

import imagenet_files as files
import numpy as np
import pytest
from scipy.io import savemat

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import image_layouts, imagenet, imagenet_check, imagenet_devkit, images

pytestmark = pytest.mark.usefixtures("own_cache")

EXPECTED = {files.name(at): files.WNIDS.index(wnid) for at, wnid in enumerate(files.TRUTH, 1)}


def lay_out(kind: str, root: Path) -> Path:
    if kind == "kaggle":
        return files.kaggle(root)
    files.base(root, foldered=kind == "folders")
    if kind == "devkit":
        files.devkit(root)
    if kind == "map":
        files.listed(root)
    if kind == "folders":
        files.picture(root / "test" / "ILSVRC2012_test_00000001.JPEG", 5)
    return root


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("folders", "ImageNet, val/ in folders"),
        ("devkit", "ImageNet, flat val/ with the devkit in ILSVRC2012_devkit_t12/data"),
        ("map", "ImageNet, flat val/ with val.txt"),
        ("kaggle", "ImageNet, flat val/ with Kaggle's LOC_val_solution.csv"),
    ],
)
def test_every_layout_gives_the_rank_of_the_wnid(kind: str, how: str, tmp_path: Path):
    tree = image_layouts.read(lay_out(kind, tmp_path / "set"))
    assert tree.layout == how and tree.classes == files.WNIDS
    paths, labels = tree.splits["test"]
    assert dict(zip((path.stem for path in paths), labels.tolist(), strict=True)) == EXPECTED
    assert len(tree.splits["train"][0]) == 12 and set(tree.splits) == {"train", "test"}


def test_all_layouts_are_one_set(tmp_path: Path):
    kinds = ("folders", "devkit", "map", "kaggle")
    assert len({images.listed(lay_out(kind, tmp_path / kind)).fingerprint for kind in kinds}) == 1


def test_a_devkit_number_is_not_a_class(tmp_path: Path):
    """The classic error, subtracting 1, would give every image here another class."""
    assert all(files.NUMBERS[wnid] - 1 != rank for rank, wnid in enumerate(files.WNIDS))
    found = imagenet_devkit.wnids(files.devkit(tmp_path) / "meta.mat")
    assert found == {number: wnid for wnid, number in files.NUMBERS.items()}, "and inner nodes are none"


def test_labels_in_another_order_are_refused_where_the_classes_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = lay_out("map", tmp_path / "set")
    monkeypatch.setattr(imagenet, "LIST", hashlib.sha256("\n".join(files.WNIDS).encode()).hexdigest())
    monkeypatch.setattr(imagenet, "KNOWN", {files.name(1): 2})
    image_layouts.read(root)
    (root / "val.txt").write_text(
        "".join(f"{files.name(at)}.JPEG {files.NUMBERS[wnid] - 1}\n" for at, wnid in enumerate(files.TRUTH, 1))
    )
    with pytest.raises(DataError, match=r"val\.txt:1: ILSVRC2012_val_00000001 has class 1, expected 2: .*not in the order"):
        image_layouts.read(root)


def test_the_published_classes_are_known_by_their_list():
    timm = pytest.importorskip("timm.data")
    names = timm.ImageNetInfo("imagenet-1k").label_names()
    assert imagenet.is_published(sorted(names)) and not imagenet.is_published(sorted(names)[1:])
    assert sorted(names)[0] == files.WNIDS[0] and sorted(names)[65] == files.WNIDS[2]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("ILSVRC2012_val_00000001.JPEG\n", "line 1: 1 column"),
        ("\ufeffILSVRC2012_val_00000001.JPEG 3\r\n", r"val\.txt:1: class 3, expected 0 to 2"),
        ("ILSVRC2012_val_00000001.JPEG x\n", "'x' is no whole number"),
        ("a.JPEG 1\na.JPEG 2\n", r"val\.txt:2: a has a class already, from .*val\.txt:1"),
        ("a.JPEG 1\n", r"00000001\.JPEG: nothing is said of its class"),
        ("", "empty"),
    ],
)
def test_a_wrong_map_has_its_place(lines: str, told: str, tmp_path: Path):
    root = lay_out("map", tmp_path)
    (root / "val.txt").write_text(lines)
    with pytest.raises(DataError, match=told):
        image_layouts.read(root)


def test_a_missing_image_and_missing_labels_are_told(tmp_path: Path):
    root = lay_out("devkit", tmp_path)
    (root / "val" / f"{files.name(3)}.JPEG").unlink()
    with pytest.raises(DataError, match=r"ground_truth\.txt:3: ILSVRC2012_val_00000003 is not in"):
        image_layouts.read(root)
    (root / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").unlink()
    with pytest.raises(DataError, match=r"its images lie there without classes.*Put one of these beside"):
        image_layouts.read(root)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no table", "cannot be read as a MATLAB file|has no table"),
        ({"other": [1]}, "has no table 'synsets'"),
        ({"synsets": np.array([(1, "n1")], [("ILSVRC2012_ID", "O"), ("WNID", "O")])}, "no column num_children"),
    ],
)
def test_a_damaged_devkit_is_told(content, told: str, tmp_path: Path):
    path = tmp_path / "meta.mat"
    path.write_bytes(content) if isinstance(content, bytes) else savemat(path, content)
    with pytest.raises(DataError, match=told):
        imagenet_devkit.wnids(path)


def test_a_devkit_that_unpacks_to_too_much_is_refused(tmp_path: Path):
    packed = zlib.compress(bytes(imagenet_devkit.LARGEST + 1), 9)
    assert len(packed) < 100_000
    (tmp_path / "meta.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DataError, match="larger than 67,108,864 bytes once unpacked"):
        imagenet_devkit.wnids(tmp_path / "meta.mat")


def test_kaggles_list_with_a_wrong_class_or_column_is_told(tmp_path: Path):
    root = files.kaggle(tmp_path)
    path = root / "LOC_val_solution.csv"
    whole = path.read_text()
    path.write_text(whole.replace(files.WNIDS[2], "n09999999"))
    with pytest.raises(DataError, match=r"LOC_val_solution\.csv:5: class 'n09999999' is none of train/"):
        image_layouts.read(root)
    path.write_text(whole.replace("ImageId", "Image"))
    with pytest.raises(DataError, match=r":1: no column 'ImageId' \(is 'Image' meant\?\)"):
        image_layouts.read(root)


def test_the_check_says_that_a_small_one_is_not_the_published_one(tmp_path: Path):
    found = {line.what: line for line in imagenet_check.findings(lay_out("devkit", tmp_path))}
    assert found["classes"].right is False and found["classes"].found == "3, not all and only those of ILSVRC 2012"
    assert (found["train size"].found, found["train size"].known) == ("12", "1,281,167")
    assert found["files"].right and found["layout"].found.startswith("ImageNet, flat val/ with the devkit")
