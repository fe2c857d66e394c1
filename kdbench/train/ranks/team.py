"""The ranks of one job: which rows are whose, and what they tell each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# A rank that dies is noticed by the process that started it, which ends all. Nobody else may lose patience: some wait while
# others fill a table of stored signals.
PATIENCE = timedelta(days=30)


class Team:
    """All ranks of a job, as one of them sees it. What it tells the others they must be told in the same order."""

    def __init__(self, number: int, count: int, meeting: str, device: torch.device):
        """`meeting` is a file that does not exist yet, where all find each other."""
        self.number, self.count = number, count
        for library in ("GLOO", "NCCL"):  # nobody beyond this machine has to hear of it
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, f"file://{meeting}", timeout=PATIENCE, rank=number, world_size=count)
        # Words between processes, which have nothing to do with what a device is at.
        self.control: Any = dist.new_group(backend="gloo", timeout=PATIENCE)

    @property
    def leads(self) -> bool:
        """Whether this is the rank that evaluates, records and saves."""
        return self.number == 0

    def rows(self, total: int, number: int | None = None) -> slice:
        """A rank's share of so many rows: one after the other, the first ones a row longer where they cannot be equal."""
        number = self.number if number is None else number
        each, more = divmod(total, self.count)
        start = number * each + min(number, more)
        return slice(start, start + each + (number < more))

    def gather(self, own: Tensor, total: int) -> Tensor:
        """All rows, of which each rank has its share; equal bits on all."""
        last = own.dim() == 4 and not own.is_contiguous() and own.is_contiguous(memory_format=torch.channels_last)
        if last:  # as they lie in memory, so that nothing is copied and whoever reads them finds them as nets leave them
            own = own.permute(0, 2, 3, 1)
        told = own.reshape(len(own), -1).contiguous().view(torch.uint8)
        sizes = [len(range(total)[self.rows(total, number)]) for number in range(self.count)]
        padded = told.new_zeros(max(sizes), told.shape[1])
        padded[: len(told)] = told
        heard = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(heard, padded)
        parts = torch.cat([part[:size] for part, size in zip(heard, sizes)])
        whole = parts.view(own.dtype).view(total, *own.shape[1:])
        return whole.permute(0, 3, 1, 2) if last else whole

    def sum(self, own: Tensor) -> Tensor:
        """The sum over all ranks, in place; equal bits on all."""
        dist.all_reduce(own)
        return own

    def any(self, mine: bool) -> bool:
        """Whether some rank says so. Nobody goes on before all have spoken."""
        word = torch.tensor(int(mine))
        dist.all_reduce(word, dist.ReduceOp.MAX, self.control)
        return bool(word)

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Everybody takes the first rank's values. On a CPU they are equal anyway; a GPU may sum in another order each time."""
        for tensor in tensors:
            told = tensor.detach().contiguous()
            dist.broadcast(told.reshape(-1).view(torch.uint8), 0)
            tensor.detach().copy_(told)
