"""Looking at processes through /proc: whether they still do anything, whose children they are."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

assert sys.platform == "linux", "these tests look at /proc"


def _after_name(pid: int) -> list[str]:
    """The fields of a process's stat behind its name, which may hold anything: the first is its state, the second its parent."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def alive(pid: int) -> bool:
    """Whether a process still does anything; a zombie does not."""
    try:
        return _after_name(pid)[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(*pids: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def parent_of(pid: int) -> int:
    return int(_after_name(pid)[1])


def children() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and parent_of(int(entry.name)) == os.getpid():
                found.add(int(entry.name))
    return found
