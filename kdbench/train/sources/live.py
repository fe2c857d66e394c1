"""One teacher, asked on the batch that the student sees: frozen, or learning beside the student.

A teacher that learns is a copy: the given one stays as it is. It trains with the student's recipe, on the terms that a method
gives to the owner "teacher", from the given weights or (`start: fresh`) anew.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.gives import Gives
from kdbench.contract.method import Owner
from kdbench.contract.model import Net
from kdbench.contract.source import Source
from kdbench.contract.task import Task
from kdbench.train.sources.labels import WHEN, LabelConfig, labelled


class LiveConfig(LabelConfig):
    learns: bool = Field(False, description="the teacher learns too, from what the method teaches it")
    start: Literal["trained", "fresh"] = Field("trained", description="the weights from which a teacher that learns starts")


class Live(Source):
    """One teacher network: values, probabilities and taps."""

    name = "live"
    Config = LiveConfig

    gives = Gives(
        taps=True,
        fewest=1,
        most=1,
        when=WHEN,
        learns="learns",
        notes={"labels": "labels: argmax (or threshold, share, uniform) gives some"},
    )

    def __init__(self, config: Any, task: Task, nets: tuple[Net, ...]):
        super().__init__(config, task, nets)
        self.net = nets[0]
        self.scope = "learner" if config.learns else "stream"

    def bind(self, learner: Any) -> None:
        net = learner.workshop.fresh_teacher() if self.c.start == "fresh" else copy.deepcopy(self.nets[0])
        self.net = net.requires_grad_(True)

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        with torch.set_grad_enabled(grad):
            own = grad or self.c.learns
            outputs = self.arithmetic(self.net, batch) if own else batch.once(self.net, self.arithmetic)
        return labelled(Signal(self.task.decide(outputs.values, batch), outputs.taps), self.c)

    def see(self, step: Any, batch: Batch) -> Signal:
        if self.c.learns:
            self.net.train()
        return self.ask(batch, grad=self.c.learns)

    def owners(self) -> Mapping[str, Owner]:
        return {"teacher": Owner(list(self.net.parameters()))}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.net.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.net.load_state_dict(state)

    def reference(self) -> Net | None:
        return self.net.eval() if self.c.learns else None
