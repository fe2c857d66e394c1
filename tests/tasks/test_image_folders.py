"""Folders of images: classes by sorted names, look-alikes refused, damage named, Tiny-ImageNet as it is unpacked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import image_check, image_files, image_tree, images
from kdbench.tasks.images import Images

pytestmark = pytest.mark.usefixtures("own_cache")


def picture(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB", colour: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour if mode == "L" else (colour, 50, 20)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, one without a test image; files that are no images; a hidden folder."""
    root = tmp_path / "set"
    for n in range(6):
        picture(root / "train" / "10" / f"{n}.png", colour=n)
        picture(root / "train" / "2" / "deep" / f"{n}.JPEG", colour=40 * n, mode="L")
    picture(root / "val" / "2" / "x.png", colour=251)
    picture(root / "train" / ".hidden" / "x.png")
    (root / "train" / "10" / "Thumbs.db").write_bytes(b"x")
    (root / "train" / "2" / "._1.png").write_bytes(b"x")
    return root


def test_classes_are_sorted_as_text_and_taken_from_train(folder: Path):
    tree = image_tree.read(folder)
    assert tree.classes == ("10", "2")
    files_, labels = tree.splits["train"]
    assert len(files_) == 12 and labels.tolist() == [0] * 6 + [1] * 6
    assert tree.splits["test"][1].tolist() == [1], "a class that is missing in val shifts nothing"


def test_val_is_the_test_set_unless_there_is_a_test_set(folder: Path):
    assert set(image_tree.read(folder).splits) == {"train", "test"}
    picture(folder / "test" / "10" / "a.png")
    tree = image_tree.read(folder)
    assert tree.splits["test"][1].tolist() == [0] and tree.splits["val"][1].tolist() == [1]


@pytest.mark.parametrize("ending", [*image_tree.ENDINGS, ".gif", ".mpo"])
def test_every_ending_that_counts_as_an_image_can_be_read(tmp_path: Path, ending: str):
    path = tmp_path / f"x{ending}"
    picture(path, mode="L" if ending == ".pgm" else "RGB")
    assert image_files.decode(path, 16).shape == (3, 16, 16)


