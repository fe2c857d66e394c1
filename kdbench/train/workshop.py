"""Where a learner is made: from a job and its networks, with source, method, stages behind the source, and further nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdbench.contract.draw import seed_for
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs
from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.train import build
from kdbench.train.loop import Learner
from kdbench.train.seeding import reseed
from kdbench.train.stream import Stream
from kdbench.train.sweep import TrainingSweep


def refuse_other_answers(method: Method, specs: Specs, task: Task) -> None:
    """A method that compares answers has no use for a teacher that decides among others than the student."""
    wants, ours = method.wants(), specs.student.outputs
    for theirs in (teacher.outputs for teacher in specs.teachers):
        if wants.signal and not wants.foreign and task.axis != "candidate" and theirs != ours:
            asked = ", ".join(sorted(wants.signal))
            among = f"the teacher decides among {theirs} and the student among {ours}"
            mend = "take a method of features alone, or a teacher of the same answers"
            raise KdbenchError(f"{method.name} compares answers ({asked}), but {among}: {mend}")


@dataclass(frozen=True)
class Workshop:
    """Makes the further nets of a run: a peer of the student, or a teacher that starts anew."""

    task: Task
    job: Mapping[str, Any]
    teachers: tuple[Net, ...]
    stream: Stream
    kin: int  # how many of the student's own kind teach, instead of teachers

    def seed(self, *what: object) -> None:
        identity = self.job["spec"]
        reseed(self.stream.device, identity["role"], identity["seed"], *what)

    def with_method(self, net: Net, *number: object) -> tuple[Net, Method]:
        """A student as it will be trained, and the method, built for it."""
        method = build.make_method(self.job)
        self.seed("method", *number)
        shown = (net,) * self.kin or self.teachers
        specs = build.specs_of(net, shown, self.stream)
        refuse_other_answers(method, specs, self.task)
        method.build(specs, self.task)
        method.to(self.stream.device)
        return method.adapt(net, self.teachers), method

    def peer(self, number: int) -> tuple[Net, Method]:
        """Another student of the same kind. It starts elsewhere: two equal ones would stay equal for ever."""
        self.seed("init", "peer", number)
        net = build.make_net(self.task, self.job["spec"]["student"], self.job["targets"], self.stream.device)
        return self.with_method(net, "peer", number)

    def fresh_teacher(self) -> Net:
        """The first teacher's network, untrained."""
        self.seed("init", "teacher")
        return build.make_net(self.task, self.job["teachers"][0], self.job["targets"], self.stream.device)


def make_learner(
    task: Task, job: Mapping[str, Any], net: Net, teachers: Sequence[Net], streams: Mapping[str, Stream], folder: Path
) -> Learner:
    """Everything of one run but the streams, ready for its first step; `folder` keeps signals and what comes of sweeps."""
    identity, stream = job["spec"], streams["transfer"]
    source = build.make_source(task, job, teachers, stream, folder)
    kin = source.gives.kin(source.c.model_dump()) if source is not None else 0
    workshop = Workshop(task, job, tuple(teachers), stream, kin)
    net, method = workshop.with_method(net)
    seed = seed_for(identity["role"], identity["seed"])
    after = build.make_after(identity, job["targets"], stream)
    learner = Learner(task, net, method, source, identity["recipe"], seed, stream.device, after, workshop)
    sweep = TrainingSweep(task, source, streams, [teacher["key"] for teacher in job["teachers"]], folder)
    with torch.no_grad():
        if source is not None:
            source.prepare(sweep)
        for seat in learner.seats:
            seat.method.prepare(sweep)
    return learner
