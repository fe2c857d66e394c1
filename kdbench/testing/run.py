"""One learner with its streams and teachers, in memory, and eyes on what its method does in a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.method import Owner, Step, Term
from kdbench.contract.model import Net
from kdbench.testing.setting import Setting
from kdbench.train import checkpoint
from kdbench.train.loop import Learner
from kdbench.train.stream import Tick

Flat = dict[str, Tensor]


@dataclass(frozen=True)
class Seen:
    """A term as it was computed in a step, and its gradient to every parameter that may learn, by name."""

    value: Tensor
    weight: float
    owner: str
    gradient: Mapping[str, Tensor] = field(default_factory=dict)
    strange: bool = False  # whether it has parameters that neither a net, the method nor a source knows

    @property
    def slope(self) -> float:
        """Norm of the gradient."""
        return sum((float(g.double().pow(2).sum()) for g in self.gradient.values()), 0.0) ** 0.5


class _Enough(Exception):
    """Ends a step that was only looked at."""


@dataclass
class Run:
    """One learner with its streams and teachers. `plain` is the student's network as the task makes it, before any rewriting."""

    setting: Setting
    learner: Learner
    streams: dict[str, Any]
    teachers: tuple[Net, ...]
    plain: Net
    folder: Any  # of what sweeps keep; it goes with the run
    step: Step | None = None

    @property
    def stations(self) -> list[tuple[str, int]]:
        """A step in the middle of each phase."""
        return [(name, (start + end) // 2) for name, start, end in self.learner.phases]

    @property
    def rewritten(self) -> bool:
        """Whether the method gave the student another form."""
        return self.learner.net is not self.plain

    def train(self, until: int | None = None, after: Callable[[], None] = lambda: None) -> Run:
        """Go on to a step (default: the end)."""
        while self.learner.at < (self.learner.recipe["steps"] if until is None else until):
            self.learner.update(Tick(self.learner.at, self.streams))
            after()
        return self

    def state(self) -> Flat:
        return checkpoint.flatten(self.learner.state())

    def resume(self, state: Flat) -> Run:
        self.learner.resume(checkpoint.unflatten({name: value.clone() for name, value in state.items()}))
        return self

    def jump(self, at: int) -> Run:
        """As if `at` steps were done, without having done them."""
        self.learner.at = at
        return self

    def names(self) -> dict[str, torch.nn.Parameter]:
        """Everything that may learn, by name: of the students, of the method, and of a source that learns."""
        found: dict[str, torch.nn.Parameter] = {}
        for seat in self.learner.seats:
            found |= {f"{seat.prefix}student.{name}": p for name, p in seat.net.named_parameters()}
            found |= {f"{seat.prefix}method.{name}": p for name, p in seat.method.named_parameters()}
        own = self.learner.own.owners() if self.learner.own is not None else {}
        return found | {f"{name}.{n}": p for name, owner in own.items() for n, p in enumerate(owner.params)}

    def own(self) -> list[str]:
        """The method's own parameters that learn."""
        return [name for name, p in self.learner.method.named_parameters() if p.requires_grad]

    def look(self, gradients: bool = False) -> dict[str, Seen]:
        """The terms of the step that would come next, computed but not stepped."""
        found: dict[str, Seen] = {}
        learner, method = self.learner, self.learner.method
        params = {name: p for name, p in self.names().items() if p.requires_grad}
        known = {id(p) for p in (*self.names().values(), *(p for net in self.teachers for p in net.parameters()))}
        inner = method.terms

        def terms(step: Step) -> dict[str, Term]:
            self.step = step
            return inner(step)

        def backward(given: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
            for name, term in given.items():
                if term.weight == 0:
                    continue
                value, slopes = term.compute(name), {}
                if gradients and value.requires_grad:
                    each = torch.autograd.grad(value, list(params.values()), retain_graph=True, allow_unused=True)
                    slopes = {name: g for name, g in zip(params, each) if g is not None}
                strange = gradients and not parameters_of(value) <= known
                found[name] = Seen(value.detach(), term.weight, term.owner, slopes, strange)
            raise _Enough

        method.terms, method.backward = terms, backward  # type: ignore[method-assign, assignment]
        try:
            learner.update(Tick(learner.at, self.streams))
        except _Enough:
            pass
        finally:
            del method.terms, method.backward
        return found


def parameters_of(value: Tensor) -> set[int]:
    """The parameters that a value was computed from, where they may learn, by id."""
    found: set[int] = set()
    seen, left = {value.grad_fn}, [value.grad_fn]
    while left:
        node = left.pop()
        if node is None:
            continue
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.nn.Parameter):
            found.add(id(leaf))
        new = {inner for inner, _ in node.next_functions} - seen
        seen |= new
        left += new
    return found
