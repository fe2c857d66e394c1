"""Every clip of an audio set as the set's own lists have it: its file, its tags, its part, the recording it was cut from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdbench.contract.errors import DataError

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")


class Row(NamedTuple):
    """One clip; `place` is where its list says so, `tags` are numbers."""

    place: str
    file: Path
    tags: Sequence[int]
    part: str
    source: str


@dataclass(frozen=True, eq=False)
class ClipList:
    """`hot` is bool [N, tags]; `listed` counts the clips of a part where a list names more than this copy has.

    Where there are `names`, a clip is known by its name and not by its bytes: copies of such a set are encoded in many ways.
    """

    layout: str
    tags: tuple[str, ...]
    files: list[Path]
    hot: np.ndarray
    part: np.ndarray
    source: np.ndarray
    listed: Mapping[str, int] = field(default_factory=dict)
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.files)


def collect(layout: str, tags: Sequence[str], rows: Iterable[Row]) -> ClipList:
    """The rows as columns. No clip may be listed twice, and each needs a tag."""
    files: dict[Path, str] = {}
    numbers: list[Sequence[int]] = []
    parts, sources = [], []
    for row in rows:
        if row.file in files:
            raise DataError(f"{row.place}: {row.file.name} is listed a second time, first at {files[row.file]}")
        if not row.tags:
            raise DataError(f"{row.place}: {row.file.name} has no tag")
        files[row.file] = row.place
        numbers.append(row.tags)
        parts.append(row.part)
        sources.append(row.source)
    hot = np.zeros((len(files), len(tags)), bool)
    clip = np.repeat(np.arange(len(files)), [len(own) for own in numbers])
    hot[clip, np.concatenate([np.asarray(own, np.int64) for own in numbers]) if numbers else clip] = True
    return ClipList(layout, tuple(tags), list(files), hot, np.array(parts, np.str_), np.array(sources, np.str_))


def is_sound(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")
