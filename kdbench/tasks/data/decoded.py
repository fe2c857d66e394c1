"""Images decoded once, into one uint8 array on disk that every process maps.

The cache lies under KDBENCH_CACHE, else ~/.cache/kdbench/images, in a folder named by the list of files with their sizes and
times; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from kdbench.contract.errors import DataError

VARIABLE = "KDBENCH_CACHE"
VERSION = 1
T = TypeVar("T")


def cache() -> Path:
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
    return cache() / name.hexdigest()[:24]


def kept(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """The array at a path; made by `fill` where there is none. Two processes that race write the same bytes."""
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            needed, free = int(np.prod(shape, dtype=np.int64)), shutil.disk_usage(path.parent).free
        except OSError as error:
            raise DataError(f"cache {path.parent}: {error.strerror}; choose another place with {VARIABLE}") from error
        if needed > 0.9 * free:
            raise DataError(f"cache {path.parent}: needs {needed:,} bytes of {free:,} free; choose another place with {VARIABLE}")
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.npy")
        try:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            fill(array)
            array.flush()
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    # Private pages: torch wants memory that it might write to, and nothing ever reaches the file.
    return np.load(path, mmap_mode="c", allow_pickle=False)


def digests(files: Sequence[Path], base: Path) -> np.ndarray:
    """uint8 [N,32]: the sha256 of each file."""

    def digest(path: Path) -> bytes:
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(_each(digest, files)):
            array[row] = np.frombuffer(found, np.uint8)

    return kept(shelf(files, base) / "digests.npy", (len(files), 32), fill)


def pixels(files: Sequence[Path], base: Path, size: int, exact: bool = False) -> np.ndarray:
    """uint8 [N,3,size,size] in RGB: the shorter side resized to `size` and the centre taken; `exact` refuses another size."""

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(_each(lambda path: decode(path, size, exact), files)):
            array[row] = found

    return kept(shelf(files, base) / f"pixels-{size}.npy", (len(files), 3, size, size), fill)


def decode(path: Path, size: int, exact: bool = False) -> np.ndarray:
    """One image as uint8 [3,size,size]. What cannot be read is named, and nothing is guessed about it."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            if exact and opened.size != (size, size):
                raise DataError(f"{path}: {opened.size[0]}×{opened.size[1]} pixels, expected {size}×{size}")
            if opened.width * opened.height > (Image.MAX_IMAGE_PIXELS or 0):
                raise DataError(f"{path}: {opened.width}×{opened.height} pixels: too large to be what it should be")
            image = opened.convert("RGB")
    except DataError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise DataError(f"{path}: cannot be read as an image: {error}") from None
    if not exact:
        scale = size / min(image.size)
        wide, high = (max(size, round(side * scale)) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.BILINEAR) if (wide, high) != image.size else image
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image).transpose(2, 0, 1)


def _each(work: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """The results in order, a bounded number of files ahead."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), 1024):
            yield from pool.map(work, files[start : start + 1024])
