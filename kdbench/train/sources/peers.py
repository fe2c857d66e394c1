"""Students that learn together: each is taught by what the others say in the same step.

Y. Zhang, T. Xiang, T. M. Hospedales, H. Lu: Deep Mutual Learning. CVPR 2018 (with method kd at T 1: `dml`).

Every student has its own start, its own instance of the method and its own optimiser. All are forwarded first and stepped
together, so nobody sees another's new weights; the paper's code updates one after the other, each with a forward of its own. The
first one is kept, whichever turned out best.

Several peers are averaged by probability. At T 1 the forward divergence to their mean has the gradient of the mean of their
divergences, which is the paper's loss.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.errors import MethodError
from kdbench.contract.gives import Gives
from kdbench.contract.model import Net
from kdbench.contract.source import Source
from kdbench.train.seat import Seat
from kdbench.train.sources.labels import WHEN, LabelConfig, labelled


class PeersConfig(LabelConfig):
    students: int = Field(2, ge=2, description="how many students learn together, the kept one among them")


class Peers(Source):
    """Further students of the same kind, learning beside the first."""

    name = "peers"
    Config = PeersConfig
    scope = "learner"

    gives = Gives(
        several=frozenset({"members"}),
        taps=True,
        own="$students",
        when=WHEN,
        notes={
            "values": "a mean of probabilities has no logits; two students alone give some",
            "taps": "several peers have no single net whose taps could be read",
            "labels": "labels: argmax (or threshold, share, uniform) gives some",
        },
    )

    def bind(self, learner: Any) -> None:
        for number in range(1, self.c.students):
            net, method = learner.workshop.peer(number)
            learner.seats.append(Seat(net, method, f"peer{number}/"))
        self.seats = learner.seats

    def see(self, step: Any, batch: Batch) -> Signal:
        """What the other seats say of this batch, as it stands: no gradient goes back to them."""
        members = []
        for other in step.seats:
            if other is not step:
                outputs = other.forward(batch)
                taps = {name: tap.detach() for name, tap in outputs.taps.items()}
                members.append(Signal(self.task.decide(outputs.values.detach(), batch), taps))
        if len(members) == 1:
            return labelled(members[0], self.c)
        joint = members[0].decisions.but(values=torch.stack([m.decisions.values for m in members]), reduce="prob")
        return labelled(Signal(joint, {}, tuple(members)), self.c)

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        raise MethodError("peers answer within a step, on the batches that all of them see")

    def reference(self) -> Net:
        seat = self.seats[1]
        return seat.method.export(seat.net)
