"""Arrays that are made once from a list of files (pixels, pictures of sound, digests), kept on disk, and mapped by every process.

The cache lies under KDBENCH_CACHE, else ~/.cache/kdbench/images, in a folder named by the list of files with their sizes and
times; it may be deleted at any time. How large it may grow: cache_budget.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import cache_budget
from kdbench.tasks.data.threads import each

VARIABLE = "KDBENCH_CACHE"
VERSION = 1


def folder() -> Path:
    """Where all arrays lie."""
    given = os.environ.get(VARIABLE, "").strip()
    return Path(given).expanduser() if given else Path("~/.cache/kdbench/images").expanduser()


def shelf(files: Sequence[Path], base: Path) -> Path:
    """The cache folder of a list of files."""
    name = hashlib.sha256(f"{VERSION}\n".encode())
    for path in files:
        try:
            facts = path.stat()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        name.update(f"{path.relative_to(base)}\t{facts.st_size}\t{facts.st_mtime_ns}\n".encode())
    return folder() / name.hexdigest()[:24]


def kept(
    path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None], dtype: type[np.generic] = np.uint8
) -> np.ndarray:
    """The array at a path; made by `fill` where there is none. Two processes that race write the same bytes."""
    with _told(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    held = cache_budget.hold(path.parent)
    try:
        if not path.exists():
            _make(path, shape, fill, dtype)
        # Private pages: torch wants memory that it might write to, and nothing ever reaches the file.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except BaseException:
        cache_budget.release(held)
        raise
    weakref.finalize(array, cache_budget.release, held).atexit = False  # every view of it keeps it, a torch tensor too
    return array


def _make(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None], dtype: type[np.generic]) -> None:
    needed = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with _told(path.parent):
        free = shutil.disk_usage(path.parent).free
    if needed > 0.9 * free:
        raise DataError(f"cache {path.parent}: needs {needed:,} bytes of {free:,} free; choose another place with {VARIABLE}")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    try:
        with _told(path.parent), cache_budget.room(folder(), needed):
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        fill(array)
        array.flush()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(where: Path) -> Iterator[None]:
    """What the disk refuses, in the cache's own words."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cache {where}: {error.strerror}; choose another place with {VARIABLE}") from error


def digests(files: Sequence[Path], base: Path) -> np.ndarray:
    """uint8 [N,32]: the sha256 of each file."""

    def digest(path: Path) -> bytes:
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(each(digest, files)):
            array[row] = np.frombuffer(found, np.uint8)

    return kept(shelf(files, base) / "digests.npy", (len(files), 32), fill)
