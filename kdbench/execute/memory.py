"""Memory that a step frees is the memory that the next one asks for."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of malloc.h


def keep_freed() -> None:
    """Have the C library keep what is freed. By default it gives large maps back to the kernel, which clears each page anew when
    the next step asks for it: up to 6 % of a step. Where it is another library than glibc, nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
