"""What a method is given: a step of training, and before the first one a pass over a training set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.model import Net
from kdbench.contract.task import Task


class Step(Protocol):
    """One step as a method sees it. `on` names the stream and defaults to the distillation set.

    `supervised` is the task's loss on the labelled stream, on the student's decisions as they are: no wrapper touches them.
    `forward` and `ask` serve batches of the method's own making; student and teacher answer once for each batch object. `initial`
    is what the student said of a stream before it learned anything (needs initial).
    """

    index: int
    phase: str
    progress: float
    task: Task
    net: Net
    generator: torch.Generator

    def batch(self, on: str = "transfer") -> Batch: ...
    def student(self, on: str = "transfer") -> Outputs: ...
    def decide(self, on: str = "transfer", head: str | None = None) -> Decisions: ...
    def teacher(self, on: str = "transfer") -> Signal: ...
    def forward(self, batch: Batch) -> Outputs: ...
    def ask(self, batch: Batch, grad: bool = False) -> Signal: ...
    def initial(self, on: str = "transfer") -> Outputs: ...
    def supervised(self) -> Tensor: ...


class Sweep(Protocol):
    """A pass over a training set before the first step: in order, in the first view, each batch with its signal, no gradient.

    `kept` computes tensors once for a teacher, set and view, whoever asks; `name` must say whatever else they depend on.
    """

    task: Task

    def __call__(self, on: str = "transfer", ask: bool = True) -> Iterator[Batch]: ...
    def kept(self, name: str, make: Callable[[], dict[str, Tensor]], on: str = "transfer") -> dict[str, Tensor]: ...
