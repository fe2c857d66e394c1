"""Files that are there more than once, byte for byte, by their names: within a split, or across splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kdbench.tasks.data.findings import Finding, some


def told(what: str, text: str, marks: Mapping[str, np.ndarray], files: Mapping[str, Sequence[Path]], base: Path) -> Finding:
    """A finding on the files that are in each of these splits (of one split: twice in it), with their names if there are any."""
    alike = names(marks, files, base) if files else ()
    return Finding(what, f"{text}: {some(alike)}" if alike else text, names=alike)


def names(marks: Mapping[str, np.ndarray], files: Mapping[str, Sequence[Path]], base: Path) -> tuple[str, ...]:
    """`a = b` for files of equal digests that are in every one of these splits."""
    places: dict[bytes, list[tuple[str, int]]] = {}
    for split, own in marks.items():
        for row, mark in enumerate(own):
            places.setdefault(mark.tobytes(), []).append((split, row))
    alike = [found for found in places.values() if len(found) > 1 and {split for split, _ in found} == set(marks)]
    return tuple(" = ".join(sorted(files[split][row].relative_to(base).as_posix() for split, row in own)) for own in alike)
