"""What a run may occupy: CPU slots and shares of GPUs, found without touching CUDA."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.execute.base import Resources

WHOLE = 1000  # shares are counted in thousandths, so that ten times 0.1 is a whole device
MARGIN = 1.25  # of what a job was measured to hold, so much is kept for it: one may hold a little more than the next
CONTEXT = 512 * 2**20  # bytes that CUDA takes for each process, beside what PyTorch reserves


class DeviceError(Exception):
    """The device that was asked for does not exist here or is not supported."""


@dataclass(frozen=True)
class Grant:
    """What one job holds while it runs, and the environment that keeps it there."""

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


def default_workers() -> int:
    """CPUs this process may really use: its affinity, and the quota of its container."""
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cpus, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or a quota of "max"
        return max(1, cpus)


def resolve(device: str = "auto", environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The GPUs of a run, () for CPU, from `auto`, `cpu`, `cuda` (all that are visible) or `cuda:N`."""
    if sys.platform == "win32":
        raise DeviceError("Windows is not supported: jobs are isolated by POSIX processes (WSL works as Linux does)")
    if device == "cpu":
        return ()
    if device.split(":")[0] in ("mps", "hip", "rocm", "xpu"):
        raise DeviceError(f"device {device!r} is not supported: only cpu and cuda are tested; use cpu")
    gpus = visible_gpus(os.environ if environ is None else environ)
    if device == "auto":
        return gpus
    name, colon, index = device.partition(":")
    if name != "cuda" or (colon and not index.isdecimal()):
        raise DeviceError(f"unknown device {device!r}: write auto, cpu, cuda or cuda:N")
    if not gpus:
        rocm = " (AMD's ROCm is not supported)" if Path("/dev/kfd").exists() else ""
        raise DeviceError(f"device {device!r}: no NVIDIA GPU is visible here{rocm}; use cpu")
    if not colon:
        return gpus
    if int(index) >= len(gpus):
        have = ", ".join(f"cuda:{n}" for n in range(len(gpus)))
        raise DeviceError(f"device {device!r} does not exist; here are {have}")
    return (gpus[int(index)],)


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names for CUDA_VISIBLE_DEVICES, one a GPU that CUDA would show, in its order."""
    uuids = _nvml_uuids()
    listed = environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(str(index) for index in range(len(uuids)))
    visible: list[str] = []
    for name in (part.strip() for part in listed.split(",")):
        known = (name.isdecimal() and int(name) < len(uuids)) or (
            name.startswith(("GPU-", "MIG-")) and any(name.startswith("MIG-") or u.startswith(name) for u in uuids)
        )
        if not known or name in visible:  # CUDA shows what stands before the first name that it does not know
            break
        visible.append(name)
    return tuple(visible)


def free_memory(gpus: Sequence[str]) -> tuple[int, ...]:
    """The bytes that are free on each GPU now, in the order given."""
    import pynvml

    pynvml.nvmlInit()
    try:
        return tuple(pynvml.nvmlDeviceGetMemoryInfo(_nvml_handle(pynvml, name)).free for name in gpus)
    except pynvml.NVMLError as error:
        raise DeviceError(f"the memory of the GPUs cannot be asked for ({error}), so jobs cannot be packed by it") from error
    finally:
        pynvml.nvmlShutdown()


def _nvml_handle(library: Any, name: str) -> Any:
    """Of a GPU by a name as CUDA_VISIBLE_DEVICES has it: an index, the whole name of an instance, or how a GPU's name begins."""
    if name.isdecimal():
        return library.nvmlDeviceGetHandleByIndex(int(name))
    whole = next((uuid for uuid in _nvml_uuids() if uuid.startswith(name)), name)
    return library.nvmlDeviceGetHandleByUUID(whole)


def _nvml_uuids() -> list[str]:
    """The machine's NVIDIA GPUs, asked of the driver's management library, which starts no CUDA context."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library or no driver: then there is no GPU to use
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        uuids = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
        return [uuid.decode() if isinstance(uuid, bytes) else uuid for uuid in uuids]
    finally:
        pynvml.nvmlShutdown()
