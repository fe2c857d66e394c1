"""The executor for more than one machine: Ray chooses the machines, and all else is as with the local one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdbench.execute.base import DEFAULT_ENTRY, ExecutorError
from kdbench.execute.cluster.connect import capacities, connect
from kdbench.execute.cluster.link import RayLink
from kdbench.execute.dispatch import Dispatcher
from kdbench.execute.slots import Slots


class RayExecutor(Dispatcher):
    """Runs jobs as Ray tasks. Each is a process of its own there too, so one that dies takes nothing of Ray with it."""

    def __init__(
        self,
        home: Path,
        results: Path | None = None,
        *,
        address: str | None = None,
        workers: int | None = None,
        device: str = "auto",
        entry: str = DEFAULT_ENTRY,
        preload: Sequence[str] = ("torch", "kdbench.train.job"),
        grace: float = 5.0,
    ) -> None:
        """`results`: where records are to lie, if jobs write any. `workers`: more than the cluster has now where it can grow."""
        self.home = Path(home).absolute()
        self.results = Path(results).absolute() if results is not None else None
        connect(address)
        self.nodes = capacities()
        self.gpus = gpus(device, sum(node.gpus for node in self.nodes))
        self.workers = workers or sum(node.cpus for node in self.nodes)
        if not self.workers:
            raise ExecutorError("no node of the Ray cluster has a CPU to give; if it grows when it is asked to, give --workers")
        self.entry = entry
        self.preload = tuple(preload)
        self.grace = grace

    def slots(self) -> Slots:
        return Slots(self.workers, self.gpus)

    def new_link(self) -> RayLink:
        return RayLink(self.home, self.results, self.preload, self.nodes)


def gpus(device: str, count: int) -> tuple[str, ...]:
    """A name for each GPU of the cluster, to count by; which one a job gets is Ray's choice."""
    if device not in ("auto", "cpu", "cuda"):
        raise ExecutorError(f"device {device!r}: on a cluster Ray chooses the GPU; write auto, cpu or cuda")
    if device == "cuda" and not count:
        raise ExecutorError("device 'cuda': no node of the Ray cluster has a GPU; use cpu")
    return () if device == "cpu" else tuple(str(number) for number in range(count))
