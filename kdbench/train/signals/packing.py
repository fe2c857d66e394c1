"""Which samples a teacher is asked about together, so that an answer's bits do not depend on who asked, when, or what was there.

A net's answer about a sample may differ in its last bits with the size of the batch and the place in it, as kernels have it; not
with the other samples. So a teacher is always asked about exactly B samples, and sample i always stands at place i mod B. Samples
that are missing are packed by their places; what is left empty is filled with what will be wanted next, or else with any row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def packed(samples: Tensor, now: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batch by batch, which of these sample numbers stands at each place [size], and at which places one does.

    The first `now` of them are wanted, and each is in one batch; of the others those are that take no batch of their own.
    """
    if not now:
        return
    place = samples % size
    order = place.argsort(stable=True)  # of one place, those wanted now come first
    counts = torch.bincount(place, minlength=size)
    turn = torch.empty_like(place)
    turn[order] = torch.arange(len(place)) - (counts.cumsum(0) - counts)[place[order]]
    batches = int(turn[:now].max()) + 1
    taken = turn < batches
    grid = torch.full((batches, size), -1)
    grid[turn[taken], place[taken]] = torch.arange(len(place))[taken]
    for row in grid:
        yield row.clamp(min=0), row >= 0
