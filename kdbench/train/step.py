"""One step as a method sees it: forwards happen when asked for, once for each batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import MethodError
from kdbench.contract.source import Source
from kdbench.train.stream import Tick

if TYPE_CHECKING:
    from kdbench.train.loop import Learner, Seat


class LearnerStep:
    """A seat's step. `seats` are the steps of all students that learn together, this one among them."""

    def __init__(self, learner: Learner, seat: Seat, tick: Tick, phase: str, progress: float, generator: torch.Generator):
        self.index, self.phase, self.progress, self.generator = tick.index, phase, progress, generator
        self.task, self.net = learner.task, seat.net
        self.seats: Sequence[LearnerStep] = (self,)
        self._learner, self._seat, self._tick = learner, seat, tick
        self._batches: dict[str, Batch] = {}
        # By identity of the batch, which is kept too, so that no other one takes its place in memory.
        self._outputs: dict[int, tuple[Batch, Outputs]] = {}
        self._signals: dict[int, tuple[Batch, Signal]] = {}
        self._shared: dict[int, tuple[Tensor, int]] = {}  # tensors that other learners read too, as they were when first seen

    def batch(self, on: str = "transfer") -> Batch:
        """A stream's batch, after the stages that stand behind the source."""
        if on not in self._batches:
            batch = self._tick.batch(on)
            self._watch(*batch.fields.values(), batch.index, batch.view)
            if on == "transfer" and self._learner.stages:
                batch = batch.but(signal=self._ask(batch))
                for stage in self._learner.stages:
                    batch = stage(batch, self._tick.batch("labelled"))
            self._batches[on] = batch
        return self._batches[on]

    def student(self, on: str = "transfer") -> Outputs:
        batch = self.batch(on)
        if self._learner.joint and id(batch) not in self._outputs:
            self._forward_joint()
        return self.forward(batch)

    def forward(self, batch: Batch) -> Outputs:
        """The student on any batch; on one of the streams', as that stream is forwarded."""
        if id(batch) not in self._outputs:
            together = self._learner.joint and not self._learner.stages
            if together and any(batch is self.batch(on) for on in ("labelled", "transfer")):
                self._forward_joint()
            else:
                self._outputs[id(batch)] = batch, self._learner.forward(batch, self.net)
        return self._outputs[id(batch)][1]

    def _forward_joint(self) -> None:
        """One pass over both streams, so that they share batch statistics, and its parts for each."""
        batches = list({id(b): b for b in (self.batch("labelled"), self.batch("transfer"))}.values())
        together = Batch(
            {name: torch.cat([b[name] for b in batches]) for name in self.net.reads},
            torch.cat([b.index for b in batches]),
            torch.cat([b.view for b in batches]),
        )
        outputs = self._learner.forward(together, self.net)
        sizes = [len(b) for b in batches]
        values = outputs.values.split(sizes)
        taps = {name: tap.split(sizes) for name, tap in outputs.taps.items()}
        heads = {name: head.split(sizes) for name, head in outputs.heads.items()}
        for number, batch in enumerate(batches):
            own = {name: tap[number] for name, tap in taps.items()}
            beside = {name: head[number] for name, head in heads.items()}
            self._outputs[id(batch)] = batch, Outputs(values[number], own, beside)

    def decide(self, on: str = "transfer", head: str | None = None) -> Decisions:
        """The student's decisions, or those of one of its further heads."""
        outputs, batch = self.student(on), self.batch(on)
        if head is not None and head not in outputs.heads:
            raise MethodError(f"the student has no head {head!r}, it has {', '.join(sorted(outputs.heads)) or 'none'}")
        return self.task.decide(outputs.values if head is None else outputs.heads[head], batch)

    def teacher(self, on: str = "transfer") -> Signal:
        batch = self.batch(on)
        return batch.signal if batch.signal is not None else self._ask(batch)

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        """The source on a batch of the method's own making; with `grad`, to be differentiated to the batch's fields."""
        return self._asked(batch).ask(batch, grad=True) if grad else self._ask(batch)

    def _asked(self, batch: Batch) -> Source:
        """The source, if it can answer about this batch."""
        name, source = self._seat.method.name, self._learner.source
        if source is None:
            raise MethodError(f"{name} asks a teacher, but this run has no source")
        if not source.gives.asks and batch is not self._tick.batch("transfer"):
            raise MethodError(f"{name} asks about other inputs, source {source.name} answers about the distillation stream alone")
        return source

    def _ask(self, batch: Batch) -> Signal:
        if id(batch) not in self._signals:
            began = time.perf_counter()
            signal = self._asked(batch).see(self, batch)
            self._learner.asking += time.perf_counter() - began
            self._signals[id(batch)] = batch, signal
            self._watch(signal.decisions.values, *signal.taps.values())
        return self._signals[id(batch)][1]

    def initial(self, on: str = "transfer") -> Outputs:
        """What the student said of a stream before it learned anything."""
        if self._seat.initial is None:
            raise MethodError(f"{self._seat.method.name} asks the initial student without saying so in its needs (initial)")
        with torch.no_grad():
            return self._learner.forward(self.batch(on), self._seat.initial)

    def supervised(self) -> Tensor:
        return self.task.loss(self.decide("labelled"))

    def _watch(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            self._shared.setdefault(id(tensor), (tensor, tensor._version))

    def harmed(self) -> bool:
        """Whether the method changed in place what a gang shares."""
        return any(tensor._version != version for tensor, version in self._shared.values())
