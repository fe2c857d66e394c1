"""A working folder with the real `kdbench` in it, as the tests of the command line have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from cli_bench import Bench  # noqa: E402


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty working folder."""
    return Bench(tmp_path)
