"""Lenses between a task, a stream or a teacher and whoever reads it: they change what is shown, not what lies behind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.model import Facts
from kdbench.contract.task import Task
from kdbench.testing.run import Run


class Lens:
    """A task as it is, except for what a subclass shows otherwise."""

    def __init__(self, task: Task):
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


class Deciding(Lens):
    """Every decision passes through a function."""

    def __init__(self, task: Task, change: Callable[[Decisions], Decisions]):
        super().__init__(task)
        self._change = change

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        return self._change(self._task.decide(values, batch))


class OneAnswer(Lens):
    """The same samples with one answer to choose from: one class, one tag, or a list of one candidate."""

    @property
    def facts(self) -> Facts:
        return replace(self._task.facts, outputs=1)

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        found = self._task.decide(values, batch)
        if found.labels is None or found.axis == "candidate":
            return found
        return found.but(labels=torch.zeros_like(found.labels) if found.axis == "class" else found.labels[:, :1])

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        shown = self._task.augment(policy, batch, draw)
        lists = ("docs", "candidates", "label") if self._task.axis == "candidate" else ()
        return shown.with_(**{name: shown[name][:, :1] for name in lists if name in shown.fields})


class Through:
    """A stream whose batches pass through a function."""

    def __init__(self, stream: Any, change: Callable[[Batch], Batch]):
        self._stream, self._change = stream, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def batch(self, step: int) -> Batch:
        return self._change(self._stream.batch(step))


def streamed(run: Run, change: Callable[[str, Batch], Batch]) -> Run:
    """Put a lens before the run's streams, each by its name; two names of one stream stay one stream."""
    wrapped = {id(stream): Through(stream, functools.partial(change, name)) for name, stream in run.streams.items()}
    run.streams = {name: wrapped[id(stream)] for name, stream in run.streams.items()}
    return run


def answered(run: Run, change: Callable[[Signal], Signal]) -> Run:
    """Put a lens before what the run's source answers within a step, if it has one."""
    source = run.learner.source
    if source is not None:
        see = source.see
        source.see = lambda step, batch: change(see(step, batch))  # type: ignore[method-assign]
    return run


def decided(run: Run, change: Callable[[Decisions], Decisions], student: bool = True, teacher: bool = True) -> Run:
    """Put a lens before what the run's student, its teachers or both decide."""

    def changed(signal: Signal) -> Signal:
        return Signal(change(signal.decisions), signal.taps, tuple(map(changed, signal.members)))

    if student:
        run.learner.task = Deciding(run.learner.task, change)  # type: ignore[assignment]
    return answered(run, changed) if teacher else run


def invalid(decisions: Decisions) -> Decisions:
    """None of the rows counts."""
    return decisions.but(valid=torch.zeros(decisions.count, dtype=torch.bool))


def extreme(decisions: Decisions) -> Decisions:
    """The same order of answers, stretched in every row from -50 to 50."""
    values = decisions.values
    low, high = values.detach().amin(-1, keepdim=True), values.detach().amax(-1, keepdim=True)
    return decisions.but(values=(values - (low + high) / 2) * (100.0 / (high - low).clamp(min=1e-6)))


def weighted(weight: float) -> Callable[[Decisions], Decisions]:
    """Every row counts for as much."""
    return lambda decisions: decisions.but(weight=torch.full((decisions.count,), weight))
