"""Your own tagged audio: a CSV with the columns file, tags and split (and source, if clips of one recording are to be known)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows
from kdbench.tasks.data.audio.clip_list import ClipList, Row, collect
from kdbench.tasks.data.named_files import below
from kdbench.tasks.data.place import Place

TABLE, SEPARATOR = "clips.csv", ";"
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
PLACE = Place(
    "tagged_audio",
    ("tagged_audio",),
    f"{TABLE} with the columns file, tags (several with '{SEPARATOR}' between them) and split (train, val, test); files below it",
    "put your clips and their CSV there",
)


def find(root: str = "", table: str = TABLE) -> Path:
    return PLACE.find(lambda folder: (folder / table).is_file(), root)


def read(folder: Path, table: str = TABLE, separator: str = SEPARATOR) -> ClipList:
    """The clips as the CSV has them; the tags are in the order of their names."""
    rows = list(_rows(folder, folder / table, separator))
    tags = sorted({tag for _, _, own, _, _ in rows for tag in own})
    number = {tag: at for at, tag in enumerate(tags)}
    found = collect(table, tags, (Row(place, file, [number[tag] for tag in own], *rest) for place, file, own, *rest in rows))
    for part in ("train", "test"):
        if part not in found.part:
            raise DataError(f"{folder / table}: no row has the split {part!r}; both train and test are needed")
    return found


def _rows(folder: Path, path: Path, separator: str) -> Iterator[tuple[str, Path, list[str], str, str]]:
    for place, row in csv_rows.with_header(path, ("file", "tags", "split")):
        if row["split"].strip().lower() not in PARTS:
            raise DataError(f"{place}: split {row['split']!r}, expected train, val or test")
        file = below(place, folder, "file", row["file"])
        tags = [tag.strip() for tag in row["tags"].split(separator)]
        yield (
            place,
            file,
            list(dict.fromkeys(tag for tag in tags if tag)),
            PARTS[row["split"].strip().lower()],
            row.get("source") or row["file"],
        )
