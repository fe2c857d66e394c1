"""Views of images that stay in their files: each opens the file, takes its part, and resizes that.

For sets that are too large to be kept as squares, and for training views that are parts of the whole image, as ImageNet's are:
of up to ten random parts the first that fits is taken, else the centre, as torchvision does on equal draws.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from kdbench.tasks.data.photos import image_files

TRIES = 10
DRAWS = 4 * TRIES  # uniform numbers for one part
ASPECT = 4 / 3  # width to height of a part at the most, either way


def part(wide: int, high: int, least: float, u: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a random part with a share of the area in [least, 1); u: DRAWS numbers in [0, 1)."""
    for area, aspect, y, x in u.astype(np.float64).reshape(TRIES, 4):
        size = wide * high * (least + (1 - least) * area)
        ratio = math.exp((2 * aspect - 1) * math.log(ASPECT))
        w, h = round(math.sqrt(size * ratio)), round(math.sqrt(size / ratio))
        if 0 < w <= wide and 0 < h <= high:
            return int(x * (wide - w + 1)), int(y * (high - h + 1)), w, h
    w, h = min(wide, round(high * ASPECT)), min(high, round(wide * ASPECT))
    return (wide - w) // 2, (high - h) // 2, w, h


def view(path: Path, size: int, least: float, u: np.ndarray) -> np.ndarray:
    """One random part of an image as uint8 [3,size,size]."""
    from PIL import Image

    image = image_files.opened(path)
    left, top, wide, high = part(*image.size, least, u)
    shown = image.crop((left, top, left + wide, top + high)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(shown).transpose(2, 0, 1)
