"""A limit for the cache of decoded data: where it is reached, what nobody uses makes room, the longest unused first.

KDBENCH_CACHE_BYTES says how large the cache may grow (bytes, or a number with K, M, G or T); without it nothing is ever removed.
Whoever maps an array holds a shared lock on its shelf for as long as the array lives, in whatever process, and forked processes
hold it with him; a shelf goes only where an exclusive lock can be had. Where locks do not work, nothing is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from kdbench.contract.errors import DataError

VARIABLE = "KDBENCH_CACHE_BYTES"
MARK = "in-use"  # the file of a shelf that is locked, and whose time says when the shelf was last wanted
SHELF = re.compile(r"[0-9a-f]{24}")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def limit() -> int | None:
    """The largest size of the cache in bytes; None for no limit."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return None
    read = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
    if read is None:
        raise DataError(f"{VARIABLE}: {given!r} is no size; expected bytes, or a number with K, M, G or T, e.g. 200G")
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
    shelves = [found for found in cache.iterdir() if SHELF.fullmatch(found.name) and found.is_dir()]
    sizes = {shelf: sum(_size(file) for file in shelf.glob("*.npy")) for shelf in shelves}
    total = sum(sizes.values())
    for shelf in sorted(shelves, key=_wanted):
        if total + needed <= most:
            return
        if _removed(shelf):
            total -= sizes[shelf]
    if total + needed > most:
        raise DataError(
            f"cache {cache}: {needed:,} bytes are needed and {total:,} are in use, {VARIABLE} allows {most:,}: raise it, or "
            "read less at a time"
        )


def _size(file: Path) -> int:
    """Of a file that may just now get another name."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _wanted(shelf: Path) -> float:
    """When a shelf was last wanted."""
    mark = shelf / MARK
    return (mark if mark.exists() else shelf).stat().st_mtime


def _removed(shelf: Path) -> bool:
    """Whether the shelf is gone: its arrays only, and nothing that somebody else may have put there."""
    mark = _locked(shelf, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if mark is None:
        return False
    try:
        for array in (*shelf.glob("*.npy"), shelf / MARK):
            array.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            shelf.rmdir()
    except OSError:
        return False
    finally:
        os.close(mark)
    return True
