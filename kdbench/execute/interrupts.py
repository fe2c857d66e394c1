"""Ctrl-C, SIGTERM and SIGUSR1 as something to look at between two steps, not as an exception in the middle of one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

ASKED = (signal.SIGTERM, signal.SIGUSR1)  # by a cluster: the job will have to go; Slurm says so with `--signal=USR1@90`


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Interrupts:
    """How urgently the user asked to stop: 0 not at all, 1 when it suits (one Ctrl-C, or a cluster's signal), 2 now."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def level(self) -> int:
        return min(self._count, 2)

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Count instead of dying; the earlier handlers come back at the end. Outside the main thread: no change."""
        before: dict[int, Any] = {}
        try:
            for number in (signal.SIGINT, *ASKED):
                with contextlib.suppress(ValueError):
                    before[number] = signal.signal(number, self._note)
            yield
        finally:
            for caught, handler in before.items():
                signal.signal(caught, handler if handler is not None else signal.SIG_DFL)

    def _note(self, signum: int, frame: Any) -> None:
        # A cluster may send its signals more than once; only a person's second Ctrl-C means "now".
        self._count = self._count + 1 if signum == signal.SIGINT else max(self._count, 1)
