"""Damaged weights and outputs of earlier jobs: named before anything is trained, and put aside so that they are made anew."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from kdbench.results.home import Home
from kdbench.results.outputs import OutputMissing, OutputStore
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.train.common import Common
from kdbench.train.elders import Damaged, check

KEY = "ab" * 12


@pytest.fixture
def taught(tmp_path: Path) -> tuple[dict, Path, Path]:
    """A job with a teacher; the teacher's weights and its output."""
    home = Home(tmp_path / "home").ensure()
    weights = home.weights / f"{KEY}.safetensors"
    weights.write_bytes(b"weights")
    sha = OutputStore(home).put(np.arange(1000.0))
    record = Record(
        KEY, "teacher", "done", {}, {"task": "digits", "cell": "teacher", "seed": 0}, {}, [], {"test/logits": sha},
        hashlib.sha256(b"weights").hexdigest(),
    )  # fmt: skip
    ResultStore(tmp_path / "results", home).write(record)
    job = {"home": str(home.path), "results": str(tmp_path / "results"), "teachers": [{"key": KEY}]}
    return job, weights, OutputStore(home).path(sha)


def look(job: dict) -> None:
    check(job, Common(torch.device("cpu")))


def test_what_is_whole_passes(taught):
    look(taught[0])
    look({**taught[0], "teachers": [], "init_job": KEY})
    look({**taught[0], "teachers": [{"key": "cd" * 12}]})  # no result of it is known here: told where it is wanted


def test_what_is_damaged_is_put_aside(taught):
    job, weights, output = taught
    weights.write_bytes(b"weighty")
    with pytest.raises(Damaged, match=r"digits teacher 0\); put aside as .*broken.*: run again"):
        look(job)
    assert not weights.exists()
    output.write_bytes(output.read_bytes()[:500])
    with pytest.raises(Damaged, match="cut short or damaged"):
        look(job)
    assert not output.exists() and len(list(Home(Path(job["home"])).broken.iterdir())) == 2
    with pytest.raises(OutputMissing):
        look(job)
    look({**job, "teachers": [{"key": KEY, "reference": False}]})  # nothing is scored against it
