"""A limit for arrays that can be made again: where it is reached, what nobody uses makes room, the longest unused first.

KDBENCH_CACHE_BYTES says how large the cache of decoded data may grow (bytes, or a number with K, M, G or T); without it nothing
is ever removed. Stored signals have a limit of their own (train/signals/table.py). Whoever maps an array holds a shared lock on
its shelf for as long as the array lives, in whatever process, and forked processes hold it with him; a shelf goes only where an
exclusive lock can be had. Where locks do not work, nothing is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from kdbench.contract.errors import DataError

VARIABLE = "KDBENCH_CACHE_BYTES"
MARK = "in-use"  # the file of a shelf that is locked, and whose time says when the shelf was last wanted
SHELF = re.compile(r"[0-9a-f]{24}(\.aside-\d+)?")
OURS = ("*.npy", "*.json", "*.lock")  # what may lie on a shelf beside its mark
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def limit(variable: str = VARIABLE, default: int | None = None) -> int | None:
    """The largest size of a folder in bytes; None for no limit."""
    given = os.environ.get(variable, "").strip()
    return in_bytes(given, variable) if given else default


def in_bytes(given: str, where: str) -> int:
    """A size as a person writes it."""
    read = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?", given.strip(), re.IGNORECASE)
    if read is None:
        raise DataError(f"{where}: {given!r} is no size; expected bytes, or a number with K, M, G or T, e.g. 200G")
    return int(float(read[1]) * UNITS[read[2].upper()])


def _locked(shelf: Path, how: int) -> int | None:
    """An open, locked mark of a shelf; None where that cannot be had."""
    while True:
        try:
            mark = os.open(shelf / MARK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(mark, how)
            if os.fstat(mark).st_nlink:
                return mark
        except OSError:
            os.close(mark)
            return None
        os.close(mark)  # the shelf went while this waited
        try:
            shelf.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None


def hold(shelf: Path) -> int | None:
    """Keep a shelf from making room until `release`; it now counts as used last."""
    mark = _locked(shelf, fcntl.LOCK_SH)
    if mark is not None:
        with contextlib.suppress(OSError):
            os.utime(mark)
    return mark


def release(mark: int | None) -> None:
    if mark is not None:
        os.close(mark)


@contextlib.contextmanager
def door(folder: Path) -> Iterator[None]:
    """Within it, nobody else makes, opens or removes shelves of a folder; whoever has one open goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".door", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def room(cache: Path, needed: int) -> Iterator[None]:
    """Within it, a file of that size may be created in the cache; one process at a time, so that no two take the same rest."""
    most = limit()
    if most is None:
        yield
        return
    with open(cache / ".room", "a") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        _make_room(cache, needed, most)
        yield


def _make_room(cache: Path, needed: int, most: int) -> None:
    total = trim(cache, most - needed)
    if total + needed > most:
        raise DataError(
            f"cache {cache}: {needed:,} bytes are needed and {total:,} are in use, {VARIABLE} allows {most:,}: raise it, or "
            "read less at a time"
        )


def trim(folder: Path, most: int, size: Callable[[Path], int] | None = None) -> int:
    """Remove shelves that nobody uses until all take at most so many bytes; how many they take then."""
    sizes = {shelf: sum(map(size or length, shelf.glob("*.npy"))) for shelf in shelves(folder)}
    total = sum(sizes.values())
    for shelf in sorted(sizes, key=wanted):
        if total <= most:
            break
        if removed(shelf):
            total -= sizes[shelf]
    return total


def shelves(folder: Path) -> list[Path]:
    return [found for found in folder.iterdir() if SHELF.fullmatch(found.name) and found.is_dir()]


def length(file: Path) -> int:
    """Of a file that may just now get another name."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def allocated(file: Path) -> int:
    """What a file with holes takes on its disk."""
    try:
        return file.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def wanted(shelf: Path) -> float:
    """When a shelf was last wanted."""
    mark = shelf / MARK
    return (mark if mark.exists() else shelf).stat().st_mtime


def removed(shelf: Path) -> bool:
    """Whether the shelf is gone: what is ours only, and nothing that somebody else may have put there."""
    mark = _locked(shelf, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if mark is None:
        return False
    try:
        for file in (*(found for ending in OURS for found in shelf.glob(ending)), shelf / MARK):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            shelf.rmdir()
    except OSError:
        return False
    finally:
        os.close(mark)
    return True
