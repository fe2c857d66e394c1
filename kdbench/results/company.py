"""With how many others a job shares its device. Whoever gives out devices tells the job by a file in its folder, and the job
writes the greatest number into its record (`timing.packed`), so that nobody takes its seconds for its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from kdbench.results.files import write_atomically

FILE = "company"


def note(job: Path, others: Iterable[Path]) -> None:
    """A job starts beside others: each is told how many they are now, unless it has seen more. What an earlier attempt of this
    job met is forgotten."""
    (job / FILE).unlink(missing_ok=True)
    together = [job, *others]
    for folder in together:
        if len(together) > most(folder):
            write_atomically(folder / FILE, str(len(together)).encode())


def most(job: Path) -> int:
    """The greatest number of jobs, this one among them, that were on its device at once while it ran."""
    with contextlib.suppress(OSError, ValueError):
        return int((job / FILE).read_text())
    return 1
