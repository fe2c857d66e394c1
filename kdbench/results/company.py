"""How many processes share a job's device, told in a file of its folder.

Whoever gives out devices writes it, and the job puts the greatest number into its record (`timing.packed`), so that nobody takes
its seconds for its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from kdbench.results.files import write_atomically

FILE = "company"


def note(starting: Iterable[Path], beside: Sequence[Iterable[Path]]) -> None:
    """A process starts on a device, for one job or a gang, beside others: the folders of each one's jobs. All are told how many
    processes there are now, unless they have seen more. What an earlier attempt of the starting jobs met is forgotten."""
    jobs = list(starting)
    for job in jobs:
        (job / FILE).unlink(missing_ok=True)
    count = 1 + len(beside)
    for job in (*jobs, *chain.from_iterable(beside)):
        if count > most(job):
            write_atomically(job / FILE, str(count).encode())


def most(job: Path) -> int:
    """The greatest number of processes, its own among them, that were on its device at once while it ran."""
    with contextlib.suppress(OSError, ValueError):
        return int((job / FILE).read_text())
    return 1
