"""A learner without suites and files: a method on a task, with teachers that were not trained (mechanics need no accuracy)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from kdbench.registry import Registry, load_target
from kdbench.suite.recipe import RECIPE_DEFAULTS
from kdbench.train import build
from kdbench.train.frozen import frozen
from kdbench.train.loop import Learner
from kdbench.train.seeding import reseed
from kdbench.train.stream import Tick
from kdbench.train.workshop import make_learner

torch.set_num_threads(1)
CPU = torch.device("cpu")
REGISTRY = Registry(packages=False)


@dataclass
class Bench:
    """Everything of one run; `train` goes on for some steps."""

    learner: Learner
    streams: dict
    teachers: tuple

    def train(self, steps: int | None = None) -> Bench:
        with frozen(self.teachers):
            end = self.learner.recipe["steps"] if steps is None else self.learner.at + steps
            while self.learner.at < end:
                self.learner.update(Tick(self.learner.at, self.streams))
        return self

    def state(self) -> dict:
        return self.learner.state()


def make(task, method, params=None, *, task_params=None, source="live", source_params=None, teachers=1, steps=6, seed=0, wrap=(),
         recipe=None, folder=None, view=None, pair=None) -> Bench:  # fmt: skip
    info = REGISTRY.task(task)
    pair, roles = {**info.facts["pair"], **(pair or {})}, info.facts["roles"]
    small = {"streets": {"size": "small"}, "topics": {"size": "small"}, "sounds": {"size": "small"}}.get(task, {})
    kind = REGISTRY.method(method)
    student = {"model": pair["student"]["model"], "params": pair["student"].get("params", {})}
    teacher = {
        "model": pair["teacher"]["model"],
        "params": pair["teacher"].get("params", {}),
        "outputs": pair["teacher"].get("outputs"),
    }
    targets = {"task": info.target, "method": kind.target, "source": REGISTRY.source(source).target}
    targets |= {f"model:{m['model']}": REGISTRY.model(m["model"]).target for m in (student, teacher)}
    targets |= {f"wrapper:{name}": REGISTRY.wrapper(name).target for name in wrap}
    targets |= {f"stage:{stage['name']}": REGISTRY.stage(stage["name"]).target for stage in (view or {}).get("stages", ())}
    identity = {
        "role": "student",
        "seed": seed,
        "task": {"params": {**small, **(task_params or {})}},
        "student": student,
        "method": {"name": method, "params": params or {}, "wrap": [{"name": name, "params": {}} for name in wrap]},
        "source": None if method == "none" else {"name": source, "params": source_params or {}},
        "view": {
            "labelled": roles["labelled"],
            "transfer": roles["transfer"],
            "augment": next(iter(info.facts["augments"])),
            "bank": info.facts["bank"],
            "seed": "fixed",
            **(view or {}),
        },
        "recipe": {**RECIPE_DEFAULTS, "steps": steps, "batch": {"labelled": 8, "transfer": 8}, **(recipe or {})},
    }
    job = {"spec": identity, "targets": targets, "teachers": [{"key": f"teacher{n}", **teacher} for n in range(teachers)]}
    built = build.make_task(identity, targets)
    streams = build.make_streams(built, identity, targets, CPU)
    nets = []
    for number in range(0 if method == "none" else teachers):
        reseed(CPU, "teacher", number)
        nets.append(build.make_net(built, teacher, targets, CPU).eval().requires_grad_(False))
    reseed(CPU, "student", seed, "init")
    net = build.make_net(built, student, targets, CPU)
    learner = make_learner(built, job, net, nets, streams, folder or Path(tempfile.mkdtemp(prefix="kdbench-signals-")))
    return Bench(learner, streams, tuple(nets))


@pytest.fixture
def bench():
    return make


def equal(a: dict, b: dict) -> bool:
    from kdbench.train.checkpoint import flatten

    x, y = flatten(a), flatten(b)
    return x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)


@pytest.fixture
def same():
    return equal


@pytest.fixture
def load():
    return load_target
