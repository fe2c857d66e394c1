"""FSD50K: Freesound clips of 0.3 to 30 seconds under 200 tags of the AudioSet ontology, as its own lists have them.

E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra: FSD50K: an Open Dataset of Human-Labeled Sound Events. IEEE/ACM TASLP 30, 2022.
Tags are propagated up the ontology in the lists already, and are not propagated again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows
from kdbench.tasks.data.audio.clip_list import ClipList, Row, collect
from kdbench.tasks.data.named_files import plain, there
from kdbench.tasks.data.place import Place

LISTS = Path("FSD50K.ground_truth")
TAGS, CLIPS = 200, 51_197
PLACE = Place(
    "FSD50K",
    ("FSD50K", "fsd50k"),
    "FSD50K.dev_audio/, FSD50K.eval_audio/ and FSD50K.ground_truth/ (dev.csv, eval.csv, vocabulary.csv)",
    "unpack https://zenodo.org/records/4060432",
)


def find(root: str = "") -> Path:
    return PLACE.find(lambda folder: (folder / LISTS / "vocabulary.csv").is_file(), root)


def vocabulary(path: Path) -> dict[str, int]:
    """The tags by their names: a file without a header, in the order of its own numbers."""
    found: dict[str, int] = {}
    for place, (number, name, _) in csv_rows.without_header(path, ("index", "label", "mid")):
        if number != str(len(found)):
            raise DataError(f"{place}: number {number!r}, expected {len(found)}")
        if name in found:
            raise DataError(f"{place}: tag {name!r} is there twice")
        found[name] = len(found)
    if not found:
        raise DataError(f"{path}: empty, expected {TAGS} tags")
    return found


def read(folder: Path) -> ClipList:
    """The development clips as their list splits them, train and val, and the evaluation clips as test."""
    tags = vocabulary(folder / LISTS / "vocabulary.csv")
    return collect("FSD50K.ground_truth", list(tags), _rows(folder, tags))


def _rows(folder: Path, tags: dict[str, int]) -> Iterator[Row]:
    for name, columns in (("dev", ("fname", "labels", "split")), ("eval", ("fname", "labels"))):
        for place, row in csv_rows.with_header(folder / LISTS / f"{name}.csv", columns):
            part = row.get("split", "test") if name == "dev" else "test"
            if name == "dev" and part not in ("train", "val"):
                raise DataError(f"{place}: split {part!r}, expected train or val")
            own = row["labels"].split(",") if row["labels"] else []
            unknown = [tag for tag in own if tag not in tags]
            if unknown:
                raise DataError(f"{place}: tag {unknown[0]!r} is not in vocabulary.csv")
            file = folder / f"FSD50K.{name}_audio" / f"{plain(place, row['fname'])}.wav"
            yield Row(place, there(place, file), [tags[tag] for tag in own], part, row["fname"])
