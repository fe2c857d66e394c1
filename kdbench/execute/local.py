"""The executor for this machine: a process a job, as many at once as the slots allow, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdbench.execute import devices
from kdbench.execute.base import DEFAULT_ENTRY
from kdbench.execute.dispatch import Dispatcher
from kdbench.execute.link import ServerLink, start_method
from kdbench.execute.slots import Slots


class LocalExecutor(Dispatcher):
    """Runs jobs in processes forked from a warm server (or spawned, where forking is unsafe)."""

    def __init__(
        self,
        home: Path,
        *,
        workers: int | None = None,
        device: str = "auto",
        entry: str = DEFAULT_ENTRY,
        preload: Sequence[str] = ("torch", "kdbench.train.job"),
        start: str | None = None,
        grace: float = 5.0,
        pack: bool = False,
    ) -> None:
        """`pack`: several jobs to a GPU by the memory that jobs like them were measured to hold, instead of by stated shares."""
        self.home = Path(home).absolute()
        self.gpus = devices.resolve(device)
        self.memory = devices.free_memory(self.gpus) if pack else ()
        self.workers = devices.default_workers() if workers is None else workers
        self.entry = entry
        self.preload = tuple(preload)
        self.start = start_method(start)
        self.grace = grace

    def slots(self) -> Slots:
        return Slots(self.workers, self.gpus, self.memory)

    def new_link(self) -> ServerLink:
        return ServerLink(self.home, self.preload, self.start)
