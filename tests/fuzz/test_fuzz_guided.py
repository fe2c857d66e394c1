"""The coverage-guided fuzzer, by name: pytest -m fuzz. Well over 100,000 inputs, each target in a process of its own."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from fuzz_all import TARGETS
from fuzz_campaign import campaign, table

WANTED = 100_000
SCALE = "KDBENCH_FUZZ_SCALE"


@pytest.mark.fuzz
@pytest.mark.timeout(2 * 3600)
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris: pip install 'kdbench[fuzz]'")
def test_no_input_is_a_fault(tmp_path: Path) -> None:
    """The table goes to $KDBENCH_FUZZ_TABLE as well, since workers' output is shown only where a test fails."""
    scale = float(os.environ.get(SCALE, "1"))
    every = campaign(list(TARGETS), scale, tmp_path)
    said = table(every)
    print(said)
    if where := os.environ.get("KDBENCH_FUZZ_TABLE"):
        Path(where).write_text(said + "\n")
    faults = [f"{one.name}: {one.fault}" for one in every if one.fault]
    assert not faults, "\n\n".join([said, f"inputs in {tmp_path}", *faults])
    assert scale < 1 or sum(one.inputs for one in every) >= WANTED, said
