"""Sound files as waves of one rate and length: decoded by soundfile, mixed to mono, resampled by a polyphase filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kdbench.contract.errors import DataError

if TYPE_CHECKING:
    from soundfile import SoundFile

Fit = Literal["centre", "start"]
RATES = (1_000, 768_000)  # what a file's own rate may be, in Hz


@dataclass(frozen=True)
class Heard:
    """What a whole file holds."""

    seconds: float
    rate: int
    channels: int
    peak: float


def decode(path: Path, rate: int, samples: int, fit: Fit) -> np.ndarray:
    """float32 [samples]: the middle or the start of a file at a rate, silence around or after what is shorter.

    Of a long file only that part is read, and resampled by itself.
    """
    with _opened(path) as file:
        wanted = math.ceil(samples * file.samplerate / rate)
        if file.frames > wanted:
            file.seek((file.frames - wanted) // 2 if fit == "centre" else 0)
        wave = _mono(path, file.read(wanted, dtype="float32", always_2d=True))
        return fitted(resampled(wave, file.samplerate, rate), samples, fit)


def hear(path: Path) -> Heard:
    """A whole file, a block at a time: what is told of it is what it holds, not what its header says."""
    with _opened(path) as file:
        frames, peak = 0, 0.0
        for block in file.blocks(1 << 18, dtype="float32", always_2d=True):
            frames, peak = frames + len(block), max(peak, float(np.abs(_mono(path, block)).max(initial=0)))
        if not frames:
            raise DataError(f"{path}: holds no sound at all")
        return Heard(frames / file.samplerate, file.samplerate, file.channels, peak)


def resampled(wave: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """At another rate, low-passed first: nothing above half the lower rate is left to come back as what was not there."""
    if rate == wanted:
        return wave
    from scipy.signal import resample_poly

    shared = math.gcd(rate, wanted)
    return resample_poly(wave, wanted // shared, rate // shared).astype(np.float32)


def fitted(wave: np.ndarray, samples: int, fit: Fit) -> np.ndarray:
    spare = len(wave) - samples
    before = abs(spare) // 2 if fit == "centre" else 0
    if spare >= 0:
        return wave[before : before + samples]
    return np.pad(wave, (before, -spare - before))


def _mono(path: Path, block: np.ndarray) -> np.ndarray:
    if not np.isfinite(block).all():
        raise DataError(f"{path}: holds samples that are no finite numbers")
    return block.mean(1)


class _opened:
    """A sound file, whose failures in whatever decoder name it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> SoundFile:
        import soundfile

        if not self.path.is_file():
            raise DataError(f"{self.path}: no such file")
        try:
            self.file = soundfile.SoundFile(self.path)
        except Exception as error:  # decoders fail in many ways
            raise DataError(f"{self.path}: cannot be read as a sound: {error}") from None
        rate = self.file.samplerate
        if not RATES[0] <= rate <= RATES[1]:
            self.file.close()
            raise DataError(f"{self.path}: rate of {rate:,} Hz, expected {RATES[0]:,} to {RATES[1]:,}")
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.file.close()
        if isinstance(error, (RuntimeError, OSError, EOFError)):
            raise DataError(f"{self.path}: cannot be read as a sound: {error}") from None
