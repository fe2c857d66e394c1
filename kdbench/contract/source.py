"""Where the teacher's signal comes from. The suite chooses a source; a method only sees the signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from kdbench.contract.arithmetic import Arithmetic
from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.gives import Gives
from kdbench.contract.method import Owner
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.model import Net
from kdbench.contract.step import Step, Sweep
from kdbench.contract.task import Task


class Source:
    """Subclass with a `name`. `scope` says whether a gang may share it; `ask` answers for a batch as the student sees it.

    A source of scope "learner" belongs to one student: it is bound to its learner, may own parameters that learn beside the
    student, moves after each step, and its state is part of the learner's. The learner is what `kdbench.train.loop` calls so.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    scope: Literal["stream", "learner"] = "stream"
    gives: ClassVar[Gives] = Gives()
    # Of the run: `self.arithmetic(net, batch)` is how a net is asked within a step.
    arithmetic: Callable[[Net, Batch], Outputs] = Arithmetic()

    def __init__(self, config: Any, task: Task, nets: tuple[Net, ...]):
        self.c, self.task, self.nets = config, task, nets

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        """The answer; with `grad`, one that can be differentiated to the batch's fields (weights stay frozen)."""
        raise NotImplementedError

    def attach(self, stream: Any, teacher_keys: Sequence[str], folder: Path) -> None:
        """Called once with the stream that it will answer for; a stored source keeps its signals below `folder`."""

    def prepare(self, sweep: Sweep) -> None:
        """Learn what it must know of the sets before the first step (scope stream), as a method does."""

    def see(self, step: Step, batch: Batch) -> Signal:
        """The answer within a step, where the students' own outputs are at hand."""
        return self.ask(batch)

    def bind(self, learner: Any) -> None:
        """Called once with the learner, before its first step (scope learner)."""

    def owners(self) -> Mapping[str, Owner]:
        """Players that learn beside the student, by name (scope learner)."""
        return {}

    def after(self) -> None:
        """Called when the optimisers have stepped (scope learner)."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a step depends on, as tensors (scope learner)."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state (scope learner)."""

    def timing(self) -> Mapping[str, float]:
        """What a record's timing says of it: counts and seconds, by name."""
        return {}

    def reference(self) -> Net | None:
        """The net, other than the given teachers, that taught in the end: it is scored and named beside the student."""
        return None
