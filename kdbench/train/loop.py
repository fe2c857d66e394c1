"""The training loop: for every tick of the streams, every learner updates itself once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import Diverged, MethodError
from kdbench.contract.method import Method, Owner, Phase
from kdbench.contract.model import Net
from kdbench.contract.source import Source
from kdbench.contract.task import Task
from kdbench.train.recipe import optimiser, set_rate
from kdbench.train.seeding import reseed
from kdbench.train.stream import Tick


class LearnerStep:
    """One step as a method sees it: forwards happen when asked for, once per stream."""

    def __init__(self, learner: Learner, tick: Tick, phase: str, progress: float, generator: torch.Generator):
        self.index, self.phase, self.progress, self.generator = tick.index, phase, progress, generator
        self.task, self.net = learner.task, learner.net
        self._learner, self._tick = learner, tick
        self._outputs: dict[int, Outputs] = {}
        self._signals: dict[int, Signal] = {}
        self._shared: dict[int, tuple[Tensor, int]] = {}  # tensors that other learners read too, as they were when first seen

    def batch(self, on: str = "transfer") -> Batch:
        batch = self._tick.batch(on)
        self._watch(*batch.fields.values(), batch.index, batch.view)
        return batch

    def student(self, on: str = "transfer") -> Outputs:
        batch = self.batch(on)
        if id(batch) not in self._outputs:
            if self._learner.joint:
                self._forward_joint()
            else:
                self._outputs[id(batch)] = self._learner.forward(batch)
        return self._outputs[id(batch)]

    def _forward_joint(self) -> None:
        """One pass over both streams, so that they share batch statistics, and its parts for each."""
        batches = list({id(b): b for b in (self.batch("labelled"), self.batch("transfer"))}.values())
        reads = self.net.reads
        together = Batch(
            {name: torch.cat([b[name] for b in batches]) for name in reads},
            torch.cat([b.index for b in batches]),
            torch.cat([b.view for b in batches]),
        )
        outputs = self._learner.forward(together)
        sizes = [len(b) for b in batches]
        values = outputs.values.split(sizes)
        taps = {name: tap.split(sizes) for name, tap in outputs.taps.items()}
        for number, batch in enumerate(batches):
            self._outputs[id(batch)] = Outputs(values[number], {name: tap[number] for name, tap in taps.items()})

    def decide(self, on: str = "transfer") -> Decisions:
        return self.task.decide(self.student(on).values, self.batch(on))

    def teacher(self, on: str = "transfer") -> Signal:
        if self._learner.source is None:
            raise MethodError(f"{self._learner.method.name} asks a teacher, but this run has no source")
        batch = self.batch(on)
        if id(batch) not in self._signals:
            signal = self._signals[id(batch)] = self._learner.source.ask(batch)
            self._watch(signal.decisions.values, *signal.taps.values())
        return self._signals[id(batch)]

    def supervised(self) -> Tensor:
        return self.task.loss(self.decide("labelled"))

    def _watch(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            self._shared.setdefault(id(tensor), (tensor, tensor._version))

    def harmed(self) -> bool:
        """Whether the method changed in place what a gang shares."""
        return any(tensor._version != version for tensor, version in self._shared.values())


class Learner:
    """A student with its method, source and optimisers: the whole state of one run."""

    def __init__(
        self,
        task: Task,
        net: Net,
        method: Method,
        source: Source | None,
        recipe: Mapping[str, Any],
        seed: int,
        device: torch.device,
    ):
        self.task, self.net, self.method, self.source = task, net, method, source
        self.recipe, self.seed, self.device = recipe, seed, device
        self.joint = recipe["joint"] and "transfer" in method.needs.streams
        self.at = 0
        self.phases = spread(method.phases(), recipe["steps"])
        self.phase = -1
        self.owners: dict[str, Owner] = {}
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def forward(self, batch: Batch) -> Outputs:
        if self.recipe["precision"] == "fp32":
            return self.net(batch)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            outputs = self.net(batch)
        taps = {name: tap.float() for name, tap in outputs.taps.items()}
        return Outputs(outputs.values.float(), taps, {name: head.float() for name, head in outputs.heads.items()})

    def update(self, tick: Tick) -> None:
        name, start, end = self._enter_phase()
        generator = torch.Generator(self.device)
        generator.manual_seed(reseed(self.device, self.seed, "step", tick.index))
        step = LearnerStep(self, tick, name, (self.at - start) / (end - start), generator)
        self.net.train()
        self.method.train()
        terms = self.method.terms(step)
        acting = {term.owner for term in terms.values() if term.weight != 0}
        unknown = acting - set(self.owners)
        if unknown:
            have = ", ".join(self.owners)
            raise MethodError(f"{self.method.name} has a term of owner {', '.join(unknown)}, its owners are {have}")
        for owner in self.owners.values():
            assert owner.optimiser is not None
            owner.optimiser.zero_grad(set_to_none=True)
        values = self.method.backward(terms, self.owners)
        if step.harmed():
            raise MethodError(f"{self.method.name} changed a shared batch or signal in place")
        for owner_name in acting:
            owner = self.owners[owner_name]
            assert owner.optimiser is not None
            clip = owner.settings.get("clip", self.recipe["clip"])
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(owner.params, clip)
            set_rate(owner, self.recipe, self.at - start, end - start)
            owner.optimiser.step()
        self._note(values)
        self.at += 1

    def _enter_phase(self) -> tuple[str, int, int]:
        """The phase of this step; optimisers are made anew where one begins."""
        number = next(n for n, (_, _, end) in enumerate(self.phases) if self.at < end)
        if number != self.phase:
            self.phase = number
            self.owners = self.method.owners(self.net)
            check_owners(self.owners)
            for owner in self.owners.values():
                owner.optimiser = optimiser(owner, self.recipe)
        return self.phases[number]

    def _note(self, values: Mapping[str, float | Tensor]) -> None:
        """Add to the sums on the device; nothing is copied to the host here."""
        for name, value in values.items():
            value = torch.as_tensor(value, device=self.device)
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
            self.finite = self.finite & torch.isfinite(value).all()

    def report(self) -> dict[str, float]:
        """Means of the terms since the last report; raises Diverged where one was not finite."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        finite = bool(self.finite)
        self.sums, self.counts = {}, {}
        if not finite:
            bad = ", ".join(name for name, mean in means.items() if mean != mean or abs(mean) == float("inf")) or "a term"
            raise Diverged(f"{bad} is not finite at step {self.at}")
        return means

    @property
    def done(self) -> bool:
        return self.at >= self.recipe["steps"]

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: tensors and positions, no generator."""
        optimisers = {name: owner.optimiser.state_dict()["state"] for name, owner in self.owners.items() if owner.optimiser}
        return {
            "net": self.net.state_dict(),
            "method": self.method.state_dict(),
            "optimisers": {name: {str(k): v for k, v in state.items()} for name, state in optimisers.items()},
            "at": torch.tensor(self.at),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.method.load_state_dict(state.get("method", {}))
        self.at = int(state["at"]) - 1  # the phase of the last step done, whose optimisers were saved
        if self.at >= 0:
            self._enter_phase()
            for name, owner in self.owners.items():
                assert owner.optimiser is not None
                saved = state.get("optimisers", {}).get(name, {})
                fresh = owner.optimiser.state_dict()
                owner.optimiser.load_state_dict({**fresh, "state": {int(k): dict(v) for k, v in saved.items()}})
        self.at += 1

    def exported(self) -> Net:
        return self.method.export(self.net)


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


def check_owners(owners: Mapping[str, Owner]) -> None:
    """Owners are disjoint: a parameter that two players step would belong to nobody."""
    seen: dict[int, str] = {}
    for name, owner in owners.items():
        for parameter in owner.params:
            if seen.setdefault(id(parameter), name) != name:
                raise MethodError(f"a parameter belongs to both owners {seen[id(parameter)]!r} and {name!r}")


@contextlib.contextmanager
def frozen(nets: tuple[Net, ...]):
    """Teachers in evaluation mode without gradients; afterwards they must be as they were."""
    for net in nets:
        net.eval().requires_grad_(False)
    before = [(tensor, tensor._version) for net in nets for tensor in (*net.parameters(), *net.buffers())]
    yield
    if any(tensor._version != version for tensor, version in before) or any(net.training for net in nets):
        raise MethodError("a frozen teacher was changed while its student trained")
