"""What a process settles about itself before it works: its threads, its memory, with whom it ends, who goes first in need."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

from kdbench.execute.protocol import EXIT_CODES

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of malloc.h


def limit_threads(count: int) -> None:
    """Numerical libraries take all cores by default, which with a job a core means a crowd on each."""
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)
    os.environ["VECLIB_MAXIMUM_THREADS"] = str(count)
    if (torch := sys.modules.get("torch")) is not None:  # imported before, so the variables come too late
        torch.set_num_threads(count)


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however that happens (Linux only)."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(EXIT_CODES["interrupted"])


def keep_freed() -> None:
    """Have the C library keep what is freed. By default it gives large maps back to the kernel, which clears each page anew when
    the next step asks for it: up to 6 % of a step. Where it is another library than glibc, nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def volunteer_for_the_oom_killer() -> None:
    """If memory runs out the kernel should end a job, not the server of all jobs or the user's session."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
