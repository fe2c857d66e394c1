"""A method turns a step into named terms. It never sees which task it serves, and no loop knows which method it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import MethodError
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.model import Net
from kdbench.contract.needs import Needs
from kdbench.contract.step import Step, Sweep
from kdbench.contract.task import Task


@dataclass(frozen=True)
class Term:
    """A weighted part of an owner's loss. It reaches its owner's parameters and no others.

    `value` may be a function: it is then computed only where the weight is not zero, so a switched-off term costs nothing and
    leaves no trace (no forward pass, no batch statistics). Supervised terms are named task*.
    """

    value: Tensor | Callable[[], Tensor]
    weight: float = 1.0
    owner: str = "student"

    def compute(self, name: str = "") -> Tensor:
        """Its value; `name` is what an error calls it by."""
        value: Any = self.value() if callable(self.value) else self.value
        if not isinstance(value, Tensor) or value.numel() != 1:
            given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"of type {type(value).__name__}"
            raise MethodError(f"term {name!r} is {given}; a term is one number in a tensor: a mean over rows, without .item()")
        return value


@dataclass(eq=False)
class Owner:
    """A player: its parameters, its own settings over the recipe's, and the optimiser that the learner gives it."""

    params: list[nn.Parameter]
    settings: Mapping[str, Any] = field(default_factory=dict)
    optimiser: torch.optim.Optimizer | None = None


@dataclass(frozen=True)
class Phase:
    """A named share of the one budget of steps; optimisers and schedules start anew at each."""

    name: str
    share: float = 1.0


@dataclass(frozen=True)
class NetSpec:
    """Shapes that a method may build on: taps without their batch dimension, found by a probe, and parameters."""

    taps: Mapping[str, tuple[int, ...]]
    outputs: int
    parameters: int


@dataclass(frozen=True)
class Specs:
    """What a method's own modules are built from."""

    student: NetSpec
    teachers: tuple[NetSpec, ...]
    samples: int
    labels: Tensor | None = None  # one row for each sample of the distillation set, where that set has labels
    sample: Batch | None = None  # two samples of it, to try out what is built

    @property
    def teacher(self) -> NetSpec:
        if not self.teachers:
            raise ValueError("this source has no teacher network whose shapes are known")
        return self.teachers[0]


class Method(nn.Module):
    """Subclass with a `name`, a Config, needs and `terms`. Own modules and buffers are built in `build`."""

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    needs: ClassVar[Needs] = Needs()
    exempt: ClassVar[Mapping[str, str]] = {}  # conformance rules that cannot hold, each with its reason

    def __init__(self, config: PluginConfig | None = None):
        super().__init__()
        self.c: Any = config if config is not None else self.Config()

    def wants(self) -> Needs:
        """Its needs as it is configured."""
        return self.needs.resolved(self.c.model_dump())

    def build(self, specs: Specs, task: Task) -> None:
        """Make own modules and buffers. Students are never submodules."""

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        """Rewrite the student before training; default: as it is."""
        return net

    def export(self, net: Net) -> Net:
        """The net that is evaluated and kept; default: as trained."""
        return net

    def owners(self, net: Net) -> dict[str, Owner]:
        return {"student": Owner([*net.parameters(), *self.parameters()])}

    def phases(self) -> list[Phase]:
        return [Phase("train")]

    def prepare(self, sweep: Sweep) -> None:
        """Fill buffers from a pass over a training set (class means, banks) before the first step."""

    def terms(self, step: Step) -> dict[str, Term]:
        raise NotImplementedError

    def backward(self, terms: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
        """Each owner's weighted sum into its own parameters; returns the values of the terms for the log."""
        values: dict[str, float | Tensor] = {}
        sums: dict[str, Tensor] = {}
        for name, term in terms.items():
            if term.weight == 0:
                continue
            value = term.compute(name)
            values[name] = value.detach()
            weighted = value if term.weight == 1 else value * term.weight
            sums[term.owner] = sums[term.owner] + weighted if term.owner in sums else weighted
        for position, (owner, total) in enumerate(sums.items()):
            params = [p for p in owners[owner].params if p.requires_grad]
            last = position == len(sums) - 1
            torch.autograd.backward(total, inputs=params, retain_graph=not last)
        return values


class Wrapper(Method):
    """A method around a method: forwards every hook; override `extra` (further terms) or `see` (what the inner one sees)."""

    own: ClassVar[Needs] = Needs(streams=frozenset())

    def __init__(self, config: PluginConfig | None, inner: Method):
        super().__init__(config)
        self.method = inner

    @property
    def needs(self) -> Needs:  # type: ignore[override]
        return self.method.needs | self.own

    def wants(self) -> Needs:
        return self.method.wants() | self.own.resolved(self.c.model_dump())

    def see(self, decisions: Decisions) -> Decisions:
        return decisions

    def extra(self, step: Step) -> dict[str, Term]:
        return {}

    def build(self, specs: Specs, task: Task) -> None:
        self.method.build(specs, task)

    def adapt(self, net: Net, teachers: tuple[Net, ...]) -> Net:
        return self.method.adapt(net, teachers)

    def export(self, net: Net) -> Net:
        return self.method.export(net)

    def owners(self, net: Net) -> dict[str, Owner]:
        inner = self.method.owners(net)
        mine = [p for n, p in self.named_parameters() if not n.startswith("method.")]
        inner["student"].params = [*inner["student"].params, *mine]
        return inner

    def phases(self) -> list[Phase]:
        return self.method.phases()

    def prepare(self, sweep: Sweep) -> None:
        self.method.prepare(sweep)

    def terms(self, step: Step) -> dict[str, Term]:
        return {**self.method.terms(MappedStep(step, self.see)), **self.extra(step)}

    def backward(self, terms: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
        return self.method.backward(terms, owners)


class MappedStep:
    """A step whose decisions, of student and teacher alike, pass through a function first."""

    def __init__(self, step: Step, see: Callable[[Decisions], Decisions]):
        self._step, self._see = step, see

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def decide(self, on: str = "transfer", head: str | None = None) -> Decisions:
        return self._see(self._step.decide(on) if head is None else self._step.decide(on, head))

    def teacher(self, on: str = "transfer") -> Signal:
        return self._seen(self._step.teacher(on))

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        return self._seen(self._step.ask(batch, grad))

    def _seen(self, signal: Signal) -> Signal:
        members = tuple(Signal(self._see(m.decisions), m.taps) for m in signal.members)
        return Signal(self._see(signal.decisions), signal.taps, members)
