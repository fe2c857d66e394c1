"""Builds a run as a real job does, in memory: untrained teachers and a few steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.suite.recipe import RECIPE_DEFAULTS
from kdbench.testing.run import Run
from kdbench.testing.setting import Setting
from kdbench.train import build
from kdbench.train.seeding import reseed
from kdbench.train.workshop import make_learner

STEPS = 8
CPU = torch.device("cpu")


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
    job = job_of(setting, {"steps": steps, "batch": {"labelled": size, "transfer": size}, **(recipe or {})})
    spec, targets = job["spec"], job["targets"]
    task = lens(build.make_task(spec, targets))
    streams = build.make_streams(task, spec, targets, CPU)
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


def job_of(setting: Setting, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A job as far as building reads it."""
    task, roles, source = setting.task, setting.task.facts["roles"], setting.source
    parts = {k: v for m in (setting.student, setting.teacher) for k, v in setting.registry.model_targets(m["model"]).items()}
    parts |= {f"wrapper:{wrapper.name}": wrapper.target for wrapper, _ in setting.wrap}
    targets = {"task": task.target, "method": setting.method.target, **parts}
    if source is not None:
        targets["source"] = source.plugin.target
    spec = {
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
    return {"spec": spec, "targets": targets, "teachers": teachers}
