"""An array in a file of which only the rows in hand are in memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np


def spool() -> IO[bytes]:
    """A file for values unpacked on their way: it goes away with the `Rows` that hold it."""
    return tempfile.NamedTemporaryFile(prefix="kdbench-")


@dataclass(frozen=True)
class Rows:
    """Sliced like an array. Every slice maps the file anew and is copied out, since pages of a lasting map would count as
    memory of this process for as long as it runs."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int = 0
    fortran: bool = False  # the columns are stored one after another
    brain: bool = False  # 16 bits that are the upper half of a float32, a type that numpy lacks
    holder: IO[bytes] | None = None  # keeps a temporary file alive for as long as it is read

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> np.ndarray:
        stored = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, "F" if self.fortran else "C")
        values = np.array(stored[part], order="C", subok=False)
        return (values.astype(np.uint32) << 16).view(np.float32) if self.brain else values

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self[:1].dtype, copy=False)
