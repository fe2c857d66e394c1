"""kdbench results gc at the command line: what is there, what goes, and when it rather does nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cli_bench import Bench

from kdbench.results.home import Home


def aged(folder: Path) -> None:
    """As if all of it had been written yesterday."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 86400,) * 2)


def test_it_tells_what_is_there_and_removes_what_no_record_needs(finished: Bench) -> None:
    home = Home(finished.folder / ".kdbench")
    orphan = home.weights / f"{'ab' * 12}.safetensors"
    orphan.write_bytes(b"x" * 3_000_000)
    aged(home.path)
    before = {path for path in home.path.rglob("*") if path.is_file()}
    told, dry, nothing, wrong, typo = finished.many(
        "results gc",
        "results gc --budget 0 --dry-run",
        "results gc --budget 1G",
        "results gc --budget much",
        "results gc --budget 0 --results elsewhere",
    )
    assert told.code == 0 and "needed by records" in told.out and "weights" in told.out and "removed" not in told.out
    assert dry.code == 0 and "would remove weights: 1 file, 2.9 MiB" in dry.out
    assert "needed by records (--needed removes that too)" in dry.out
    assert nothing.code == 0 and "removed" not in nothing.out and "the budget is 1.0 GiB" in nothing.out
    assert wrong.code == 2 and "--budget: 'much' is no size" in wrong.err
    assert typo.code == 2 and "no folder elsewhere: what its records need cannot be known" in typo.err
    assert {path for path in home.path.rglob("*") if path.is_file()} == before

    done = finished("results", "gc", "--budget", "0", code=0)
    assert "removed weights: 1 file" in done.out
    assert before - {path for path in home.path.rglob("*") if path.is_file()} == {orphan}
    assert "7 cached" in finished("plan", "tiny.yaml", code=0).out

    finished("results", "gc", "--budget", "0", "--needed", "--only", "weights", code=0)
    assert not list(home.weights.glob("*")) and list(home.outputs.rglob("*.npy"))


def test_a_record_that_cannot_be_read_may_need_anything(finished: Bench) -> None:
    next((finished.folder / "results" / "digits" / "kd").glob("*.json")).write_text("{")
    aged(finished.folder / ".kdbench")
    refused = finished("results", "gc", "--budget", "0", code=2)
    assert "what it needs cannot be known" in refused.err and "--only signals" in refused.err
    finished("results", "gc", "--budget", "0", "--only", "signals", "--only", "checkpoints", code=0)
