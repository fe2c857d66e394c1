"""A few clips of a set one after another, as a sound or as a picture of their spectra, with their tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.audio.audio_files import decode

SHOWN, RATE, SECONDS, PAUSE = 8, 16_000, 5.0, 0.3


def write(files: Sequence[Path], hot: np.ndarray, tags: Sequence[str], path: Path) -> None:
    """The first clips: a .wav, with a line printed for each, or a .png."""
    drawing = {".wav": _sound, ".png": _picture}.get(path.suffix.lower())
    if drawing is None:
        raise DataError(f"{path}: expected a name that ends in .wav or .png")
    names = [", ".join(tag for tag, there in zip(tags, own, strict=True) if there) for own in hot[:SHOWN]]
    waves = [decode(file, RATE, int(SECONDS * RATE), "centre") for file in files[:SHOWN]]
    drawing(waves, names, path)


def _sound(waves: Sequence[np.ndarray], names: Sequence[str], path: Path) -> None:
    import soundfile

    pause = np.zeros(int(PAUSE * RATE), np.float32)
    parts = [part for wave in waves for part in (0.9 * wave / max(float(np.abs(wave).max()), 1e-6), pause)]
    soundfile.write(str(path), np.concatenate(parts), RATE)
    for number, name in enumerate(names):
        print(f"{number * (SECONDS + PAUSE):5.1f} s  {name}")


def _picture(waves: Sequence[np.ndarray], names: Sequence[str], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    for axes, wave, name in zip(figure.subplots(2, SHOWN // 2).flat, waves, names):
        with np.errstate(divide="ignore"):  # of silence, which is left white
            axes.specgram(wave, NFFT=512, Fs=RATE, noverlap=352, vmin=-140)
        axes.set_title(name[:40], fontsize=8)
        axes.tick_params(labelsize=6)
    figure.supxlabel("seconds", fontsize=8)
    figure.supylabel("Hz", fontsize=8)
    figure.savefig(path, dpi=110)
