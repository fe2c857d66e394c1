"""One label image as numbers: plain, with a palette, in colours, or SYNTHIA's 16 bits. What cannot be meant is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos.image_files import FORMATS
from kdbench.tasks.data.scenes.label_maps import OUTSIDE, Colour

SHOWN = 5  # values that are named
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Writing:
    """How label files are written: `colours` says what a colour is. `indexed`: the numbers of a file with a palette count, or of
    one channel; else their colours do. `deep`: the class in 16 bits, first of three channels."""

    colours: Mapping[Colour, int] | None = None
    indexed: bool = True
    deep: bool = False


def _depth(path: Path) -> tuple[int, int]:
    """Bits a sample and colour type of a PNG; (8, -1) for other files."""
    try:
        with open(path, "rb") as file:
            head = file.read(26)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return (head[24], head[25]) if head.startswith(_PNG) and len(head) == 26 else (8, -1)


def values(path: Path, writing: Writing) -> np.ndarray:
    """Integers [H,W] as the file has them. Pillow keeps the upper eight of 16 bits, which are all 0 in SYNTHIA, and says nothing
    of it; so such files go another way."""
    bits, kind = _depth(path)
    if bits == 16 and kind in (2, 6):
        if not writing.deep:
            raise DataError(f"{path}: 16 bits in {3 if kind == 2 else 4} channels; only SYNTHIA writes labels so")
        return _first_channel(path)
    if writing.deep and kind in (2, 6):
        raise DataError(f"{path}: colours of 8 bits, expected GT/LABELS with 16 bits, or its copy with one channel")
    return _by_pillow(path, writing)


def _first_channel(path: Path) -> np.ndarray:
    from torchvision.io import ImageReadMode, decode_image, read_file

    try:
        read = decode_image(read_file(str(path)), mode=ImageReadMode.UNCHANGED)
    except RuntimeError as error:
        raise DataError(f"{path}: cannot be read as a PNG of 16 bits: {str(error).splitlines()[0]}") from None
    return read[0].numpy()


def _by_pillow(path: Path, writing: Writing) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as opened:
            mode = opened.mode
            by_colour = mode == "P" and not writing.indexed
            array = np.asarray(opened.convert("RGB") if by_colour else opened)
    except Exception as error:  # decoders fail in many ways
        raise DataError(f"{path}: cannot be read as an image: {error}") from None
    if mode in ("L", "P", "1") or mode.startswith("I"):
        if writing.indexed:
            return array
        if not by_colour:
            raise DataError(f"{path}: one channel without a palette, expected colours")
    elif mode not in ("RGB", "RGBA"):
        raise DataError(f"{path}: an image of mode {mode}, expected numbers (one channel) or colours")
    if writing.colours is None:
        raise DataError(f"{path}: colours, expected numbers of classes; say which colour is which class (param palette)")
    return _of_colours(array[..., :3], writing.colours, path)


def colours_of(path: Path) -> np.ndarray | None:
    """Colours [H,W] as red · 65536 + green · 256 + blue; None for a file of numbers."""
    from PIL import Image

    if _depth(path)[0] == 16:
        return None
    try:
        with Image.open(path, formats=FORMATS) as opened:
            return packed(np.asarray(opened)[..., :3]) if opened.mode in ("RGB", "RGBA") else None
    except Exception as error:  # decoders fail in many ways
        raise DataError(f"{path}: cannot be read as an image: {error}") from None


def packed(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


def colour(number: int) -> str:
    return f"({number >> 16}, {number >> 8 & 255}, {number & 255})"


def _of_colours(array: np.ndarray, colours: Mapping[Colour, int], path: Path) -> np.ndarray:
    found = packed(array)
    known = np.array([(r << 16) | (g << 8) | b for r, g, b in colours], np.int64)
    order = np.argsort(known)
    place = np.searchsorted(known[order], found).clip(max=len(known) - 1)
    if (wrong := known[order][place] != found).any():
        strange = [colour(each) for each in np.unique(found[wrong])[:SHOWN].tolist()]
        raise DataError(f"{path}: colour {', '.join(strange)} is no class; {int(wrong.sum()):,} of {wrong.size:,} pixels")
    return np.array(list(colours.values()), np.int64)[order][place]


def strangers(found: np.ndarray, table: np.ndarray) -> list[int]:
    """The values that a label file may not hold."""
    present = np.unique(found)
    return [each for each in present.tolist() if not 0 <= each < len(table) or table[each] == OUTSIDE]


def classes(found: np.ndarray, table: np.ndarray, path: Path) -> np.ndarray:
    """uint8 [H,W]: values as classes by a table of label_maps.py."""
    if wrong := strangers(found, table):
        allowed = np.flatnonzero(table != OUTSIDE)
        shown = ", ".join(map(str, wrong[:SHOWN]))
        raise DataError(f"{path}: label {shown}, expected {spans(allowed.tolist())}")
    return table[found.astype(np.int64)].astype(np.uint8)


def spans(numbers: list[int]) -> str:
    """Sorted numbers in short: 0–18, 255."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][1] + 1:
            parts[-1][1] = each
        else:
            parts.append([each, each])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in parts)
