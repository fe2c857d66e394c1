"""The front end against independent computations, and its independence of batch neighbours."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import scipy.signal
import torch

import kdbench
from kdbench.tasks.data.audio.mel import FRONT_ENDS, log_mel, mel_bank

END = FRONT_ENDS["tiny8k"]


def bank_by_hand() -> np.ndarray:
    """The HTK bank a bin at a time, from the definition."""
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)
    step = (mel(3900) - mel(50)) / 33
    edge = [700 * (10 ** ((mel(50) + k * step) / 2595) - 1) for k in range(34)]
    bank = np.zeros((32, 129))
    for row in range(32):
        left, top, right = edge[row : row + 3]
        for column in range(129):
            hertz = column * 8000 / 256
            if left < hertz <= top:
                bank[row, column] = (hertz - left) / (top - left)
            elif top < hertz < right:
                bank[row, column] = (right - hertz) / (right - top)
    return bank


def test_bank_equals_the_definition() -> None:
    assert np.abs(mel_bank(END).numpy() - bank_by_hand()).max() < 1e-6
    assert (mel_bank(END).amax(1) > 0.5).all()  # no mel without a bin of the spectrum


def test_log_mel_equals_scipy() -> None:
    waves = np.random.default_rng(0).normal(size=(3, 8000)) * np.array([[1.0], [0.01], [0.0]])
    window = scipy.signal.get_window("hann", 256)  # periodic
    padded = np.pad(waves, ((0, 0), (128, 128)), mode="reflect")
    spectra = scipy.signal.stft(padded, nperseg=256, noverlap=96, window=window, boundary=None, padded=False)[2] * window.sum()
    expected = np.log(bank_by_hand() @ np.abs(spectra) ** 2 + 1e-5)
    got = log_mel(torch.from_numpy(waves).float(), END)
    assert got.shape == (3, 1, 32, 51) == (3, 1, END.mels, END.frames(8000))
    assert np.abs(got[:, 0].numpy() - expected).max() < 2e-4


def test_a_tone_lights_its_own_mel() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)[None]
    brightest = log_mel(tone, END).mean(-1).argmax().item()
    assert brightest == bank_by_hand()[:, 32].argmax()  # bin 32 is 1,000 Hz


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    """A decibel scale with a floor under the batch's loudest clip, as torchaudio's, fails this."""
    waves = torch.randn(64, 8000, generator=torch.Generator().manual_seed(0)) * 1e-3
    together = log_mel(waves, END)
    alone = torch.cat([log_mel(wave[None], END) for wave in waves])
    waves[::2] *= 1e6
    beside_loud = log_mel(waves, END)
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(together[1::2], beside_loud[1::2])


def test_no_torchaudio() -> None:
    """A plain install of torchaudio beside torch may fail to import, so nothing in the package may import it."""
    trees = [ast.parse(path.read_text("utf-8")) for path in Path(kdbench.__path__[0]).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert "torch" in names
    assert not [name for name in names if name.split(".")[0] in ("torchaudio", "torchcodec")]