def test_look_alikes_are_refused(folder: Path):
    (folder / "train" / "empty").mkdir()
    with pytest.raises(DataError, match="empty: a class without an image"):
        image_tree.read(folder)
    (folder / "train" / "empty").rmdir()
    picture(folder / "val" / "3" / "x.png")
    with pytest.raises(DataError, match="3 is no class of train/"):
        image_tree.read(folder)
    picture(folder / "test" / "x.png")
    with pytest.raises(DataError, match="its images lie there without classes"):
        image_tree.read(folder)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Folders of classes and nothing else, of unequal sizes."""
    root = tmp_path / "animals"
    for name, count in {"cat": 7, "frog": 11}.items():
        for n in range(count):
            picture(root / name / f"{n}.png", colour=n + 20 * count)
    (root / "notes.txt").write_text("mine")
    return root


def test_folders_of_classes_are_a_set_whose_test_goes_by_content(classes: Path):
    found = images.listed(images.find(str(classes)))
    assert found.classes == ("cat", "frog") and found.layout.startswith("a folder for each class")
    assert {split: len(files) for split, files in found.files.items()} == {"train": 14, "test": 4}
    rows = "".join(f"{path.relative_to(classes)},{path.parent.name}\n" for path in sorted(classes.glob("*/*.png")))
    (classes / "images.csv").write_text("path,label\n" + rows)
    images.listed.cache_clear()
    assert images.listed(classes).fingerprint == found.fingerprint, "as by a list of the same files"


def test_the_split_can_be_put_back_as_a_list_row_by_row(classes: Path):
    made, before = list(images.splits(classes)), images.listed(classes)
    assert [row[2] for row in made] == ["train"] * 14 + ["test"] * 4
    text = "".join(",".join(row) + "\n" for row in [("path", "label", "split"), *reversed(made)])
    (classes / "images.csv").write_text(text)
    images.listed.cache_clear()
    again = images.listed(classes)
    assert again.layout == "images.csv with train, test" and again.fingerprint == before.fingerprint
    assert list(images.splits(classes)) == made, "one fingerprint, one order"


def test_a_named_layout_goes_before_folders_of_classes(classes: Path, folder: Path):
    folder.rename(classes / "images")
    assert images.find(str(classes)) == classes / "images"


def test_train_alone_is_told_as_such(folder: Path):
    (folder / "val").rename(folder / "held")
    with pytest.raises(DataError, match=r"it has train/, and beside it no test/ \(or val/\).*name train/ itself as the root"):
        images.find(str(folder))
    (folder / "train" / "2" / "flat.png").write_bytes((folder / "train" / "10" / "1.png").read_bytes())
    assert images.find(str(folder / "train")) == folder / "train"


def tiny(root: Path) -> Path:
    for name in ("n2", "n1"):
        for n in range(3):
            picture(root / "train" / name / "images" / f"{name}_{n}.JPEG", (64, 64), colour=n)
    for n, colour in enumerate((7, 8, 9)):
        picture(root / "val" / "images" / f"val_{n}.JPEG", (64, 64), colour=colour)
    (root / "val" / "val_annotations.txt").write_text("".join(f"val_{n}.JPEG\tn{1 + n % 2}\t0\t0\t9\t9\n" for n in range(3)))
    (root / "wnids.txt").write_text("n2\nn1\n")
    return root


def test_tiny_imagenet_as_it_is_unpacked(tmp_path: Path):
    tree = image_tree.read(tiny(tmp_path / "tiny"))
    assert tree.classes == ("n1", "n2") and len(tree.splits["train"][0]) == 6
    assert tree.splits["test"][1].tolist() == [0, 1, 0]
    (tmp_path / "tiny" / "wnids.txt").unlink()
    with pytest.raises(DataError, match=r"Tiny-ImageNet's raw val/ needs val_annotations\.txt"):
        image_tree.read(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a.JPEG\tn1\n", r"line 1: 2 column\(s\), expected 6"),
        ("a.JPEG\tn9\t0\t0\t1\t1\n", "class 'n9'"),
        ("../a\tn1\t0\t0\t1\t1\n", "no plain"),
        ("a\0\tn1\t0\t0\t1\t1\n", "no plain"),
        ("\udcff.JPEG\tn1\t0\t0\t1\t1\n", "line 1: not UTF-8"),
    ],
)
def test_a_wrong_line_of_annotations_has_its_place(tmp_path: Path, line: str, told: str):
    (tiny(tmp_path) / "val" / "val_annotations.txt").write_bytes(line.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=told):
        image_tree.read(tmp_path)


def test_an_image_is_resized_by_its_shorter_side_and_its_centre_taken(tmp_path: Path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200  # the middle third
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (image_files.decode(tmp_path / "wide.png", 20) == 200).all()
    picture(tmp_path / "grey.png", (9, 5), "L", 77)
    assert (image_files.decode(tmp_path / "grey.png", 5) == 77).all() and image_files.decode(tmp_path / "grey.png", 5).shape == (
        3,
        5,
        5,
    )


def test_damaged_images_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path = folder / "train" / "10" / "3.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"3\.png: cannot be read as an image"):
        image_files.decode(path, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"4\.png: .*(too large|exceeds limit)"):
        image_files.decode(folder / "train" / "10" / "4.png", 8)


def test_a_folder_is_a_task(folder: Path):
    (folder / "train" / "2" / "._1.png").unlink()
    with pytest.raises(DataError, match="say which images are meant") as told:
        Images(Images.Config(root=str(folder))).data("train")
    content = str(told.value).split("content: ")[1].rstrip("}")
    task = Images(Images.Config(root=str(folder), content=content, size=16))
    assert task.facts.outputs == 2 and task.facts.size == (16, 16)
    assert task.data("train").fields["image"].shape == (12, 3, 16, 16)
    assert task.data("train").fields["label"][:4].tolist() == [0, 1, 0, 1]
    assert set(task.data("pool").fields) == {"image"}
    picture(folder / "train" / "2" / "more.png")
    images.listed.cache_clear()
    with pytest.raises(DataError, match="these are not the images of param `content`"):
        Images(Images.Config(root=str(folder), content=content)).data("train")


def test_the_check_counts_what_is_wrong(folder: Path):
    (folder / "val" / "2" / "twin.png").write_bytes((folder / "train" / "10" / "2.png").read_bytes())
    (folder / "train" / "10" / "bad.png").write_bytes(b"\x89PNG")
    found = {line.what: line for line in image_check.folder_findings(folder)}
    assert found["train"].found == "13 images, 2 classes, 6 to 7 each"
    assert found["left out"].found == "1 not read, by their ending: .db 1"
    assert found["leaks"].found == "1 of test are also in train: train/10/2.png = val/2/twin.png"
    assert found["leaks"].names == ("train/10/2.png = val/2/twin.png",) and found["leaks"].right is False
    assert found["labels"].found == "1 times the same image under two classes: train/10/2.png = val/2/twin.png"
    assert found["labels"].right is False
    assert found["files"].right is False and found["files"].found.startswith("1 unreadable") and "bad.png" in found["files"].found
    (folder / "train" / "10" / "bad.png").unlink()
    images.listed.cache_clear()
    (folder / "val" / "2" / "twin.png").write_bytes((folder / "train" / "2" / "deep" / "2.JPEG").read_bytes())
    images.listed.cache_clear()
    assert "labels" not in {line.what for line in image_check.folder_findings(folder)}
    content = images.listed(folder).fingerprint
    task = Images(Images.Config(root=str(folder), content=content, size=16))
    assert task.leaks() == ["1 images of test are, byte for byte, also in train"]
