"""What attacks share: a program that leaves a mark where it runs, and no variables that move folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / part) for part in ("cli", "report", "gate")]  # benches of the other tests


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KDBENCH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that must never come to be."""
    return tmp_path / "it-ran"
