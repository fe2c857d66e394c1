"""CIFAR's own files: pickles, read by an unpickler that knows no code, only data and the shapes of numbers.

Unpickling can run anything. Here the few names that an array's pickle mentions stand for inert records, every other name is
refused, and the array is made from the recorded bytes: not even NumPy's own reconstruction is called on what a file says.
"""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from reprlib import repr as short
from typing import Any, ClassVar

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.inert_pickle import Inert, Instruction, Instructions, instructions
from kdbench.tasks.data.photos.split import Split

LARGEST = 1 << 28  # bytes; the largest official file has 155 MB
PIXELS = 3 * 32 * 32


class _Dtype:
    """The pickled type of an array: only its code is kept."""

    def __init__(self, code: Any = None, *rest: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """A pickled array: shape, type and bytes as they were written."""

    def __init__(self, *start: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, tuple) else ()

    def numbers(self) -> np.ndarray:
        if len(self.state) != 5:
            raise ValueError("an array without its contents")
        _, shape, dtype, columns_first, content = self.state
        code = dtype.code if isinstance(dtype, _Dtype) else None
        if code not in ("u1", b"u1") or columns_first or not isinstance(content, bytes):
            raise ValueError(f"an array that is not rows of bytes (type {short(code)})")
        numbers = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        if not numbers or math.prod(shape) != len(content):
            raise ValueError(f"{len(content)} bytes for an array of shape {short(shape)}")
        return np.frombuffer(content, np.uint8).reshape(shape)


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes into an old pickle."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise ValueError("an encoding other than latin1")
    return text.encode("latin1")


def _array(*start: Any) -> _Array:
    return _Array()


_KNOWN = {
    **dict.fromkeys([(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")], _array),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
}


class _Reader(Inert):
    """Beside data: tuples, and the two instructions by which an array is written."""

    dispatch: ClassVar[dict[int, Instruction]] = Instructions(
        {**Inert.dispatch, **instructions("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")}
    )

    def find_class(self, module: str, name: str) -> Any:
        return _KNOWN.get((module, name)) or super().find_class(module, name)

    def load_reduce(self) -> None:
        arguments, made_by = self.stack.pop(), self.stack[-1]
        if made_by not in _KNOWN.values() or type(arguments) is not tuple:
            raise DataError("calls what is no part of an array")
        self.stack[-1] = made_by(*arguments)

    def load_build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, _Array | _Dtype):
            raise DataError("gives contents to what is no array")
        made.__setstate__(state)

    dispatch |= {ord("R"): load_reduce, ord("b"): load_build}


def md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def contents(path: Path) -> dict[str, Any]:
    """The mapping that a file holds, with keys as text. Nothing in it was executed."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path}: {size:,} bytes; no CIFAR file is larger than {LARGEST:,}")
        found = _Reader(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except DataError as error:
        raise error if str(error).startswith(str(path)) else DataError(f"{path}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise DataError(f"{path}: no CIFAR pickle: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no mapping, expected one with data and labels")
    return {_text(key): value for key, value in found.items()}


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def names(path: Path, key: str) -> list[str]:
    """The class names of a meta file, in the order of its labels."""
    found = contents(path).get(key)
    if not isinstance(found, list) or not found or not all(isinstance(name, str | bytes) for name in found):
        raise DataError(f"{path}: expected a list of names under '{key}'")
    return [_text(name) for name in found]


def batch(path: Path, key: str, classes: int) -> Split:
    """The images 32×32 of a data file. A row holds all red, then green, then blue pixels."""
    found = contents(path)
    try:
        data, labels = found["data"], found[key]
    except KeyError as missing:
        raise DataError(f"{path}: has no {missing}, only {', '.join(sorted(found))}") from None
    if not isinstance(data, _Array):
        raise DataError(f"{path}: 'data' is no array")
    try:
        rows = data.numbers()
    except ValueError as error:
        raise DataError(f"{path}: 'data' is {error}") from None
    if rows.ndim != 2 or rows.shape[1] != PIXELS:
        raise DataError(f"{path}: 'data' has shape {rows.shape}, expected rows of {PIXELS} bytes")
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise DataError(f"{path}: {len(rows)} images and {len(labels) if isinstance(labels, list) else 'no list of'} labels")
    wrong = next((i for i, v in enumerate(labels) if type(v) is not int or not 0 <= v < classes), None)
    if wrong is not None:
        raise DataError(f"{path}: label {short(labels[wrong])} of image {wrong} is not one of 0 to {classes - 1}")
    return Split(rows.reshape(-1, 3, 32, 32), np.array(labels, np.int64))
