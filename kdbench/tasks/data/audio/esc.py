"""ESC-50 and ESC-10: five-second recordings of one class each, in five folds that keep clips of one recording together.

K. J. Piczak: ESC: Dataset for Environmental Sound Classification. ACM Multimedia 2015.
"""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows
from kdbench.tasks.data.audio.clip_list import ClipList, Row, collect
from kdbench.tasks.data.named_files import plain, there
from kdbench.tasks.data.place import Place

FOLDS = ("1", "2", "3", "4", "5")
LIST = Path("meta", "esc50.csv")
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file")
GET = "clone or unpack https://github.com/karolpiczak/ESC-50"
EXPECTS = "audio/*.wav (or .ogg) and meta/esc50.csv"
PLACES = {
    "esc10": Place("ESC-10", ("esc10", "ESC-10", "ESC-50-master", "ESC-50", "esc50"), EXPECTS, GET),
    "esc50": Place("ESC-50", ("ESC-50-master", "ESC-50", "esc50"), EXPECTS, GET),
}
CLASSES = {"esc10": 10, "esc50": 50}
EACH = 40  # clips of a class, eight in each fold


def find(name: str, root: str = "") -> Path:
    return PLACES[name].find(lambda folder: (folder / LIST).is_file(), root)


def read(folder: Path, subset: str) -> ClipList:
    """The clips with their fold as the part; `target` only orders the classes, since ESC-10 keeps the numbers of ESC-50."""
    rows = []
    names: dict[int, str] = {}
    for place, row in csv_rows.with_header(folder / LIST, COLUMNS):
        if row["esc10"] not in ("True", "False"):
            raise DataError(f"{place}: esc10 is {row['esc10']!r}, expected True or False")
        if subset == "esc10" and row["esc10"] == "False":
            continue
        if row["fold"] not in FOLDS:
            raise DataError(f"{place}: fold {row['fold']!r}, expected 1 to 5")
        if not row["target"].isascii() or not row["target"].isdigit() or int(row["target"]) >= CLASSES["esc50"]:
            raise DataError(f"{place}: target {row['target']!r}, expected 0 to {CLASSES['esc50'] - 1}")
        target = int(row["target"])
        if names.setdefault(target, row["category"]) != row["category"]:
            raise DataError(f"{place}: target {target} is {row['category']!r} here and {names[target]!r} before")
        file = there(place, folder / "audio" / plain(place, row["filename"]))
        rows.append((place, file, target, row["fold"], row["src_file"]))
    number = {target: at for at, target in enumerate(sorted(names))}
    tags = [names[target] for target in number]
    if len(set(tags)) < len(tags):
        raise DataError(f"{folder / LIST}: two targets have one category; there are {', '.join(sorted(tags))}")
    return collect(
        "meta/esc50.csv and audio/", tags, (Row(place, file, [number[t]], fold, source) for place, file, t, fold, source in rows)
    )


def known(subset: str) -> dict[str, str]:
    """What the published set has in each fold."""
    classes = CLASSES[subset]
    each = EACH // len(FOLDS)
    return dict.fromkeys(FOLDS, f"{classes * each:,} clips, {classes} tags, {each} each")
