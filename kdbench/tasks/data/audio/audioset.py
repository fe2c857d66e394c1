"""AudioSet: ten-second clips of videos under 527 tags, from its segment lists and a folder of clips, gaps and all.

J. F. Gemmeke, D. P. W. Ellis, D. Freedman et al.: Audio Set: An ontology and human-labeled dataset for audio events. ICASSP 2017.
No two copies have the same clips, nor the same encoding, so a clip is known by its video's id, and how many of the listed clips
were found is told. HDF5 packs are not read: h5py is no dependency.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows
from kdbench.tasks.data.audio.clip_list import ClipList, Row, collect, is_sound
from kdbench.tasks.data.place import Place

PARTS = {name: f"{name}_segments.csv" for name in ("balanced_train", "unbalanced_train", "eval")}
LABELS = "class_labels_indices.csv"
TAGS = 527
TIMED = re.compile(r"(?P<id>.{11})(_\d+(\.\d+)?){1,2}", re.DOTALL)  # <id>_<start> and <id>_<start>_<end>
PLACE = Place(
    "AudioSet",
    ("audioset", "AudioSet"),
    f"{LABELS}, balanced_train_segments.csv, eval_segments.csv (and unbalanced_train_segments.csv) there or in metadata/, and "
    "the clips in any folders below, named by their videos: Y<id>.wav, <id>.flac, <id>_<start>.flac, <id>_<start>_<end>.wav",
    "the lists are at https://research.google.com/audioset/download.html; the clips have to be had from their videos",
)


def lists(folder: Path) -> Path:
    return folder / "metadata" if (folder / "metadata" / LABELS).is_file() else folder


def find(root: str = "") -> Path:
    return PLACE.find(lambda folder: (lists(folder) / LABELS).is_file(), root)


def read(folder: Path) -> ClipList:
    """The clips of every list that is there, as far as their files are."""
    where = lists(folder)
    tags = _tags(where / LABELS)
    segments = {part: list(_segments(where / name, tags)) for part, name in PARTS.items() if (where / name).is_file()}
    if "eval" not in segments or len(segments) < 2:
        raise DataError(f"{where}: expected {PARTS['eval']} and a list of training segments beside {LABELS}")
    wanted: dict[str, str] = {}
    for own in segments.values():
        for place, video, _ in own:
            if video in wanted:
                raise DataError(f"{place}: {video!r} is listed a second time, first at {wanted[video]}")
            wanted[video] = place
    files = _files(folder, wanted)
    rows = [
        Row(place, files[video], numbers, part, video)
        for part, own in segments.items()
        for place, video, numbers in own
        if video in files
    ]
    found = collect("segment lists", list(tags.values()), rows)
    return replace(found, listed={part: len(own) for part, own in segments.items()}, names=[row.source for row in rows])


def _tags(path: Path) -> dict[str, str]:
    """Names by machine id, in the order of the file's own numbers, which is the order of all published networks."""
    found: dict[str, str] = {}
    for place, row in csv_rows.with_header(path, ("index", "mid", "display_name")):
        if row["index"] != str(len(found)):
            raise DataError(f"{place}: index {row['index']!r}, expected {len(found)}")
        if row["mid"] in found:
            raise DataError(f"{place}: {row['mid']} is there twice")
        found[row["mid"]] = row["display_name"]
    return found


def _segments(path: Path, tags: dict[str, str]) -> Iterator[tuple[str, str, list[int]]]:
    number = {mid: at for at, mid in enumerate(tags)}
    for place, cells in csv_rows.without_header(path, ("YTID", "start_seconds", "end_seconds", "positive_labels"), spaced=True):
        video, own = cells[0], cells[3].split(",")
        if len(video) != 11:
            raise DataError(f"{place}: {video!r} is no id of a video, which has 11 characters")
        unknown = [mid for mid in own if mid not in number]
        if unknown:
            raise DataError(f"{place}: label {unknown[0]!r} is not in {LABELS}")
        yield place, video, [number[mid] for mid in own]


def candidates(stem: str) -> list[str]:
    """The ids that a file of this name may be of: ids may begin with Y themselves, and hold underscores."""
    found = []
    for name in (stem, stem[1:] if stem.startswith("Y") else ""):
        timed = TIMED.fullmatch(name)
        found += [name] if len(name) == 11 else []
        found += [timed["id"]] if timed else []
    return found


def _files(folder: Path, wanted: dict[str, str]) -> dict[str, Path]:
    """The file of each wanted id: one walk over the folders, since a look for two million names would take hours."""
    found: dict[str, Path] = {}
    for here, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(filter(is_sound, names)):
            video = next((one for one in candidates(name.rpartition(".")[0]) if one in wanted), None)
            if video is None:
                continue
            if video in found:
                raise DataError(f"{Path(here) / name}: a second file of clip {video!r}, the first is {found[video]}")
            found[video] = Path(here) / name
    return found
