"""Images and their label maps decoded once at a size of choice: whole, never cropped, so that a label stays where it belongs.

Images are resized bilinearly (Pillow's, which averages where it shrinks), labels by the nearest pixel, both straight to the size
that is asked for, as the field does. An image and its label must be of one size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.photos import image_files
from kdbench.tasks.data.scenes import label_files
from kdbench.tasks.data.scenes.label_files import Writing
from kdbench.tasks.data.threads import each

Size = tuple[int, int]  # height, width


def image(path: Path, size: Size | None = None) -> np.ndarray:
    """uint8 [3,H,W]; at its own size where none is given."""
    from PIL import Image

    shown = image_files.opened(path)
    if size is not None and shown.size != size[::-1]:
        shown = shown.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(shown).transpose(2, 0, 1)


def extent(path: Path) -> Size:
    """Height and width, from the file's head."""
    from PIL import Image

    try:
        with Image.open(path, formats=image_files.FORMATS) as opened:
            return opened.height, opened.width
    except Exception as error:
        raise DataError(f"{path}: cannot be read as an image: {error}") from None


def nearest(maps: np.ndarray, size: Size) -> np.ndarray:
    """[H,W] at another size: each pixel is that of the old map under its centre."""
    if maps.shape == size:
        return maps
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(size, maps.shape))
    return maps[rows[:, None], columns]


def label(path: Path, of: Path, writing: Writing, table: np.ndarray, size: Size | None = None) -> np.ndarray:
    """uint8 [H,W]: the classes of one image."""
    found = label_files.classes(label_files.values(path, writing), table, path)
    if (theirs := extent(of)) != found.shape:
        ours = "×".join(map(str, found.shape[::-1]))
        raise DataError(f"{path}: {ours} pixels, its image {of.name} has {theirs[1]}×{theirs[0]}")
    return found if size is None else nearest(found, size)


def images(files: Sequence[Path], base: Path, size: Size) -> np.ndarray:
    """uint8 [N,3,H,W], mapped from the cache."""

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(each(lambda path: image(path, size), files)):
            array[row] = found

    name = f"images-{size[0]}x{size[1]}.npy"
    return array_cache.kept(array_cache.shelf(files, base) / name, (len(files), 3, *size), fill)


def labels(files: Sequence[Path], of: Sequence[Path], base: Path, size: Size, writing: Writing, table: np.ndarray) -> np.ndarray:
    """uint8 [N,H,W] of the images `of`, mapped from the cache."""

    image_of = dict(zip(files, of, strict=True))

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(each(lambda path: label(path, image_of[path], writing, table, size), files)):
            array[row] = found

    colours = sorted((writing.colours or {}).items())
    read_as = hashlib.sha256(f"{table.tolist()} {colours} {writing.indexed} {writing.deep}".encode()).hexdigest()[:12]
    name = f"labels-{size[0]}x{size[1]}-{read_as}.npy"
    return array_cache.kept(array_cache.shelf(files, base) / name, (len(files), *size), fill)
