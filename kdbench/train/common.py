"""What the jobs of one process have in common, made once: task, streams, teachers, and what these said of a set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.train import build
from kdbench.train.frozen import Frozen
from kdbench.train.ranks.team import Team
from kdbench.train.stream import Stream

T = TypeVar("T")


class Common:
    """Made by whoever asks first. Jobs of a gang have one task and the same streams; teachers are told apart by their keys."""

    def __init__(self, device: torch.device, team: Team | None = None):
        """`team` where this is one of several processes that share the work of one job."""
        self.device, self.team = device, team
        self.frozen = Frozen()
        self._made: dict[str, Any] = {}
        self._streams: list[Stream] = []

    def once(self, make: Callable[[], T], *key: object) -> T:
        name = json.dumps(key, sort_keys=True, default=str)
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def streams(self, task: Task, job: Mapping[str, Any]) -> dict[str, Stream]:
        identity, targets = job["spec"], job["targets"]

        def make() -> dict[str, Stream]:
            made = build.make_streams(task, identity, targets, self.device)
            self._streams += made.values()
            return made

        return self.once(make, "streams", id(task), identity["view"], identity["recipe"]["batch"], identity["seed"])

    def teacher(self, task: Task, teacher: Mapping[str, Any], targets: Mapping[str, str]) -> Net:
        def load() -> Net:
            return self.frozen.add(build.load_teacher(task, teacher, targets, self.device))

        return self.once(load, "teacher", id(task), {name: value for name, value in teacher.items() if name != "reference"})

    def rest(self) -> None:
        """No further step will come soon."""
        for stream in self._streams:
            stream.rest()
