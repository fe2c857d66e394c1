"""Teacher outputs kept on disk by (teacher, set, sample, view): asked once, read by every arm, seed and later run.

Which views share an answer, how tables lie on disk and how they are filled: kdbench/train/signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.draw import seed_for
from kdbench.contract.errors import MethodError
from kdbench.contract.gives import Gives
from kdbench.contract.method import Sweep
from kdbench.contract.source import Source
from kdbench.train.signals.form import form
from kdbench.train.signals.recall import Recall
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
    form: Literal["fp32", "fp16", "top_k"] = Field(
        "fp32",
        description="how values are kept: as they are; rounded to half precision; or the k largest of each sample, all others "
        "sharing evenly the probability that is left",
    )
    k: int = Field(20, ge=1, description="values that are kept of a sample (form: top_k)")


class Stored(Source):
    """Stored values of one or several teachers; exact in the student's view, or deliberately wrong as a control."""

    name = "stored"
    Config = StoredConfig

    gives = Gives(
        several=frozenset({"members"}),
        when=(("reduce", "logit", frozenset({"values"})), *WHEN),
        maps=(("fusion", "channel"),),
        classes=(("form", "top_k"),),
        asks=False,
        policies=(("targets", "clean", "none"),),
        notes={
            "values": "a mean of probabilities has no logits; reduce: logit gives some",
            "taps": "stored signals hold values, not taps",
            "labels": "labels: argmax (or threshold, share, uniform) gives some",
        },
    )

    def attach(self, stream: Stream, teacher_keys: Sequence[str], folder: Path) -> None:
        self.stream = stream
        augment = "none" if self.c.targets == "clean" else None
        kept = form(self.c.form, self.c.k)
        self.recalls = [Recall(self.task, net, key, stream, augment, kept, folder) for net, key in zip(self.nets, teacher_keys)]
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
        told = [recall(index, view).to(batch.index.device) for recall in self.recalls]
        members = [Signal(self.task.decide(values, batch)) for values in told]
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

    def timing(self) -> Mapping[str, int]:
        return {f"signals_{what}": sum(recall.counts[what] for recall in self.recalls) for what in ("asked", "read", "idle")}
