"""Batches made ahead of their step, beside the training: for sets whose samples a disk and a decoder have to bring.

A batch is a function of its step, so it may be made at any time and by anybody. What counts as waiting is the time in which a
batch is not there and the device has nothing else to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch

from kdbench.contract.batch import Batch

LOOK = 0.001  # seconds between looks at a busy device


class Ahead:
    """The batches of the next `count` steps, made one after the other on a thread; `make` may use more of them."""

    def __init__(self, make: Callable[[int], Batch], count: int, device: torch.device):
        self.make, self.count, self.device = make, count, device
        self.made: dict[int, Future[Batch]] = {}
        self.thread = ThreadPoolExecutor(1, "batches")

    def take(self, step: int) -> tuple[Batch, float]:
        """The batch of a step, and the seconds for which the device waited for it."""
        self._drop(lambda at: at < step)
        for at in range(step, step + self.count + 1):
            if at not in self.made:
                self.made[at] = self.thread.submit(self._make, at)
        future = self.made.pop(step)
        waited = self._wait(future)
        return future.result(), waited

    def stop(self) -> None:
        """Make no more of what was begun; the next `take` begins anew."""
        self._drop(lambda at: True)

    def _drop(self, which: Callable[[int], bool]) -> None:
        for at in [at for at in self.made if which(at)]:
            self.made.pop(at).cancel()

    def _make(self, step: int) -> Batch:
        batch = self.make(step)
        if self.device.type != "cuda":
            return batch
        with torch.cuda.device(self.device):  # a thread begins on the first device, and pages are pinned for one
            return batch.but(fields={name: values.pin_memory() for name, values in batch.fields.items()})

    def _wait(self, future: Future[Batch]) -> float:
        while self._busy() and not future.done():
            wait([future], LOOK)
        began = time.perf_counter()
        wait([future])
        return time.perf_counter() - began

    def _busy(self) -> bool:
        """Whether the device still works on earlier steps. A processor that waits does nothing else."""
        return self.device.type == "cuda" and not torch.cuda.current_stream(self.device).query()
