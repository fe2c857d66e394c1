"""Whether another learner fits beside those that are there, by what those took: measured, not estimated."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import torch

SPARE = 2.0  # of what the largest learner took must be free, since evaluation and longer batches take more


class Room:
    """Looks at the memory after each learner's first step."""

    def __init__(self, device: torch.device):
        self.device = device
        self.used = used(device)
        self.largest = 0

    def look(self) -> None:
        now = used(self.device)
        self.largest, self.used = max(self.largest, now - self.used), now

    def for_another(self) -> bool:
        return free(self.device) > SPARE * self.largest


def used(device: torch.device) -> int:
    """Bytes that this process holds on the device."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0  # not told here (macOS): then every gang has room, and one that has not fails and is run one by one


def free(device: torch.device) -> int:
    """Bytes that could still be had: of the device, or of the machine and of this container's share of it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min([*_machine(), *_container()], default=1 << 62)


def _machine() -> list[int]:
    with suppress(OSError, ValueError, StopIteration), open("/proc/meminfo", encoding="ascii") as file:
        return [int(next(line for line in file if line.startswith("MemAvailable")).split()[1]) * 1024]
    return []


def _container(folder: Path = Path("/sys/fs/cgroup")) -> list[int]:
    with suppress(OSError, ValueError):
        lines = (folder / "memory.stat").read_text().splitlines()
        files = sum(int(line.split()[1]) for line in lines if line.split()[0] == "inactive_file")  # given up when asked for
        return [int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text()) + files]
    return []  # no limit ("max"), or none that is told
