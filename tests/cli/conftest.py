"""Working folders for tests of the command line. One small suite is run once, and copied for whoever wants finished results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_bench import TINY, Bench, Done


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty working folder."""
    return Bench(tmp_path)


@pytest.fixture
def tiny(bench: Bench) -> Bench:
    """A folder with a suite that has not been run."""
    bench.write("tiny.yaml", TINY)
    return bench


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The tiny suite run from nothing, with everything that a run makes."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.write("tiny.yaml", TINY)
    return bench.folder, bench("run", "tiny.yaml", code=0)


@pytest.fixture
def finished(first_run: tuple[Path, Done], tmp_path: Path) -> Bench:
    """A copy of the finished folder."""
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)
