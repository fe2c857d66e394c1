"""Files worked on by several threads: decoders and hashes work without Python's lock."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

MOST = 16  # threads at once
AHEAD = 1024  # files that are worked on before the first of them is taken
T = TypeVar("T")


def each(work: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """The results in order, a bounded number of files ahead."""
    with _pool() as pool:
        for start in range(0, len(files), AHEAD):
            yield from pool.map(work, files[start : start + AHEAD])


def stacked(make: Callable[[int], np.ndarray], count: int) -> np.ndarray:
    """What `make` gives for 0, 1, … side by side: a batch, for which the threads stay."""
    return np.stack(list(_standing(os.getpid()).map(make, range(count))))


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(MOST, os.cpu_count() or 1), "decode")


@functools.cache
def _standing(process: int) -> ThreadPoolExecutor:
    """One pool for a process, since a forked one has none of its parent's threads."""
    return _pool()
