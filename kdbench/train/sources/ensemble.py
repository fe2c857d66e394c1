"""Several frozen teachers, reduced to one signal; their single signals stay available as members."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.model import Config
from kdbench.contract.needs import Gives
from kdbench.contract.source import Source


class EnsembleConfig(Config):
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


def combine(members: list[Signal], config: Any) -> Signal:
    """One signal from several: the only place where an ensemble is formed, for live and stored teachers alike."""
    views = [m.decisions.but(values=normalised(m.decisions.values, config.normalise, config.scale)) for m in members]
    joint: Decisions = views[0].but(values=torch.stack([v.values for v in views]), reduce=config.reduce)
    return Signal(joint, {}, tuple(Signal(v, m.taps) for v, m in zip(views, members)))


class Ensemble(Source):
    """Two or more teacher networks, averaged by probability (default) or by logit."""

    name = "ensemble"
    Config = EnsembleConfig

    gives = Gives(
        always=frozenset({"probs", "members"}),
        when=(("reduce", "logit", frozenset({"values"})),),
        fewest=2,
        notes={
            "values": "a mean of probabilities has no logits; reduce: logit gives some",
            "taps": "an ensemble has no single net whose taps could be read",
        },
    )

    def ask(self, batch: Batch) -> Signal:
        with torch.no_grad():
            members = []
            for net in self.nets:
                outputs = net(batch)
                members.append(Signal(self.task.decide(outputs.values, batch), outputs.taps))
            return combine(members, self.c)
