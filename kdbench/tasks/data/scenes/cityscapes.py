"""Cityscapes as it is unpacked: leftImg8bit/ and gtFine/, one folder a city, labels as ids or as train ids."""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

IMAGES, LABELS = "leftImg8bit", "gtFine"
ENDINGS = {"Cityscapes ids": "_gtFine_labelIds.png", "Cityscapes train ids": "_gtFine_labelTrainIds.png"}
SPLITS = ("train", "val")  # the labels of test are withheld; val is what everybody reports


def beneath(folder: Path, name: str) -> Path | None:
    """leftImg8bit/ or gtFine/: in the folder, in its data/, or a level deeper where archives were unpacked side by side."""
    tried = (folder / name, folder / f"{name}_trainvaltest" / name, folder / "data" / name)
    return next((found for found in tried if found.is_dir()), None)


def fits(folder: Path) -> bool:
    images, labels = beneath(folder, IMAGES), beneath(folder, LABELS)
    return images is not None and labels is not None and any(images.glob(f"train/*/*_{IMAGES}.*"))


def read(folder: Path) -> Tree:
    images, labels = beneath(folder, IMAGES), beneath(folder, LABELS)
    assert images is not None and labels is not None
    here = [split for split in SPLITS if (images / split).is_dir()]
    of_labels = {split: files_of(labels / split) for split in here}
    endings = {code for code, end in ENDINGS.items() if any(path.name.endswith(end) for path in of_labels["train"])}
    code = next((code for code in ENDINGS if code in endings), None)
    if code is None:
        others = sorted({path.name.rsplit("_gtFine_")[-1] for path in of_labels["train"]})
        raise DataError(f"{labels / 'train'}: no *{' and no *'.join(ENDINGS.values())}; there are {', '.join(others) or 'none'}")
    end = ENDINGS[code]
    splits = {}
    for split in here:
        shown = by_stem(files_of(images / split), lambda path: path.stem.removesuffix(f"_{IMAGES}"))
        splits[split] = shown, by_stem([p for p in of_labels[split] if p.name.endswith(end)], lambda p: p.name.removesuffix(end))
    return Tree(code, splits)


LAYOUT = Layout(
    "cityscapes",
    "Cityscapes: 3,475 street scenes of German cities, 19 classes; the usual target of domain adaptation",
    Place(
        "cityscapes",
        ("cityscapes", "Cityscapes"),
        f"{IMAGES}/{{train,val}}/<city>/ and {LABELS}/{{train,val}}/<city>/ with *_labelIds.png or *_labelTrainIds.png",
        "register at cityscapes-dataset.com, unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip",
    ),
    fits,
    read,
    {"train": 2975, "val": 500},
)
