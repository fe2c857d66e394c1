"""Files that are there more than once, byte for byte, by their names: within a split, or across splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kdbench.tasks.data import canonical
from kdbench.tasks.data.findings import Finding, some


def told(
    what: str,
    text: str,
    marks: Mapping[str, np.ndarray],
    files: Mapping[str, Sequence[Path]],
    base: Path,
    right: bool | None = None,
) -> Finding:
    """A finding on the files that are in each of these splits (of one split: twice in it), with their names if there are any."""
    alike = names(marks, files, base) if files else ()
    return Finding(what, f"{text}: {some(alike)}" if alike else text, right=right, names=alike)


def doubles(marks: Mapping[str, np.ndarray], files: Mapping[str, Sequence[Path]], base: Path) -> list[Finding]:
    """A finding for each split in which something is twice."""
    more = {split: len(own) - len(canonical.distinct(own)) for split, own in marks.items()}
    return [
        told("doubles", f"{again:,} of {split} are there twice", {split: marks[split]}, files, base)
        for split, again in more.items()
        if again
    ]


def contradictory(
    what: str,
    marks: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    files: Mapping[str, Sequence[Path]],
    base: Path,
) -> list[Finding]:
    """A finding on the files whose copies, wherever they lie, are labelled otherwise: one of them is wrong. None if none is."""
    torn = [own for own in _places(marks) if len({labels[split][row].tobytes() for split, row in own}) > 1]
    alike = tuple(_equal(own, files, base) for own in torn)
    return [Finding("labels", f"{len(torn):,} times {what}: {some(alike)}", right=False, names=alike)] if torn else []


def names(marks: Mapping[str, np.ndarray], files: Mapping[str, Sequence[Path]], base: Path) -> tuple[str, ...]:
    """`a = b` for files of equal digests that are in every one of these splits."""
    alike = [found for found in _places(marks) if len(found) > 1 and {split for split, _ in found} == set(marks)]
    return tuple(_equal(own, files, base) for own in alike)


def _places(marks: Mapping[str, np.ndarray]) -> Iterable[list[tuple[str, int]]]:
    """Where each content lies, as (split, row)."""
    places: dict[bytes, list[tuple[str, int]]] = {}
    for split, own in marks.items():
        for row, mark in enumerate(own):
            places.setdefault(mark.tobytes(), []).append((split, row))
    return places.values()


def _equal(places: Iterable[tuple[str, int]], files: Mapping[str, Sequence[Path]], base: Path) -> str:
    return " = ".join(sorted(files[split][row].relative_to(base).as_posix() for split, row in places))
