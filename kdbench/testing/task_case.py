"""A task as its rules look at it: with its params, its streams, its own untrained networks and what they say of val and test."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.registry import PluginInfo, Registry, load_target
from kdbench.suite.catalogue import side
from kdbench.testing.bench import CPU, awake
from kdbench.train import build
from kdbench.train.evaluate import forward_of
from kdbench.train.seeding import reseed
from kdbench.train.stream import Stream, ViewSpec

HELD_OUT = ("val", "test")
FEW = 6


class TaskCase:
    """A task with params, and its own student, untrained."""

    def __init__(self, plugin: PluginInfo, params: Mapping[str, Any], registry: Registry):
        self.plugin, self.params, self.registry = plugin, params, registry

    def fresh(self) -> Task:
        kind = load_target(self.plugin.target)
        made: Task = kind(kind.Config(**self.params))
        return made

    @functools.cached_property
    def task(self) -> Task:
        return self.fresh()

    def stream(self, role: str, batch: int = FEW) -> Stream:
        facts = self.plugin.facts
        view = ViewSpec(next(iter(facts["augments"])), facts["bank"], 1)
        return Stream(self.task, facts["roles"][role], batch, 1, view, CPU)

    def net(self, role: str) -> Net:
        own = side(self.plugin, role)
        targets = self.registry.model_targets(own["model"])
        reseed(CPU, role)
        return build.make_net(self.task, {"model": own["model"], "params": own.get("params", {})}, targets, CPU)

    @functools.cached_property
    def outputs(self) -> dict[str, dict[str, Any]]:
        forward = forward_of(awake(self.net("student"), self.stream("labelled")), CPU)
        return {split: self.task.evaluate(forward, split) for split in HELD_OUT}
