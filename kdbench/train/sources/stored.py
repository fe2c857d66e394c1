"""Teacher outputs kept on disk by (teacher, set, view): asked once, read by every arm, seed and later run.

A chunk holds one teacher's values for every sample of a set in one view. It is computed in a fixed order and batch size, so its
bytes do not depend on who filled it; two processes that race write the same file, and the rename is atomic.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.draw import seed_for
from kdbench.contract.errors import MethodError
from kdbench.contract.gives import Gives
from kdbench.contract.method import Sweep
from kdbench.contract.source import Source
from kdbench.train.sources.channel import chosen
from kdbench.train.sources.ensemble import EnsembleConfig, combine
from kdbench.train.sources.labels import WHEN, labelled
from kdbench.train.stream import Stream


class StoredConfig(EnsembleConfig):
    targets: Literal["replay", "clean", "next_view", "permuted"] = Field(
        "replay",
        description="what the teacher was shown: the student's view (replay) or the sample as it is (clean); "
        "as controls the sample's next view, or another sample",
    )


class Stored(Source):
    """Stored values of one or several teachers; exact in the student's view, or deliberately wrong as a control."""

    name = "stored"
    Config = StoredConfig

    gives = Gives(
        several=frozenset({"members"}),
        when=(("reduce", "logit", frozenset({"values"})), *WHEN),
        maps=(("fusion", "channel"),),
        asks=False,
        policies=(("targets", "clean", "none"),),
        notes={
            "values": "a mean of probabilities has no logits; reduce: logit gives some",
            "taps": "stored signals hold values, not taps",
            "labels": "labels: argmax (or threshold, share, uniform) gives some",
        },
    )

    def attach(self, stream: Stream, teacher_keys: Sequence[str], folder: Path) -> None:
        self.stream, self.teacher_keys, self.folder = stream, tuple(teacher_keys), folder
        self.cache: dict[tuple[int, int], np.ndarray] = {}
        generator = torch.Generator().manual_seed(seed_for("permuted", stream.set_name))
        shift = torch.randperm(len(stream.samples), generator=generator)
        # A permutation without fixed points: everybody gets the answer for the next one in a random circle.
        self.other = torch.empty_like(shift)
        self.other[shift] = shift.roll(1)

    teacher_of: Tensor | None = None

    def prepare(self, sweep: Sweep) -> None:
        if self.c.fusion == "channel" and len(self.nets) > 1:
            self.teacher_of = chosen(self.nets, self.c.choose, sweep)

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        if grad:
            raise MethodError("stored signals cannot be differentiated to the input: use source live")
        view, index = self.where(batch)
        members = []
        for number in range(len(self.nets)):
            values = self.rows(number, view, index).to(batch.index.device)
            members.append(Signal(self.task.decide(values, batch)))
        if len(members) > 1:
            return combine(members, self.c, self.teacher_of)
        return labelled(members[0], self.c)

    def where(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Which row of which view answers for each sample of the batch."""
        view, index, targets = batch.view.cpu(), batch.index.cpu(), self.c.targets
        if targets == "clean":
            view = torch.zeros_like(view)
        elif targets == "next_view":
            view = self.stream.view.number(view + 1)  # type: ignore[assignment]
        elif targets == "permuted":
            index = self.other[index]
        return view, index

    def rows(self, number: int, view: Tensor, index: Tensor) -> Tensor:
        out: np.ndarray | None = None
        for v in view.unique().tolist():
            chunk = self.chunk(number, v)
            if out is None:
                out = np.empty((len(index), *chunk.shape[1:]), chunk.dtype)
            mask = (view == v).numpy()
            out[mask] = chunk[index.numpy()[mask]]
        assert out is not None
        return torch.from_numpy(out)

    def path(self, number: int, view: int) -> Path:
        augment = "none" if self.c.targets == "clean" else self.stream.view.augment
        config = self.task.config.model_dump_json()
        parts = (self.task.name, self.task.version, config, self.stream.set_name, augment, self.stream.draw.seed)
        address = "|".join(map(str, (*parts, self.teacher_keys[number])))
        return self.folder / hashlib.sha256(address.encode()).hexdigest()[:24] / f"{view}.npy"

    def chunk(self, number: int, view: int) -> np.ndarray:
        if (number, view) not in self.cache:
            path = self.path(number, view)
            if not path.exists():
                self.fill(number, view, path)
            self.cache[number, view] = np.load(path, mmap_mode="r", allow_pickle=False)
        return self.cache[number, view]

    @torch.no_grad()
    def fill(self, number: int, view: int, path: Path) -> None:
        augment = "none" if self.c.targets == "clean" else None
        parts = []
        for rows in torch.arange(len(self.stream.samples), device=self.stream.device).split(self.stream.at_once):
            batch = self.stream.show(rows, torch.full_like(rows, view), augment)
            parts.append(self.nets[number](batch).values.float().cpu())
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with open(temporary, "wb") as file:
            np.save(file, torch.cat(parts).numpy(), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
