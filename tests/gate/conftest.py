"""Every test of the gate's verbs works in an empty folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    for name in ("KDBENCH_HOME", "GITHUB_STEP_SUMMARY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    made = Bench(tmp_path)
    made.suite()
    return made
