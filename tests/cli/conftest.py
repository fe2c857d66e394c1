"""Working folders for tests of the command line. One small suite is run once, and copied for whoever wants finished results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_bench import Bench, Done

TINY = """\
version: 1
name: tiny
seeds: 2
tasks:
  - task: digits
    recipe: {steps: 12}
    teachers: {pool: 2, recipe: {steps: 12}}
methods:
  - method: kd
    params: {weight: 0.8}
claims:
  - {id: sane, task: digits, arm: kd, over: none, metric: accuracy, at_least: -1, source: no arm can lose more than everything}
"""

# A method from a plugin file beside built-in ones, and one that can be made slow: PATIENT_SECONDS is its pause a step.
HARD = """\
version: 1
name: hard
plugins: gated.py
tasks:
  - task: digits
    recipe: {steps: 12}
    teachers: {recipe: {steps: 12}}
methods: [kd, gated, patient]
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty working folder."""
    return Bench(tmp_path)


@pytest.fixture
def tiny(bench: Bench) -> Bench:
    """A folder with a suite that has not been run."""
    bench.write("tiny.yaml", TINY)
    return bench


@pytest.fixture
def hard(bench: Bench) -> Bench:
    """A folder with a suite that uses a plugin file, not yet run."""
    bench.write("hard.yaml", HARD)
    bench.plugin("gated.py")
    return bench


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The tiny suite run from nothing, with everything that a run makes."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.write("tiny.yaml", TINY)
    return bench.folder, bench("run", "tiny.yaml", code=0)


@pytest.fixture(scope="session")
def hard_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hard suite run without an interruption."""
    bench = Bench(tmp_path_factory.mktemp("hard"))
    bench.write("hard.yaml", HARD)
    bench.plugin("gated.py")
    bench("run", "hard.yaml", "--no-track", code=0)
    return bench.folder


@pytest.fixture
def finished(first_run: tuple[Path, Done], tmp_path: Path) -> Bench:
    """A copy of the finished folder."""
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


@pytest.fixture
def finished_hard(hard_run: Path, tmp_path: Path) -> Bench:
    shutil.copytree(hard_run, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)
