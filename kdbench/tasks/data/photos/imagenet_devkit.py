"""ImageNet's devkit: the table of classes (a MATLAB file) and the numbers of the validation images' classes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import lines

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
LARGEST = 1 << 26  # bytes of the table once unpacked; the published file has less than 2 MB
FIELDS = ("ILSVRC2012_ID", "WNID", "num_children")


def wnids(path: Path) -> dict[int, str]:
    """The devkit's own number of each class -> its wnid: the leaves of the table."""
    from scipy.io import loadmat

    content = _bounded(path)
    try:
        table = np.atleast_1d(loadmat(io.BytesIO(content), squeeze_me=True, variable_names=["synsets"])["synsets"])
    except KeyError:
        raise DataError(f"{path}: has no table 'synsets'; expected meta.mat of ILSVRC2012_devkit_t12") from None
    except Exception as error:  # a damaged file may fail in any way
        raise DataError(f"{path}: cannot be read as a MATLAB file: {type(error).__name__}: {error}") from None
    missing = [name for name in FIELDS if name not in (table.dtype.names or ())]
    if missing:
        raise DataError(f"{path}: table 'synsets' has no column {missing[0]}, expected {', '.join(FIELDS)}")
    found: dict[int, str] = {}
    for row in table:
        try:
            number, wnid, children = int(row["ILSVRC2012_ID"]), str(row["WNID"]), int(row["num_children"])
        except (TypeError, ValueError):
            raise DataError(f"{path}: row {len(found) + 1} of 'synsets' holds something else than numbers and a wnid") from None
        if children == 0:
            if number in found:
                raise DataError(f"{path}: class {number} is there twice, as {found[number]} and {wnid}")
            found[number] = wnid
    return found


def truth(data: Path) -> Iterator[tuple[str, int, int]]:
    """('file:line', number of the image from 1, the devkit's number of its class)."""
    path = data / TRUTH
    at = 0
    for at, (number,) in lines.columns(path, 1, "the number of a class", separator=None):
        yield f"{path}:{at}", at, lines.integer(number, path, at, "class")
    if not at:
        raise DataError(f"{path}: empty, expected one line for each image of val/")


def _bounded(path: Path) -> bytes:
    """The file, if what is packed in it is not larger than it may be."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    at, total = 128, size  # a header, then elements: type, length, content; type 15 is packed
    while at + 8 <= len(content) and total <= LARGEST:
        kind, length = struct.unpack_from("<II", content, at)
        if kind == 15:
            try:
                total += len(zlib.decompressobj().decompress(content[at + 8 : at + 8 + length], LARGEST - total + 1))
            except zlib.error as error:
                raise DataError(f"{path}: damaged: {error}") from None
        at += 8 + length
    if total > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST:,} bytes once unpacked; the published table has less than 2,000,000")
    return content
