"""The student's own average as its teacher: weights that follow the student's at each step.

A. Tarvainen, H. Valpola: Mean teachers are better role models: Weight-averaged consistency targets improve semi-supervised deep
learning results. NIPS 2017.

    θ' ← a_t θ' + (1 − a_t) θ,    a_t = min(1 − 1/(t + 1), decay) with the ramp, decay without;   θ' starts as the student does

Running statistics are averaged as weights are. Released codes for segmentation (DACS, DAFormer) leave them out and keep the
teacher's BatchNorm in training mode instead: `statistics: batch`.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.gives import Gives
from kdbench.contract.model import Net
from kdbench.contract.source import Source
from kdbench.train.sources.labels import WHEN, LabelConfig, labelled


class EMAConfig(LabelConfig):
    decay: float = Field(0.99, ge=0, lt=1, description="share of the average that stays at each step")
    ramp: bool = Field(True, description="follow faster at first: all steps so far weigh alike until `decay` is reached")
    statistics: Literal["average", "copy", "batch"] = Field(
        "average", description="BatchNorm of the teacher: averaged statistics, the student's present ones, or those of each batch"
    )


class EMA(Source):
    """An exponential moving average of the student."""

    name = "ema"
    Config = EMAConfig
    scope = "learner"

    gives = Gives(taps=True, own="1", when=WHEN, notes={"labels": "labels: argmax (or threshold, share, uniform) gives some"})

    def bind(self, learner: Any) -> None:
        self.student: Net = learner.net
        self.net: Net = copy.deepcopy(learner.net).requires_grad_(False)
        self.steps = 0
        self.mode()

    def mode(self) -> None:
        self.net.eval()
        if self.c.statistics == "batch":
            for module in self.net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.train()

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        with torch.set_grad_enabled(grad):
            outputs = self.arithmetic(self.net, batch)
        return labelled(Signal(self.task.decide(outputs.values, batch), outputs.taps), self.c)

    @torch.no_grad()
    def after(self) -> None:
        self.steps += 1
        kept = min(1 - 1 / (self.steps + 1), self.c.decay) if self.c.ramp else self.c.decay
        for mine, theirs in zip(self.net.parameters(), self.student.parameters()):
            mine.lerp_(theirs, 1 - kept)
        if self.c.statistics == "batch":
            return
        for own, present in zip(self.net.buffers(), self.student.buffers()):
            if self.c.statistics == "average" and own.is_floating_point():
                own.lerp_(present, 1 - kept)
            else:
                own.copy_(present)

    def state_dict(self) -> dict[str, Tensor]:
        return {"steps": torch.tensor(self.steps), **{f"net.{name}": value for name, value in self.net.state_dict().items()}}

    def load_state_dict(self, state: Any) -> None:
        self.steps = int(state["steps"])
        self.net.load_state_dict({name.removeprefix("net."): value for name, value in state.items() if name != "steps"})

    def reference(self) -> Net:
        return self.net.eval()
