"""What a run may occupy, what of it is free, and what each process has been given: CPUs, and shares of GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdbench.execute.base import Resources
from kdbench.execute.devices import DeviceError

WHOLE = 1000  # shares are counted in thousandths, so that ten times 0.1 is a whole device
MARGIN = 1.25  # of what a job was measured to hold, so much is kept for it: one may hold a little more than the next
CONTEXT = 512 * 2**20  # bytes that CUDA takes for each process, beside what PyTorch reserves


@dataclass(frozen=True)
class Grant:
    """What a process holds while it runs, and the environment that keeps it there."""

    cpus: int
    gpus: tuple[int, ...] = ()  # indices into the run's GPUs
    shares: tuple[int, ...] = ()  # of each, thousandths or, where jobs are packed by memory, bytes
    device: str = "cpu"
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def gpu(self) -> int | None:
        """The (first) GPU."""
        return self.gpus[0] if self.gpus else None

    @property
    def share(self) -> int:
        """Of the (first) GPU."""
        return self.shares[0] if self.shares else 0


class Slots:
    """The free CPUs and the room on the GPUs of a run. `gpus` are names as CUDA_VISIBLE_DEVICES understands them.

    A GPU's room is shared in thousandths, as jobs state them, or with `memory`, the bytes that are free on each, in bytes, as
    jobs like them were measured: then one of which nothing is known gets a GPU to itself.
    """

    def __init__(self, workers: int, gpus: Sequence[str] = (), memory: Sequence[int] = ()) -> None:
        if workers < 1:
            raise DeviceError(f"a run needs at least one worker, not {workers}")
        if memory and len(memory) != len(gpus):
            raise DeviceError(f"the memory of {len(gpus)} GPUs was to be told, and that of {len(memory)} was")
        self.workers = workers
        self.gpus = tuple(gpus)
        self.packed = bool(memory)
        self._cpus = workers
        # Of each GPU while nothing runs on it; one that is full already takes a job at a time, which then says so.
        self._room = tuple(max(1, free) for free in memory) or (WHOLE,) * len(self.gpus)
        self._left = list(self._room)

    def take(self, resources: Resources, *, exclusive: bool = False) -> Grant | None:
        """What a job needs, now occupied, or None. One that asks for more than there ever is gets all there is."""
        cpus = self.workers if exclusive and not self.gpus else min(resources.cpus * resources.gpus, self.workers)
        if cpus > self._cpus:
            return None
        if not self.gpus:
            self._cpus -= cpus
            return Grant(cpus, env={"CUDA_VISIBLE_DEVICES": ""})
        if resources.gpus > 1:
            return self._several(cpus, resources.gpus)
        asked = None if exclusive else self._asked(resources)
        needs = [room if asked is None else min(asked, room) for room in self._room]
        fitting = [gpu for gpu, need in enumerate(needs) if need <= self._left[gpu]]
        if not fitting:
            return None
        gpu = max(fitting, key=self._left.__getitem__)  # spread before sharing
        self._cpus -= cpus
        self._left[gpu] -= needs[gpu]
        return Grant(cpus, (gpu,), (needs[gpu],), "cuda", {"CUDA_VISIBLE_DEVICES": self.gpus[gpu]})

    def _several(self, cpus: int, count: int) -> Grant | None:
        """So many GPUs on which nothing runs."""
        free = [gpu for gpu, room in enumerate(self._room) if self._left[gpu] == room][:count]
        if len(free) < count:
            return None
        self._cpus -= cpus
        for gpu in free:
            self._left[gpu] = 0
        names = ",".join(self.gpus[gpu] for gpu in free)
        return Grant(cpus, tuple(free), tuple(self._room[gpu] for gpu in free), "cuda", {"CUDA_VISIBLE_DEVICES": names})

    def require(self, gpus: int) -> None:
        """Raise a DeviceError where a job of so many GPUs would wait for ever. On a CPU its processes share what there is."""
        if self.gpus and len(self.gpus) < gpus:
            raise DeviceError(f"a job on {gpus} GPUs cannot run where there are {len(self.gpus)}")

    def _asked(self, resources: Resources) -> int | None:
        """How much room of a GPU a job needs; None for all of one."""
        if self.packed:
            return None if resources.memory is None else round(resources.memory * MARGIN) + CONTEXT
        return max(1, round(resources.gpu * WHOLE)) if resources.gpu else None

    def give(self, grant: Grant) -> None:
        self._cpus += grant.cpus
        for gpu, share in zip(grant.gpus, grant.shares):
            self._left[gpu] += share

    def alone(self, grant: Grant) -> bool:
        """Whether the holder had its device for itself, so that a second try there could be no better."""
        return grant.share == self._room[grant.gpu] if grant.gpu is not None else grant.cpus == self.workers

    @property
    def facts(self) -> dict[str, Any]:
        """What was there when nothing ran, as plain data."""
        return {"workers": self.workers, "gpus": len(self.gpus), **({"memory": list(self._room)} if self.packed else {})}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Slots:
        """The empty slots that `facts` tell of."""
        return Slots(facts.get("workers", 1), [str(n) for n in range(facts.get("gpus", 0))], facts.get("memory", ()))
