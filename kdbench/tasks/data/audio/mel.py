"""From wave forms to log-mel pictures, in torch alone; a clip's picture depends on no other clip of its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class FrontEnd:
    """A way to look at sound: frequencies in Hz, window and hop in samples.

    The logarithm is ln(x + floor), or 10 lg max(x, floor) in decibels, where `top` cuts what lies further below the clip's own
    loudest value.
    """

    rate: int
    window: int
    hop: int
    mels: int
    low: float
    high: float
    floor: float = 1e-5
    bank: Literal["htk", "slaney"] = "htk"
    decibels: bool = False
    top: float | None = None

    def frames(self, samples: int) -> int:
        return samples // self.hop + 1


# What published networks see, as their code has it; but a clip is cut at its own loudest value, not at its batch's.
FRONT_ENDS = {
    "tiny8k": FrontEnd(rate=8000, window=256, hop=160, mels=32, low=50, high=3900),
    "ced": FrontEnd(rate=16_000, window=512, hop=160, mels=64, low=0, high=8000, floor=1e-10, decibels=True, top=120),
    "panns": FrontEnd(rate=32_000, window=1024, hop=320, mels=64, low=50, high=14_000, floor=1e-10, bank="slaney", decibels=True),
}
LINEAR, KNEE, STEP = 200 / 3, 1000.0, np.log(6.4) / 27  # Slaney's scale: Hz a mel below the knee, nepers a mel above it


def _mel(hertz: np.ndarray, bank: str) -> np.ndarray:
    if bank == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    return np.where(hertz < KNEE, hertz / LINEAR, KNEE / LINEAR + np.log(np.maximum(hertz, KNEE) / KNEE) / STEP)


def _hertz(mel: np.ndarray, bank: str) -> np.ndarray:
    if bank == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < KNEE / LINEAR, mel * LINEAR, KNEE * np.exp(STEP * (mel - KNEE / LINEAR)))


def mel_bank(end: FrontEnd) -> Tensor:
    """[mels, window/2 + 1] triangles, half overlapping and equally wide on their mel scale, built in double precision.

    "htk": of height 1 on the HTK scale, as torchaudio's `melscale_fbanks(norm=None, mel_scale="htk")` defines them. "slaney": of
    area 1 on Slaney's, as librosa's `filters.mel` does by default.
    """
    bins = np.linspace(0, end.rate / 2, end.window // 2 + 1)
    low, high = _mel(np.array([end.low, end.high], np.float64), end.bank)
    corners = _hertz(np.linspace(low, high, end.mels + 2), end.bank)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)), 0)
    return torch.from_numpy(triangles * 2 / (right - left) if end.bank == "slaney" else triangles).float()


@torch.no_grad()
def log_mel(waves: Tensor, end: FrontEnd) -> Tensor:
    """[B, samples] -> [B, 1, mels, frames].

    Power spectra of Hann windows centred on multiples of the hop (the clip's edges reflected), mel bank, logarithm.
    """
    with torch.autocast(waves.device.type, enabled=False):
        window = torch.hann_window(end.window, device=waves.device)
        spectra = torch.stft(waves.float(), end.window, end.hop, window=window, pad_mode="reflect", return_complex=True)
        power = spectra.real.square() + spectra.imag.square()
        mels = mel_bank(end).to(waves.device) @ power
        if not end.decibels:
            return torch.log(mels + end.floor)[:, None]
        pictures = 10 * torch.log10(mels.clamp(min=end.floor))
        if end.top is not None:
            pictures = pictures.clamp(min=pictures.amax((1, 2), keepdim=True) - end.top)
        return pictures[:, None]
