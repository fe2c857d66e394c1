"""Several frozen teachers, reduced to one signal; their single signals stay available as members."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.gives import Gives
from kdbench.contract.method import Sweep
from kdbench.contract.source import Source
from kdbench.train.sources.channel import chosen
from kdbench.train.sources.labels import WHEN, FusionConfig, labelled


class EnsembleConfig(FusionConfig):
    reduce: Literal["prob", "logit"] = Field("prob", description="mean of probabilities, or of logits (scores)")
    normalise: Literal["none", "minmax", "z"] = Field("none", description="each member's scores per decision, before the mean")
    scale: float = Field(1.0, gt=0, description="factor on normalised scores")


def normalised(values: Tensor, how: str, scale: float) -> Tensor:
    """Scores of one member on a common scale, per row: heterogeneous rankers have no common one."""
    if how == "minmax":
        low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
        values = (values - low) / (high - low).clamp(min=1e-6)
    elif how == "z":
        values = (values - values.mean(-1, keepdim=True)) / values.std(-1, keepdim=True).clamp(min=1e-6)
    return values * scale if scale != 1.0 else values


def combine(members: list[Signal], config: Any, teacher_of: Tensor | None = None) -> Signal:
    """One signal from several: the only place where an ensemble is formed, for live and stored teachers alike."""
    views = [m.decisions.but(values=normalised(m.decisions.values, config.normalise, config.scale)) for m in members]
    if len({view.answers for view in views}) > 1:  # no mean of unlike answers: only methods that read the members come here
        return Signal(views[0], {}, tuple(Signal(v, m.taps) for v, m in zip(views, members)))
    joint: Decisions = views[0].but(values=torch.stack([v.values for v in views]), reduce=config.reduce)
    return labelled(Signal(joint, {}, tuple(Signal(v, m.taps) for v, m in zip(views, members))), config, teacher_of)


class Ensemble(Source):
    """Two or more teacher networks, averaged by probability (default) or by logit."""

    name = "ensemble"
    Config = EnsembleConfig

    gives = Gives(
        always=frozenset({"probs", "members", "member_taps"}),
        when=(("reduce", "logit", frozenset({"values"})), *WHEN),
        maps=(("fusion", "channel"),),
        fewest=2,
        notes={
            "values": "a mean of probabilities has no logits; reduce: logit gives some",
            "taps": "an ensemble has no single net whose taps could be read",
            "labels": "labels: argmax (or threshold, share, uniform) gives some",
        },
    )

    teacher_of: Tensor | None = None

    def prepare(self, sweep: Sweep) -> None:
        if self.c.fusion == "channel":
            self.teacher_of = chosen(self.nets, self.c.choose, sweep)

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        with torch.set_grad_enabled(grad):
            members = []
            for net in self.nets:
                outputs = self.arithmetic(net, batch) if grad else batch.once(net, self.arithmetic)
                members.append(Signal(self.task.decide(outputs.values, batch), outputs.taps))
            return combine(members, self.c, self.teacher_of)
