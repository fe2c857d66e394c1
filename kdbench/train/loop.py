"""The training loop: for every tick of the streams, every learner updates itself once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.errors import Diverged, MethodError
from kdbench.contract.method import Method, Owner, Phase
from kdbench.contract.model import Net
from kdbench.contract.source import Source
from kdbench.contract.stage import After
from kdbench.contract.task import Task
from kdbench.train.recipe import arithmetic, optimiser, set_rate
from kdbench.train.seat import Seat, gathered
from kdbench.train.seeding import reseed
from kdbench.train.state import put_back, state_of
from kdbench.train.step import LearnerStep
from kdbench.train.stream import Tick
from kdbench.train.tally import Tally, probe

PROBES = 8  # how often in a run the terms' gradients are measured one by one


class Learner:
    """A student with its method, source and optimisers: the whole state of one run.

    `stages` stand behind the source. A source of scope learner is bound here: it may add seats and owners, and moves after each
    step. `workshop` makes the further nets that such a source asks for.
    """

    def __init__(
        self,
        task: Task,
        net: Net,
        method: Method,
        source: Source | None,
        recipe: Mapping[str, Any],
        seed: int,
        device: torch.device,
        stages: Sequence[After] = (),
        workshop: Any = None,
    ):
        self.task, self.source, self.stages, self.workshop = task, source, stages, workshop
        self.seats = [Seat(net, method)]
        self.recipe, self.seed, self.device = recipe, seed, device
        self.arithmetic: Callable[[Net, Batch], Outputs] = arithmetic(recipe)
        self.joint = recipe["joint"] and "transfer" in method.needs.streams
        self.at = 0
        self.asking = 0.0  # seconds in which the source was asked
        self.phases = spread(method.phases(), recipe["steps"])
        self.phase = -1
        self.owners: dict[str, Owner] = {}
        self.tally = Tally(device)
        self.probes = set(range(0, recipe["steps"], max(1, recipe["steps"] // PROBES)))
        self.own = source if source is not None and source.scope == "learner" else None
        if self.own is not None:
            self.own.bind(self)

    @property
    def net(self) -> Net:
        return self.seats[0].net

    @property
    def method(self) -> Method:
        return self.seats[0].method

    def forward(self, batch: Batch, net: Net | None = None) -> Outputs:
        return self.arithmetic(self.net if net is None else net, batch)

    def update(self, tick: Tick) -> None:
        """All seats forward and backward, then every owner that had a term steps: nobody sees another's new weights."""
        name, start, end = self.enter_phase()
        generator = torch.Generator(self.device)
        generator.manual_seed(reseed(self.device, self.seed, "step", tick.index))
        progress = (self.at - start) / (end - start)
        steps = [LearnerStep(self, seat, tick, name, progress, generator) for seat in self.seats]
        for seat, step in zip(self.seats, steps):
            step.seats = steps
            seat.net.train()
            seat.method.train()
        for owner in self.owners.values():
            assert owner.optimiser is not None
            owner.optimiser.zero_grad(set_to_none=True)
        terms = [seat.method.terms(step) for seat, step in zip(self.seats, steps)]
        acting = {seat.prefix + owner for seat, given in zip(self.seats, terms) for owner in seat.acting(given)}
        for seat, given in zip(self.seats, terms):
            if self.at in self.probes:
                given = probe(given, seat.owners, self.tally, seat.prefix)
            values = seat.method.backward(given, seat.owners)
            self.tally.note({seat.prefix + term: value for term, value in values.items()})
            self.tally.weigh({seat.prefix + term: (given[term], value) for term, value in values.items() if term in given})
        if any(step.harmed() for step in steps):
            raise MethodError(f"{self.method.name} changed a shared batch or signal in place")
        for owner_name in acting:
            owner = self.owners[owner_name]
            assert owner.optimiser is not None
            clip = owner.settings.get("clip", self.recipe["clip"])
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(owner.params, clip)
            set_rate(owner, self.recipe, self.at - start, end - start)
            owner.optimiser.step()
        if self.own is not None:
            self.own.after()
        self.at += 1

    def enter_phase(self) -> tuple[str, int, int]:
        """The phase of this step; optimisers are made anew where one begins."""
        number = next(n for n, (_, _, end) in enumerate(self.phases) if self.at < end)
        if number != self.phase:
            self.phase = number
            for seat in self.seats:
                seat.owners = seat.method.owners(seat.net)
            if self.own is not None:
                self.seats[0].owners |= self.own.owners()
            self.owners = gathered(self.seats)
            for owner in self.owners.values():
                owner.optimiser = optimiser(owner, self.recipe)
        return self.phases[number]

    @property
    def sums(self) -> Mapping[str, Tensor]:
        """Sums of the terms since the last report."""
        return self.tally.sums

    @property
    def counts(self) -> Mapping[str, int]:
        """How many values each of them has."""
        return self.tally.counts

    def report(self) -> dict[str, float]:
        """Means of the terms since the last report; raises Diverged where one was not finite."""
        means, finite = self.tally.means()
        if not finite:
            bad = ", ".join(name for name, mean in means.items() if mean != mean or abs(mean) == float("inf")) or "a term"
            raise Diverged(f"{bad} is not finite at step {self.at}")
        return means

    @property
    def done(self) -> bool:
        return self.at >= self.recipe["steps"]

    def state(self) -> dict[str, Any]:
        return state_of(self)

    def resume(self, state: Mapping[str, Any]) -> None:
        put_back(self, state)

    def exported(self) -> Net:
        return self.method.export(self.net)

    def reference(self) -> Net | None:
        """What taught in the end where that is no frozen teacher: an average of the student, a peer, a teacher that learned."""
        return self.source.reference() if self.source is not None else None

    def dropped(self) -> int:
        """Parameters that learned and do not leave with the student: of the method, of peers, of a teacher."""
        kept = {id(p) for p in self.exported().parameters()}
        learned = {id(p): p for owner in self.owners.values() for p in owner.params if p.requires_grad}
        return sum(p.numel() for key, p in learned.items() if key not in kept)


def spread(phases: list[Phase], steps: int) -> list[tuple[str, int, int]]:
    """Phases as (name, first step, end): shares of one budget, so that arms with and without phases cost the same."""
    total, used, out = sum(p.share for p in phases), 0.0, []
    start = 0
    for phase in phases:
        used += phase.share
        end = round(steps * used / total)
        if end > start:
            out.append((phase.name, start, end))
        start = end
    return out
