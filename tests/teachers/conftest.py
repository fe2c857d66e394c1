"""A digits net that was trained without kdbench's own machinery, and a folder in which cards are made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from teacher_bench import network

from kdbench.execute.inline import InlineExecutor
from kdbench.registry import Registry
from kdbench.tasks.classification import Digits


@pytest.fixture(scope="session")
def trained() -> torch.nn.Module:
    torch.manual_seed(0)
    net, data = network(), Digits().data("train")
    image, label = (data.fields["image"] - Digits.mean) / Digits.std, data.fields["label"]
    optimiser = torch.optim.AdamW(net.parameters(), 0.02)
    for _ in range(60):
        rows = torch.randint(len(label), (128,))
        optimiser.zero_grad()
        F.cross_entropy(net(image[rows] + 0.3 * torch.randn(128, 1, 8, 8)), label[rows]).backward()
        optimiser.step()
    return net.eval()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which networks are evaluated in this process: what imports torch is paid once."""
    for name in ("KDBENCH_TEACHERS", "KDBENCH_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def inline(home: Path, *, workers: int, device: str) -> Any:
        return InlineExecutor(home, device="cpu")

    monkeypatch.setattr("kdbench.teachers.measure.LocalExecutor", inline)
    return tmp_path
