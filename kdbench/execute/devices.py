"""Which CPUs and GPUs there are for a run, found without touching CUDA."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class DeviceError(Exception):
    """The device that was asked for does not exist here or is not supported."""


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
