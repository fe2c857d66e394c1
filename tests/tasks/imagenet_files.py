"""ImageNet in small, in each layout in which it lies on disks: three classes whose devkit numbers are in another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

WNIDS = ("n01440764", "n01443537", "n01751748")
NUMBERS = {"n01440764": 3, "n01443537": 1, "n01751748": 2}  # the devkit's own
TRUTH = ("n01751748", "n01440764", "n01443537", "n01443537")  # of val images 1 to 4


def picture(path: Path, number: int, size: tuple[int, int] = (40, 30)) -> None:
    """A small JPEG like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1] // 5, size[0] // 5, 3), np.uint8)
    Image.fromarray(pixels).resize(size).save(path, "JPEG")


def name(at: int) -> str:
    return f"ILSVRC2012_val_{at:08d}"


def base(root: Path, per_class: int = 4, foldered: bool = False) -> Path:
    for label, wnid in enumerate(WNIDS):
        for n in range(per_class):
            picture(root / "train" / wnid / f"{wnid}_{n}.JPEG", 100 * label + n)
    for at, wnid in enumerate(TRUTH, 1):
        picture(root / "val" / (wnid if foldered else "") / f"{name(at)}.JPEG", 1000 + at)
    return root


def table(children: int = 0) -> np.ndarray:
    """meta.mat's table: the leaves, and one inner node with the next number."""
    rows = [(number, wnid, f"{wnid}, word", 0) for wnid, number in NUMBERS.items()] + [(4, "n00001740", "entity", 3)]
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    return np.array(rows, kinds)[:, None]


def devkit(root: Path, compressed: bool = True) -> Path:
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": table()}, do_compression=compressed)
    truth = "".join(f"{NUMBERS[wnid]}\n" for wnid in TRUTH)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    return data


def listed(root: Path, where: str = "val.txt") -> Path:
    path = root / where
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{name(at)}.JPEG {WNIDS.index(wnid)}\n" for at, wnid in enumerate(TRUTH, 1)))
    return path


def kaggle(root: Path) -> Path:
    base(root / "ILSVRC" / "Data" / "CLS-LOC")
    picture(root / "ILSVRC" / "Data" / "CLS-LOC" / "test" / "ILSVRC2012_test_00000001.JPEG", 5)
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{wnid} a word, another\n" for wnid in WNIDS))
    rows = "".join(f"{name(at)},{wnid} 1 2 30 40 {wnid} 5 6 7 8 \n" for at, wnid in reversed(list(enumerate(TRUTH, 1))))
    (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + rows)
    return root
