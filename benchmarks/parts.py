"""Where a step's time goes: what is called for each part of it is timed, and what calls it is not charged for that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.bare import Bare
from benchmarks.harness import Harness
from kdbench.contract.method import Term
from kdbench.contract.model import Net

PARTS = ("data", "teacher", "student forward", "loss", "backward", "optimiser")
REST = "the loop's own"
Shares = dict[str, float]  # CPU seconds a step, by part


class Stopwatch:
    """CPU seconds by part. Parts may lie within each other: the inner one's time is not the outer one's."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((*PARTS, REST), 0.0)
        self._stack = [REST]
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        self._turn()
        self._stack.append(part)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.of(part):
                return call(*args, **kwargs)

        return run


def of_bare(bare: Bare, steps: int) -> Shares:
    watch = Stopwatch()
    watched = {"batch": "data", "ask": "teacher", "student": "student forward", "loss": "loss"}
    watched |= {"backward": "backward", "optimise": "optimiser"}
    with ExitStack() as stack:
        for name, part in watched.items():
            owner, name = (bare.student, "forward") if name == "student" else (bare, name)
            stack.enter_context(patch.object(owner, name, watch.timed(part, getattr(owner, name))))
        return run(watch, bare.step, steps)


def of_harness(harness: Harness, steps: int) -> Shares:
    """The same of a job; its nets are told apart by which one learns."""
    watch, learner = Stopwatch(), harness.runs[0].learner
    forward = Net.forward

    def seen(net: Net, batch: Any) -> Any:
        return watch.timed("student forward" if net is learner.net else "teacher", forward)(net, batch)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Net, "forward", seen))
        stack.enter_context(patch.object(Term, "compute", watch.timed("loss", Term.compute)))
        stack.enter_context(patch.object(torch.autograd, "backward", watch.timed("backward", torch.autograd.backward)))
        for stream in {id(s): s for s in harness.runs[0].streams.values()}.values():
            stack.enter_context(patch.object(stream, "batch", watch.timed("data", stream.batch)))
        for owner in learner.owners.values():
            for name in ("step", "zero_grad"):
                bound = watch.timed("optimiser", getattr(owner.optimiser, name))
                stack.enter_context(patch.object(owner.optimiser, name, bound))
        return run(watch, lambda: harness.run(1), steps)


def run(watch: Stopwatch, step: Callable[[], object], steps: int) -> Shares:
    with watch.of(REST):
        watch.seconds = dict.fromkeys(watch.seconds, 0.0)
        for _ in range(steps):
            step()
    return {part: seconds / steps for part, seconds in watch.seconds.items()}
