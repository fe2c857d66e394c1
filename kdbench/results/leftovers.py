"""What writers that were killed leave behind: files half written, under the names that only their writers know.

They are told from what is being written by their age, for a writer may be on another machine; a file that is locked is in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kdbench.results.home import Home

OLD = 3600.0  # seconds without a further byte


def folders_of(home: Home, results: Path, jobs: Iterable[str]) -> Iterator[Path]:
    """Where a run that did these jobs may have left something."""
    yield from (home.path, home.weights, home.broken, results)
    yield from home.outputs.glob("*")
    yield from home.signals.glob("*")
    yield from home.checkpoints.glob("*")
    with suppress(OSError):  # of 10,000 jobs few have a folder
        yield from (home.jobs / key for key in set(os.listdir(home.jobs)).intersection(jobs))
    yield from results.glob("*")
    yield from results.glob("*/*")


def needless(home: Home, done: Collection[str]) -> None:
    """Checkpoints of jobs that have their results: who wrote these was killed before it could remove those."""
    with suppress(OSError):
        for key in set(os.listdir(home.checkpoints)).intersection(done):
            shutil.rmtree(home.checkpoints / key, ignore_errors=True)


def sweep(folders: Iterable[Path], now: float | None = None) -> int:
    """Remove what nobody writes any more; how many files that were."""
    before = (time.time() if now is None else now) - OLD
    gone = 0
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < before and not _held(path):
                    path.unlink()
                    gone += 1
    return gone


def _held(path: Path) -> bool:
    """Whether somebody has it locked, as a run on a cluster has its tokens for as long as it takes."""
    with suppress(OSError), open(path, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
