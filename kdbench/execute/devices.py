"""What a run may occupy: CPU slots and shares of GPUs, found without touching CUDA."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdbench.execute.base import Resources

_WHOLE = 1000  # shares are counted in thousandths, so that ten times 0.1 is a whole device


class DeviceError(Exception):
    """The device that was asked for does not exist here or is not supported."""


@dataclass(frozen=True)
class Grant:
    """What one job holds while it runs, and the environment that keeps it there."""

    cpus: int
    gpu: int | None = None  # index into the run's GPUs
    share: int = 0
    device: str = "cpu"
    env: Mapping[str, str] = field(default_factory=dict)


class Slots:
    """The free CPUs and GPU shares of a run. `gpus` are names as CUDA_VISIBLE_DEVICES understands them."""

    def __init__(self, workers: int, gpus: Sequence[str] = ()) -> None:
        if workers < 1:
            raise DeviceError(f"a run needs at least one worker, not {workers}")
        self.workers = workers
        self.gpus = tuple(gpus)
        self._cpus = workers
        self._shares = [_WHOLE] * len(self.gpus)

    def take(self, resources: Resources, *, exclusive: bool = False) -> Grant | None:
        """What a job needs, now occupied, or None. One that asks for more CPUs than the run has gets them all."""
        cpus = self.workers if exclusive and not self.gpus else min(resources.cpus, self.workers)
        if cpus > self._cpus:
            return None
        if not self.gpus:
            self._cpus -= cpus
            return Grant(cpus, env={"CUDA_VISIBLE_DEVICES": ""})
        share = _WHOLE if exclusive or not resources.gpu else max(1, round(resources.gpu * _WHOLE))
        gpu = max(range(len(self.gpus)), key=lambda index: self._shares[index])  # spread before sharing
        if share > self._shares[gpu]:
            return None
        self._cpus -= cpus
        self._shares[gpu] -= share
        return Grant(cpus, gpu, share, "cuda", {"CUDA_VISIBLE_DEVICES": self.gpus[gpu]})

    def give(self, grant: Grant) -> None:
        self._cpus += grant.cpus
        if grant.gpu is not None:
            self._shares[grant.gpu] += grant.share

    def alone(self, grant: Grant) -> bool:
        """Whether the holder had its device for itself, so that a second try there could be no better."""
        return grant.share == _WHOLE if grant.gpu is not None else grant.cpus == self.workers


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
