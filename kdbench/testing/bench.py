"""A run as a real job builds it, in memory: untrained teachers, a few steps, and eyes on what a method does in a step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdbench.contract.method import Owner, Step, Term
from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.suite.recipe import RECIPE_DEFAULTS
from kdbench.testing.setting import Setting
from kdbench.train import build, checkpoint
from kdbench.train.learner import make_learner
from kdbench.train.loop import Learner
from kdbench.train.seeding import reseed
from kdbench.train.stream import Tick

STEPS = 8
CPU = torch.device("cpu")
Flat = dict[str, Tensor]


@dataclass(frozen=True)
class Seen:
    """A term as it was computed in a step, and its gradient to every parameter that may learn, by name."""

    value: Tensor
    weight: float
    owner: str
    gradient: Mapping[str, Tensor] = field(default_factory=dict)

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
        inner = method.terms

        def terms(step: Step) -> dict[str, Term]:
            self.step = step
            return inner(step)

        def backward(given: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | Tensor]:
            for name, term in given.items():
                if term.weight == 0:
                    continue
                value, slopes = term.compute(), {}
                if gradients and value.requires_grad:
                    each = torch.autograd.grad(value, list(params.values()), retain_graph=True, allow_unused=True)
                    slopes = {name: g for name, g in zip(params, each) if g is not None}
                found[name] = Seen(value.detach(), term.weight, term.owner, slopes)
            raise _Enough

        method.terms, method.backward = terms, backward  # type: ignore[method-assign, assignment]
        try:
            learner.update(Tick(learner.at, self.streams))
        except _Enough:
            pass
        finally:
            del method.terms, method.backward
        return found


def start(
    setting: Setting,
    *,
    steps: int = STEPS,
    batch: int | None = None,
    recipe: Mapping[str, Any] | None = None,
    lens: Callable[[Task], Any] = lambda task: task,
    twins: bool = False,
) -> Run:
    """Build a run by the steps of a real job. `lens` may stand between the task and everything that reads it.

    With `twins` the teachers are the student, as it answers in evaluation mode, and it stays in that mode.
    """
    size = setting.family.batch if batch is None else batch
    job = described(setting, {"steps": steps, "batch": {"labelled": size, "transfer": size}, **(recipe or {})})
    identity, targets = job["spec"], job["targets"]
    task = lens(build.make_task(identity, targets))
    streams = build.make_streams(task, identity, targets, CPU)
    reseed(CPU, "student", 0, "init")
    net = build.make_net(task, setting.student, targets, CPU)
    if twins:
        awake(net, streams["labelled"])
    teachers = []
    for number in range(len(job["teachers"])):
        reseed(CPU, "teacher", number)
        teacher = awake(build.make_net(task, setting.teacher, targets, CPU), streams["labelled"])
        if twins:
            teacher.load_state_dict(net.state_dict())
        teachers.append(teacher.eval().requires_grad_(False))
    folder = tempfile.TemporaryDirectory(prefix="kdbench-conformance-")
    learner = make_learner(task, job, net, teachers, streams, Path(folder.name))
    learner.probes &= {0, steps // 2}  # the loop's measurement of gradients, now and then as in a long run
    if twins:
        student = learner.net.eval()
        object.__setattr__(student, "train", lambda mode=True: student)
    return Run(setting, learner, streams, tuple(teachers), net, folder)


@torch.no_grad()
def awake(net: Net, stream: Any) -> Net:
    """An untrained net whose batch statistics are those of a batch: without them, its answers to all samples are nearly one."""
    layers = [module for module in net.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    if layers:
        net.train()(stream.batch(0))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    return net


def described(setting: Setting, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A job as far as building reads it."""
    task, roles, source = setting.task, setting.task.facts["roles"], setting.source
    parts = {k: v for m in (setting.student, setting.teacher) for k, v in setting.registry.model_targets(m["model"]).items()}
    parts |= {f"wrapper:{wrapper.name}": wrapper.target for wrapper, _ in setting.wrap}
    targets = {"task": task.target, "method": setting.method.target, **parts}
    if source is not None:
        targets["source"] = source.plugin.target
    identity = {
        "role": "student",
        "seed": 0,
        "init": "fresh",
        "task": {"params": dict(setting.family.params)},
        "student": setting.student,
        "method": {
            "name": setting.method.name,
            "params": dict(setting.params),
            "wrap": [{"name": wrapper.name, "params": dict(params)} for wrapper, params in setting.wrap],
        },
        "source": None if source is None else {"params": dict(source.params)},
        "view": {
            "labelled": roles["labelled"],
            "transfer": roles["transfer"] if setting.transfer else None,
            "augment": next(iter(task.facts["augments"])),
            "bank": task.facts["bank"],
            "seed": "fixed",
        },
        "recipe": {**RECIPE_DEFAULTS, **recipe},
    }
    teachers = [{"key": f"conformance{n}", **setting.teacher} for n in range(source.teachers if source else 0)]
    return {"spec": identity, "targets": targets, "teachers": teachers}
