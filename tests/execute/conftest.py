"""Fixtures of the executors' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from execute_bench import Bench


@pytest.fixture(autouse=True)
def toys_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs' processes look for modules where this one does."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
