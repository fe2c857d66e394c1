"""Mixtures of a few clips of one split, each of another tag: real sounds with several tags at once (numpy only).

Everything random about mixture `i` of a split lies in row `i` of one table of uniforms, read from the raw bits of a Philox
counter, as in sounds.py: a mixture is the same however many are made. Its first clip is clip i mod N of the split, so that every
clip is first equally often; the others are any clips of tags that it does not have yet. All are brought to the same energy,
turned by a random time (what leaves at the end comes in at the start) and mixed at 0 to -6 dB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kdbench.tasks.data.random_numbers import philox

VERSION = 1
KEY = 0x3D5A_91C7_20E6
SPLITS = {"train": 1, "val": 2, "test": 3}
MOST = 4  # clips of a mixture at most
WIDTH = 16  # uniforms of a mixture: its size, 3 partners, 4 gains, 4 turns, 4 spare
QUIETEST = -6.0  # dB
LEVEL = 0.1  # root mean square of a clip at 0 dB


@dataclass(frozen=True, eq=False)
class Mixtures:
    """A row a mixture: rows of the clips [M, MOST] (-1: none), their gains in dB, their turns as shares of the length."""

    clip: np.ndarray
    gain: np.ndarray
    turn: np.ndarray

    def fingerprint(self) -> str:
        total = hashlib.sha256(f"mixtures {VERSION}".encode())
        for column in (self.clip, self.gain, self.turn):
            total.update(np.ascontiguousarray(column).data)
        return total.hexdigest()

    def labels(self, hot: np.ndarray) -> np.ndarray:
        """bool [M, tags]: the tags of any of the clips."""
        found: np.ndarray = (hot[self.clip] & (self.clip >= 0)[..., None]).any(1)
        return found

    def waves(self, clips: np.ndarray, size: int = 64) -> Iterator[np.ndarray]:
        """float32 [up to `size`, samples] after one another, from the waves of the split's clips [N, samples]."""
        energy = np.sqrt(np.square(clips, dtype=np.float64).mean(1))
        scale = LEVEL / np.maximum(energy, 1e-8)
        samples = clips.shape[1]
        for start in range(0, len(self.clip), size):
            rows = range(start, min(start + size, len(self.clip)))
            mixed = np.zeros((len(rows), samples), np.float32)
            for out, row in zip(mixed, rows, strict=True):
                for clip, gain, turn in zip(self.clip[row], self.gain[row], self.turn[row], strict=True):
                    if clip >= 0:
                        loud = np.float32(scale[clip] * 10 ** (gain / 20))
                        out += loud * np.roll(clips[clip], int(turn * samples))
            yield mixed


def draw(split: str, hot: np.ndarray, most: int, each: int) -> Mixtures:
    """`each` mixtures for every clip of a split, of 1 to `most` clips of different tags."""
    count = each * len(hot)
    u = philox(KEY, SPLITS[split], count * WIDTH).reshape(count, WIDTH)
    size = 1 + np.floor(u[:, 0] * most).astype(np.int64)
    clip = np.full((count, MOST), -1)
    for row in range(count):
        first = row % len(hot)
        clip[row, 0], taken = first, hot[first].copy()
        for slot in range(1, size[row]):
            others = np.flatnonzero(~(hot & taken).any(1))
            if not len(others):
                break
            chosen = others[int(u[row, slot] * len(others))]
            clip[row, slot] = chosen
            taken |= hot[chosen]
    return Mixtures(clip, QUIETEST * u[:, 4:8], u[:, 8:12])
