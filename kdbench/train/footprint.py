"""What a job takes of its machine, as its record tells: the most memory that it held, and whether it had its device to itself."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

from kdbench.results import company


def begin(device: torch.device) -> None:
    """Forget what was held before this job: under the inline executor its process has done other jobs."""
    if device.type == "cuda":
        torch.cuda.init()  # statistics cannot be reset before there are any
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):  # not Linux: then the process's own peak is all there is to know
            Path("/proc/self/clear_refs").write_text("5")


def taken(device: torch.device, job_dir: Path) -> dict[str, int]:
    """`peak_bytes`: device memory that PyTorch reserved, or on CPU the resident memory of the process, with what it shares with
    the server that it was forked from. `packed`: how many jobs were on its device at once, where it was not alone."""
    together = company.most(job_dir)
    return {"peak_bytes": peak(device), **({"packed": together} if together > 1 else {})}


def peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024
