"""`kdbench data check` on sets of scenes: what is said of a good one, and what is found in a bad one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scene_files
from PIL import Image

from kdbench.cli.verbs import data
from kdbench.contract.errors import DataError
from kdbench.registry import Registry
from kdbench.tasks.data.findings import Finding
from kdbench.tasks.data.scenes import scene_check, scene_layouts
from kdbench.tasks.data.sets import SETS, of_task

pytestmark = pytest.mark.usefixtures("own_cache")


def told(name: str, folder: Path) -> dict[str, Finding]:
    scene_layouts.look.cache_clear()
    return {finding.what: finding for finding in SETS[name].check(folder)}


def test_shares_are_those_of_the_labels(tmp_path: Path) -> None:
    root = scene_files.camvid(tmp_path / "CamVid")
    found = told("camvid", root)
    label = scene_files.drawn("target", 8)[1]
    counts = np.bincount(label[label != 255], minlength=8) / (label != 255).sum()
    shares = dict(each.rsplit(" ", 1) for each in found["train shares"].found.split(", "))
    assert shares["road"] == f"{counts[0]:.2%}" and shares["bicyclist"] == "0.00%" and shares["car"] == f"{counts[7]:.2%}"
    assert found["train ignored"].found == f"{(label == 255).mean():.2%} of the pixels"
    assert found["train sizes"].found == "64×48 (8)"
    assert found["train"].right is False and found["train"].known == "367 images", "a part of the set is not the set"
    assert found["train order"].right and found["partners"].right


def test_a_copy_of_camvid_in_another_order_is_told(tmp_path: Path) -> None:
    root = scene_files.camvid(tmp_path / "CamVid")
    for path in (root / "trainannot").iterdir():
        label = np.asarray(Image.open(path))
        Image.fromarray(np.where(label < 11, (label + 3) % 11, label).astype(np.uint8)).save(path)
    assert told("camvid", root)["train order"].right is False


def test_bad_files_strange_values_and_lone_files_are_named(tmp_path: Path) -> None:
    root = scene_files.gta5(tmp_path / "gta5")
    (root / "labels" / "00003.png").unlink()
    label = np.zeros((48, 64), np.uint8)
    label[0, :5] = 77
    Image.fromarray(label).save(root / "labels" / "00001.png")
    Image.fromarray(label[:40]).save(root / "labels" / "00002.png")
    (root / "labels" / "00004.png").write_bytes((root / "labels" / "00004.png").read_bytes()[:90])
    found = told("gta5", root)
    assert "1 images without a label, 0 labels without an image: 00003" in found["partners"].found
    assert "77 (as in " in found["train values"].found and found["train values"].right is False
    assert found["train files"].found.startswith("2 bad: ") and "64×40, its image 64×48" in found["train files"].found
    assert "00004.png: cannot be read as an image" in found["train files"].found


def test_own_numbers_are_listed_as_they_are(tmp_path: Path) -> None:
    root = scene_files.pairs(tmp_path / "pairs", {"train": 3, "test": 2}, labelled=("train",))
    found = told("pairs", root)
    assert found["test"].found == "2 images without labels" and "test sizes" not in found
    label = scene_files.drawn("target", 3)[1]
    assert found["train values"].found.startswith(f"0: {(label == 0).mean():.2%}, 1: ") and "255: " in found["train values"].found
    assert found["fingerprint"].found.startswith(scene_layouts.look("pairs", root).fingerprint)


def test_own_colours_are_listed_as_they_are(tmp_path: Path) -> None:
    root = scene_files.gta5(tmp_path / "pairs", 3, "colour")
    shares = told("pairs", root)["train values"].found
    label = scene_files.drawn("source", 3)[1]
    assert (
        shares.startswith(f"(0, 0, 0): {(label == 255).mean():.2%}, ") and f"(128, 64, 128): {(label == 0).mean():.2%}" in shares
    )


def test_equal_images_and_neighbouring_frames_in_two_splits(tmp_path: Path) -> None:
    root = scene_files.camvid(tmp_path / "CamVid")
    assert "neighbours" not in told("camvid", root)
    (root / "test" / "0001TP_006690.png").write_bytes((root / "train" / "0001TP_006690.png").read_bytes())
    (root / "testannot" / "0001TP_006690.png").write_bytes((root / "trainannot" / "0001TP_006690.png").read_bytes())
    assert told("camvid", root)["leaks"].found in ("1 of test are also in train", "0 of val are also in train")
    assert any("1 of test are also in train" in finding.found for finding in SETS["camvid"].check(root))


@pytest.mark.parametrize(
    ("train", "test", "count"),
    [
        (["a_000001_000019", "a_000003_000019"], ["b_000001_000020"], 0),  # another city's recording
        (["0001TP_000030", "0001TP_000060", "0001TP_000900"], ["0001TP_000090"], 1),  # 900 is far off
        (["1/10", "1/12"], ["1/11", "2/11"], 2),
        (["00001", "00002"], ["00003"], 1),
        (["000", "001", "002"], ["000", "001"], 0),  # each split numbered by itself
        (["cat", "dog"], ["bird"], 0),
    ],
)
def test_neighbours_go_by_recording_and_frame(train: list[str], test: list[str], count: int) -> None:
    found = scene_check.neighbours({"train": train, "test": test})
    assert [int(told.split()[0]) for told in found] == ([count] if count else [])


def test_the_verbs_of_data_know_the_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene_files.synthia(tmp_path / "synthia", 3)
    scene_files.pairs(tmp_path / "pairs", {"train": 3})
    assert data.check("synthia", str(tmp_path)) == 1 and "published: 9,400 images" in capsys.readouterr().out
    for name in ("synthia", "pairs"):
        assert data.sample(name, tmp_path / f"{name}.png", str(tmp_path)) == 0
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    with pytest.raises(DataError, match="cityscapes: it is not in"):
        data.check("cityscapes", str(tmp_path))


def test_a_root_above_the_sets_is_led_to_them(tmp_path: Path) -> None:
    for side in ("source", "target"):
        scene_files.pairs(tmp_path / "city" / side, {"train": 2})
    (tmp_path / "city" / "notes").mkdir()
    with pytest.raises(DataError, match=r"it is not in .*, but .*/city/source and .*/city/target may be meant. Expected"):
        data.check("pairs", str(tmp_path / "city"))


def test_sets_know_the_task_that_reads_them():
    tasks = set(Registry(packages=False).names("task"))
    assert {known.task for known in SETS.values()} - {""} <= tasks
    assert of_task("scenes") == list(scene_layouts.LAYOUTS) and of_task("passages") == ["passages", "cranfield"]
    assert of_task("digits") == []
