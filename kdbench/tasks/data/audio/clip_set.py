"""The clips of an audio set in an order of their own content, part by part, with one fingerprint for all of it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache, canonical, meant
from kdbench.tasks.data.audio.clip_list import ClipList


@dataclass(frozen=True, eq=False)
class Part:
    """Clips in canonical order: files, tags as bool [N, tags], digests [N, 32], and what recording each is of."""

    files: list[Path]
    hot: np.ndarray
    marks: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, some: np.ndarray | slice) -> Part:
        files = self.files[some] if isinstance(some, slice) else [self.files[row] for row in some]
        return Part(files, self.hot[some], self.marks[some], self.source[some])

    def ordered(self) -> Part:
        """By content; where every clip has one tag, tags take turns, so that every prefix is balanced."""
        labels = self.hot.argmax(1) if (self.hot.sum(1) == 1).all() else np.zeros(len(self), np.int64)
        return self.rows(canonical.order(self.marks, labels))


@dataclass(frozen=True, eq=False)
class ClipSet:
    """`parts` are the set's own: folds, or splits. `listed` counts their clips where a list names more than there are."""

    folder: Path
    layout: str
    tags: tuple[str, ...]
    parts: Mapping[str, Part]
    listed: Mapping[str, int]
    fingerprint: str

    def joined(self, names: Iterable[str]) -> Part:
        """Several parts as one, in canonical order again. A part that the set lacks holds no clip."""
        own = [self.parts[name] for name in names if name in self.parts]
        if len(own) == 1:
            return own[0]
        if not own:
            return next(iter(self.parts.values())).rows(slice(0))
        files = [file for part in own for file in part.files]
        columns = (np.concatenate([getattr(part, name) for part in own]) for name in ("hot", "marks", "source"))
        return Part(files, *columns).ordered()


@functools.lru_cache(maxsize=4)
def listed(folder: Path, read: Callable[..., ClipList], *given: str) -> ClipSet:
    """A folder as its reader lists it, with digests of its files (or names); nothing is decoded."""
    found = read(folder, *given)
    if not len(found):
        raise DataError(f"{folder}: none of the clips that its lists name")
    by_name = np.argsort([str(file) for file in found.files], kind="stable")  # equal clips in an order of their own
    named = [hashlib.sha256(name.encode()).digest() for name in found.names]
    marks = (
        np.frombuffer(b"".join(named), np.uint8).reshape(-1, 32)
        if named
        else np.asarray(array_cache.digests(found.files, folder))
    )
    whole = Part(found.files, found.hot, marks, found.source).rows(by_name)
    part = found.part[by_name]
    parts = {name: whole.rows(np.flatnonzero(part == name)).ordered() for name in sorted(set(part.tolist()))}
    return ClipSet(folder, found.layout, found.tags, parts, found.listed, fingerprint(found.tags, parts))


def fingerprint(tags: Iterable[str], parts: Mapping[str, Part]) -> str:
    """The sha256 of the names of tags and parts, and of every clip's digest and tags: the same in whatever order files lie."""
    total = hashlib.sha256("\x1f".join(tags).encode())
    for name in sorted(parts):
        part = parts[name]
        total.update(f"\n{name}\t{len(part)}\n".encode())
        total.update(np.ascontiguousarray(part.marks).data)
        total.update(np.packbits(part.hot, axis=1).tobytes())
    return total.hexdigest()


def load(content: str, folder: Path, read: Callable[..., ClipList], *given: str) -> ClipSet:
    """The clips that are meant: those of the given fingerprint, and no others."""
    found = listed(folder, read, *given)
    meant.check(found.folder, found.fingerprint, content, "clips")
    return found
