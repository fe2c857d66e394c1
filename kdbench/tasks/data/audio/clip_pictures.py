"""Log-mel pictures of clips, made once into the cache in half precision, finer than any difference of level that is heard."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kdbench.tasks.data import array_cache
from kdbench.tasks.data.audio.audio_files import Fit, decode
from kdbench.tasks.data.audio.clip_mixtures import Mixtures
from kdbench.tasks.data.audio.mel import FrontEnd, log_mel
from kdbench.tasks.data.threads import each

VERSION = 1
TOGETHER = 64  # clips whose spectra are taken at a time


@dataclass(frozen=True)
class Look:
    """How clips are cut and seen."""

    end: FrontEnd
    seconds: float
    fit: Fit

    @property
    def samples(self) -> int:
        return round(self.seconds * self.end.rate)

    @property
    def size(self) -> tuple[int, int]:
        return self.end.mels, self.end.frames(self.samples)

    def wave(self, path: Path) -> np.ndarray:
        return decode(path, self.end.rate, self.samples, self.fit)

    def named(self, *more: str) -> str:
        told = "\n".join(map(repr, (VERSION, self, *more)))
        return f"pictures-{hashlib.sha256(told.encode()).hexdigest()[:16]}.npy"


def clips(files: list[Path], base: Path, look: Look) -> np.ndarray:
    """float16 [N, 1, mels, frames] of the files in turn, mapped from the cache."""

    def fill(array: np.ndarray) -> None:
        waves = each(look.wave, files)
        _paint(array, (np.stack(some) for some in _batched(waves, TOGETHER)), look.end)

    return array_cache.kept(array_cache.shelf(files, base) / look.named(), (len(files), 1, *look.size), fill, np.float16)


def mixtures(files: list[Path], base: Path, look: Look, mixed: Mixtures) -> np.ndarray:
    """float16 [M, 1, mels, frames] of mixtures of the files' clips."""

    def fill(array: np.ndarray) -> None:
        waves = np.stack(list(each(look.wave, files)))
        _paint(array, mixed.waves(waves, TOGETHER), look.end)

    path = array_cache.shelf(files, base) / look.named(mixed.fingerprint())
    return array_cache.kept(path, (len(mixed.clip), 1, *look.size), fill, np.float16)


def level(pictures: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of all values of pictures, in double precision."""
    count = total = squares = 0.0
    for start in range(0, len(pictures), TOGETHER):
        some = pictures[start : start + TOGETHER].astype(np.float64)
        count, total, squares = count + some.size, total + some.sum(), squares + np.square(some).sum()
    mean = total / count
    return float(mean), float(np.sqrt(max(squares / count - mean**2, 0)))


def _paint(array: np.ndarray, waves: Iterable[np.ndarray], end: FrontEnd) -> None:
    at = 0
    for some in waves:
        array[at : at + len(some)] = log_mel(torch.from_numpy(some), end).half().numpy()
        at += len(some)


def _batched(waves: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    while some := list(itertools.islice(waves, size)):
        yield some
