"""Random numbers that every version of numpy makes alike: from raw doubles or raw bits, never from its distributions."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


class Stream:
    """Random numbers of one part of something that is drawn, read one after the other; another part has another stream."""

    def __init__(self, seed: int, part: str):
        self._random = np.random.Generator(np.random.PCG64([seed, zlib.crc32(part.encode())])).random

    def chance(self) -> float:
        return float(self._random())

    def below(self, n: int) -> int:
        return int(self._random() * n)

    def by_share(self, cumulative: np.ndarray) -> int:
        return int(np.searchsorted(cumulative, self._random() * cumulative[-1], side="right"))

    def order(self, n: int) -> np.ndarray:
        return np.argsort(self._random(n), kind="stable")

    def weighted_order(self, weights: np.ndarray) -> np.ndarray:
        """A sample of everything without replacement, heavier entries earlier (Efraimidis and Spirakis)."""
        return np.argsort(np.log(1.0 - self._random(len(weights))) / weights, kind="stable")[::-1]


def philox(key: int, part: int, count: int) -> NDArray[np.float64]:
    """The first `count` numbers in [0, 1) of a Philox counter, by both halves of its key; a larger count only appends."""
    raw = np.random.Philox(key=np.array([key, part], np.uint64)).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
