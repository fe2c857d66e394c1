"""What is decoded once, images above all, kept as one array on disk that every process maps.

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import cache_budget

if TYPE_CHECKING:
    from PIL.Image import Image

VARIABLE = "KDBENCH_CACHE"
VERSION = 1
# What a file may be, whatever its name says. Pillow knows many more, of which one (EPS) is a program that it has another run.
FORMATS = ("PNG", "JPEG", "MPO", "PPM", "BMP", "GIF", "TIFF", "WEBP")
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
        with _told(path.parent), cache_budget.room(cache(), needed):
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        fill(array)
        array.flush()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the disk refuses, in the cache's own words."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cache {folder}: {error.strerror}; choose another place with {VARIABLE}") from error


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


def pixels(files: Sequence[Path], base: Path, size: int, exact: bool = False, resize: int | None = None) -> np.ndarray:
    """uint8 [N,3,size,size] in RGB, each as `decode` has it."""

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(each(lambda path: decode(path, size, exact, resize), files)):
            array[row] = found

    name = f"pixels-{size}.npy" if resize in (None, size) else f"pixels-{size}-of-{resize}.npy"
    return kept(shelf(files, base) / name, (len(files), 3, size, size), fill)


def decode(path: Path, size: int, exact: bool = False, resize: int | None = None) -> np.ndarray:
    """One image as uint8 [3,size,size]: the shorter side resized to `resize` (to `size`, if not given) and the centre taken;
    `exact` refuses another size than that."""
    from PIL import Image

    image = opened(path, size if exact else None)
    if not exact:
        scale = (resize or size) / min(image.size)
        wide, high = (max(size, round(side * scale)) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.BILINEAR) if (wide, high) != image.size else image
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image).transpose(2, 0, 1)


def opened(path: Path, side: int | None = None) -> Image:
    """One image in RGB, of that side if it is given. What cannot be read is named, and nothing is guessed about it."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as found:
            if side is not None and found.size != (side, side):
                raise DataError(f"{path}: {found.size[0]}×{found.size[1]} pixels, expected {side}×{side}")
            if found.width * found.height > (Image.MAX_IMAGE_PIXELS or 0):
                raise DataError(f"{path}: {found.width}×{found.height} pixels: too large to be what it should be")
            return found.convert("RGB")
    except DataError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise DataError(f"{path}: cannot be read as an image: {error}") from None


def each(work: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """The results in order, a bounded number of files ahead."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), 1024):
            yield from pool.map(work, files[start : start + 1024])
