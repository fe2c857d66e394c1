"""A process's own output, as a log that may lie on a full disk."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any


class _Log(io.FileIO):
    """What cannot be logged is lost; the process is not."""

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            super().write(data)
        return len(data)


def forgive() -> None:
    """From now on no print fails for want of room."""
    sys.stdout, sys.stderr = (_open(descriptor) for descriptor in (1, 2))


def _open(descriptor: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(_Log(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
