"""An array as text in a record: compressed, in the smallest type that holds it; and back, whatever a damaged file may say."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kdbench.contract.numbers import is_whole
from kdbench.metrics.arrays import Array

TYPES = ("u1", "u2", "u4", "f4", "f8")
MOST_BYTES = 1 << 28  # of an unpacked array


def encode(array: Array) -> dict[str, Any]:
    """Whole numbers in the smallest type that holds them, others as float32; bytes of equal weight together, compressed."""
    array = np.ascontiguousarray(array)
    if array.size and np.isfinite(array).all() and (array == np.rint(array)).all() and array.min() >= 0:
        kind = next((k for k in ("<u1", "<u2", "<u4") if array.max() <= np.iinfo(k).max), "<f8")
    else:
        kind = "<f4"
    stored = array.astype(kind)
    planes = stored.reshape(-1).view(np.uint8).reshape(-1, stored.itemsize).T.tobytes()
    data = base64.b64encode(zlib.compress(planes, 9)).decode()
    return {"type": kind[1:], "shape": list(array.shape), "data": data}


def decode(packed: Mapping[str, Any]) -> Array:
    shape = packed["shape"]
    if packed["type"] not in TYPES or not all(is_whole(length) and length >= 0 for length in shape):
        raise ValueError(f"no array of {packed['type']} {shape}")
    kind = np.dtype(f"<{packed['type']}")
    size = math.prod(shape) * kind.itemsize
    if size > MOST_BYTES:
        raise ValueError(f"an array of {size:,} bytes")
    # No more than that is unpacked: a few bytes can be the beginning of gigabytes.
    planes = np.frombuffer(zlib.decompressobj().decompress(base64.b64decode(packed["data"], validate=True), size + 1), np.uint8)
    return planes.reshape(kind.itemsize, -1).T.copy().view(kind).reshape(shape)
