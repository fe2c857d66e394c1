"""A job's directory belongs to one process at a time: who holds its lock does the job, another run waits for what comes of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kdbench.execute.base import JobSpec

FILE = "lock"
PATIENCE = 2.0  # seconds; what an earlier run left behind when it was killed is gone by then
LOOK = 0.5  # seconds between two looks at whether another run has ended a job
WAITING = "another run is at this job; waiting for its result"


class JobBusy(Exception):
    """Another process is at work in the same job directory."""


@contextlib.contextmanager
def claim(job_dir: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Two runs must not train into one directory. The kernel drops this lock when the process ends."""
    with open(job_dir / FILE, "a+", encoding="utf-8") as file:
        until = time.monotonic() + patience
        while not _lock(file):
            if time.monotonic() > until:
                file.seek(0)
                raise JobBusy(f"process {file.read().strip()} is at this job, for another run")
            time.sleep(0.1)
        with contextlib.suppress(OSError):  # for a person to read; a full disk is no reason not to try
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def holder(job_dir: Path) -> int | None:
    """The process that is at a job now; None where nobody is. Leaves no trace, where `_taken` makes the file."""
    with contextlib.suppress(OSError, ValueError), open(job_dir / FILE, "r+", encoding="utf-8") as file:
        return None if _lock(file) else int(file.read().strip())
    return None


class Elsewhere:
    """The jobs of a run at which another run is at work."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[JobSpec, Path]] = {}
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, spec: JobSpec, job_dir: Path) -> None:
        self._jobs[spec.key] = spec, job_dir

    def free(self) -> list[JobSpec]:
        """Those that nobody is at any more, with a result or without one; they leave this list."""
        if not self._jobs or time.monotonic() - self._looked < LOOK:
            return []
        self._looked = time.monotonic()
        found = [spec for spec, job_dir in self._jobs.values() if not _taken(job_dir)]
        for spec in found:
            del self._jobs[spec.key]
        return found

    def drain(self) -> list[JobSpec]:
        left = [spec for spec, _ in self._jobs.values()]
        self._jobs.clear()
        return left


def _taken(job_dir: Path) -> bool:
    with contextlib.suppress(OSError), open(job_dir / FILE, "a+", encoding="utf-8") as file:
        return not _lock(file)
    return False
