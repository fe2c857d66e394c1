"""Image files as pixels: opened by Pillow, resized and cut to a square; whole lists of them through the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.threads import each

if TYPE_CHECKING:
    from PIL.Image import Image

# What a file may be, whatever its name says. Pillow knows many more, of which one (EPS) is a program that it has another run.
# (MPO, what some cameras write, is opened as JPEG; named here, it would fail all that comes after it.)
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "TIFF", "WEBP")


def pixels(files: Sequence[Path], base: Path, size: int, exact: bool = False, resize: int | None = None) -> np.ndarray:
    """uint8 [N,3,size,size] in RGB, each as `decode` has it."""

    def fill(array: np.ndarray) -> None:
        for row, found in enumerate(each(lambda path: decode(path, size, exact, resize), files)):
            array[row] = found

    name = f"pixels-{size}.npy" if resize in (None, size) else f"pixels-{size}-of-{resize}.npy"
    return array_cache.kept(array_cache.shelf(files, base) / name, (len(files), 3, size, size), fill)


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
        said = str(error).rstrip(".")
        raise DataError(f"{path}: cannot be read as an image: {said}; mend it or take it away") from None
