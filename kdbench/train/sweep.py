"""A pass over a training set before the first step, with signals; what comes of it is kept by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.errors import MethodError
from kdbench.contract.source import Source
from kdbench.contract.task import Task
from kdbench.train import checkpoint
from kdbench.train.stream import Stream


class TrainingSweep:
    """In order, in the first view, each batch with its signal."""

    def __init__(self, task: Task, source: Source | None, streams: Mapping[str, Stream], keys: Sequence[str], folder: Path):
        self.task, self.source, self.streams, self.keys, self.folder = task, source, streams, tuple(keys), folder

    def __call__(self, on: str = "transfer", ask: bool = True) -> Iterator[Batch]:
        stream = self.streams[on]
        if ask and self.source is not None and not self.source.gives.asks and stream is not self.streams["transfer"]:
            raise MethodError(
                f"a sweep asks about stream {on}, source {self.source.name} answers about the distillation stream alone"
            )
        for rows in torch.arange(len(stream.samples), device=stream.device).split(stream.at_once):
            batch = stream.show(rows, torch.zeros_like(rows))
            with torch.no_grad():
                yield batch if self.source is None or not ask else batch.but(signal=self.source.ask(batch))

    def kept(self, name: str, make: Callable[[], dict[str, Tensor]], on: str = "transfer") -> dict[str, Tensor]:
        """What `make` computes from sweeps of that stream: read from disk where the same was computed before."""
        if self.source is not None and self.source.scope == "learner":
            return make()  # its answers belong to this student alone
        path = self.folder / "sweeps" / f"{self.address(name, on)}.safetensors"
        device = self.streams[on].device
        found = checkpoint.load(path, device)
        if found is None:
            checkpoint.save(path, make())
            found = checkpoint.load(path, device)
            assert found is not None
        return found

    def address(self, name: str, on: str) -> str:
        stream, task = self.streams[on], self.task
        asked = "" if self.source is None else f"{self.source.name}@{self.source.version} {self.source.c.model_dump_json()}"
        data = (task.fingerprint(task.config), task.version, task.config.model_dump_json(), stream.set_name)
        parts = (*data, stream.view.augment, stream.draw.seed, asked, *self.keys, name)
        return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:24]
