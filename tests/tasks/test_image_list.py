"""Images by a CSV: its splits, or one made by content; every wrong row with its line; and where a relative root is found."""

from pathlib import Path

import pytest
from imagenet_files import picture

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.photos import image_layouts, images
from kdbench.tasks.images import Images

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for n in range(20):
        picture(root / "shots" / f"{n}.jpg", n)
    return root


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "images.csv").write_text(text, encoding=encoding, newline="")
    return folder


def rows(split: bool = False) -> str:
    """Twenty images, every fourth of them a 2; with `split`, the second half is val."""
    made = [["path", "label", "split"]]
    made += [[f"shots/{n}.jpg", "10" if n % 4 else "2", "train" if n < 10 else "val"] for n in range(20)]
    return "".join(",".join(row if split else row[:2]) + "\r\n" for row in made)


def test_a_list_has_its_splits_whatever_wrote_it(folder: Path):
    tree = image_layouts.read(write(folder, rows(split=True), "utf-8-sig"))
    assert tree.classes == ("10", "2") and tree.layout == "images.csv with train, test"
    assert len(tree.splits["train"][0]) == 10 and len(tree.splits["test"][0]) == 10, "a lone val is the test"
    assert tree.splits["train"][1].tolist() == [1, 0, 0, 0] * 2 + [1, 0]


def test_without_splits_a_balanced_fifth_is_the_test_by_content_not_by_name(folder: Path):
    found = images.listed(write(folder, rows()))
    assert {split: len(paths) for split, paths in found.files.items()} == {"train": 16, "test": 4}
    assert found.labels["test"].tolist().count(1) == 1, "a quarter of them, as of all"
    for split, paths in found.files.items():
        assert [found.classes[at] for at in found.labels[split]] == ["10" if int(path.stem) % 4 else "2" for path in paths]
        assert (found.marks[split] == array_cache.digests(paths, folder)).all()
    before = {path.read_bytes() for path in found.files["test"]}
    for path in sorted((folder / "shots").iterdir()):
        path.rename(path.with_name(f"{99 - int(path.stem)}.jpg"))
    moved = rows()
    for n in range(20):
        moved = moved.replace(f"shots/{n}.jpg", f"shots/ {n}").replace(f"shots/ {n},", f"shots/{99 - n}.jpg,")
    images.listed.cache_clear()
    again = images.listed(write(folder, moved))
    assert {path.read_bytes() for path in again.files["test"]} == before and again.fingerprint == found.fingerprint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty, expected a first row"),
        ("path,lable\nshots/1.jpg,a\n", r":1: no column 'label' \(is 'lable' meant\?\)"),
        ("path,label\n", "no rows below its columns"),
        ("path,label\nshots/1.jpg\n", r":2: 1 columns, expected 2"),
        ("path,label\nshots/1.jpg,a\nshots/99.jpg,a\n", r":3: no file .*99\.jpg"),
        ("path,label\nshots/1.jpg,a\nshots/1.jpg,b\n", r":3: shots/1\.jpg is there already, in .*:2"),
        ("path,label\n../x.jpg,a\n", r":2: path '\.\./x\.jpg', expected a path below"),
        ("path,label\n/etc/passwd,a\n", ":2: path '/etc/passwd', expected a path below"),
        ("path,label\nshots/1.jpg, \n", ":2: label is empty"),
        ("path,label,split\nshots/1.jpg,a,tset\n", ":2: split 'tset', expected train, val or test"),
        ("path,label,split\nshots/1.jpg,a,train\nshots/2.jpg,b,test\n", ":3: label 'b' is none of the training rows"),
        ("path,label,split\nshots/1.jpg,a,test\n", "no row of the split train"),
    ],
)
def test_a_wrong_list_has_its_line(folder: Path, text: str, told: str):
    with pytest.raises(DataError, match=told):
        image_layouts.read(write(folder, text))


def test_a_relative_root_is_a_folder_under_the_data(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDBENCH_DATA", str(tmp_path))
    write(folder, rows())
    content = images.listed(folder).fingerprint
    assert Images(Images.Config(root="set", content=content, size=16)).data("test").fields["image"].shape == (4, 3, 16, 16)
    with pytest.raises(DataError, match="it is not in"):
        images.find("elsewhere")
