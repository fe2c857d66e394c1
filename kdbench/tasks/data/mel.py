"""From wave forms to log-mel pictures, in torch alone; a clip's picture depends on no other clip of its batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class FrontEnd:
    """A way to look at sound: frequencies in Hz, window and hop in samples, `floor` is added before the logarithm."""

    rate: int
    window: int
    hop: int
    mels: int
    low: float
    high: float
    floor: float = 1e-5

    def frames(self, samples: int) -> int:
        return samples // self.hop + 1


FRONT_ENDS = {"tiny8k": FrontEnd(rate=8000, window=256, hop=160, mels=32, low=50, high=3900)}


def mel_bank(end: FrontEnd) -> Tensor:
    """[mels, window/2 + 1] triangles of height 1, half overlapping and equally wide on the HTK mel scale.

    Built in double precision, as torchaudio's `melscale_fbanks(norm=None, mel_scale="htk")` defines it.
    """
    bins = np.linspace(0, end.rate / 2, end.window // 2 + 1)
    low, high = (2595 * np.log10(1 + f / 700) for f in (end.low, end.high))
    corners = 700 * (10 ** (np.linspace(low, high, end.mels + 2) / 2595) - 1)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle))
    return torch.from_numpy(np.maximum(triangles, 0)).float()


@torch.no_grad()
def log_mel(waves: Tensor, end: FrontEnd) -> Tensor:
    """[B, samples] -> [B, 1, mels, frames].

    Power spectra of Hann windows centred on multiples of the hop (the clip's edges reflected), mel bank, ln(x + floor).
    """
    with torch.autocast(waves.device.type, enabled=False):
        window = torch.hann_window(end.window, device=waves.device)
        spectra = torch.stft(waves.float(), end.window, end.hop, window=window, pad_mode="reflect", return_complex=True)
        power = spectra.real.square() + spectra.imag.square()
        return torch.log(mel_bank(end).to(waves.device) @ power + end.floor)[:, None]
