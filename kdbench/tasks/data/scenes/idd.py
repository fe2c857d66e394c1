"""IDD-Lite as it is unpacked: leftImg8bit/ and gtFine/, one folder a drive, labels as the seven classes of its first level."""

from __future__ import annotations

from pathlib import Path

from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

SPLITS = ("train", "val")  # the labels of test are withheld
IMAGE_ENDS = ("_image", "_leftImg8bit")
LABEL_ENDS = ("_gtFine_labellevel1Ids", "_label")
TWINS = "_inst_label"  # said to be a copy of the label


def fits(folder: Path) -> bool:
    if not all((folder / name / "train").is_dir() for name in ("leftImg8bit", "gtFine")):
        return False
    return any(stem_of(path, LABEL_ENDS) for path in (folder / "gtFine" / "train").glob("*/*.png"))


def stem_of(path: Path, ends: tuple[str, ...]) -> str:
    """drive/frame; nothing for files that are something else."""
    end = next((end for end in ends if path.stem.endswith(end)), None)
    return "" if end is None or path.stem.endswith(TWINS) else f"{path.parent.name}/{path.stem.removesuffix(end)}"


def _named(folder: Path, ends: tuple[str, ...]) -> dict[str, Path]:
    return by_stem([path for path in files_of(folder) if stem_of(path, ends)], lambda path: stem_of(path, ends))


def read(folder: Path) -> Tree:
    here = [split for split in SPLITS if (folder / "leftImg8bit" / split).is_dir()]
    splits = {s: (_named(folder / "leftImg8bit" / s, IMAGE_ENDS), _named(folder / "gtFine" / s, LABEL_ENDS)) for s in here}
    return Tree("IDD level 1", splits)


LAYOUT = Layout(
    "idd",
    "IDD-Lite: small frames of Indian roads, the seven classes of its first level; a second target on a small budget",
    Place(
        "idd",
        ("idd20k_lite", "idd", "IDD"),
        "leftImg8bit/{train,val}/<drive>/<frame>_image.jpg and gtFine/{train,val}/<drive>/<frame>_label.png",
        "register at the India Driving Dataset and unpack IDD-Lite",
    ),
    fits,
    read,
)
