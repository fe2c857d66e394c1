"""One job at work: its student, what it was built with, and how far it is."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from kdbench.contract.batch import Batch
from kdbench.contract.errors import Diverged
from kdbench.results.files import StorageError
from kdbench.results.home import Home
from kdbench.results.provenance import now
from kdbench.results.source_digests import source_digest
from kdbench.train import build, checkpoint, elders, footprint, recording, start
from kdbench.train.common import Common
from kdbench.train.ranks.shared import agree, share
from kdbench.train.seeding import reseed
from kdbench.train.stream import Stream, Tick
from kdbench.train.workshop import make_learner

REPORTS = 20  # points of a training curve
Emit = Callable[[dict[str, Any]], None]


class Run:
    """Built from a job, or from the checkpoint that an earlier attempt at it left."""

    def __init__(self, job: Mapping[str, Any], emit: Emit, common: Common):
        self.job, self.emit, self.common = job, emit, common
        self.started, began = now(), time.perf_counter()
        identity, targets, device = job["spec"], job["targets"], common.device
        self.home = Home(Path(job["home"]))
        self.code = source_digest(job["sources"])  # now: it may be edited before this job ends
        self.task = build.make_task(identity, targets)
        elders.check(job, common)
        self.streams = common.streams(self.task, job)
        reseed(device, identity["role"], identity["seed"], "init")
        net = build.make_net(self.task, identity["student"], targets, device)
        if job.get("init_weights"):
            init = identity["init"]
            start.from_weights(net.backbone, Path(job["init_weights"]), init.get("part", ()), init.get("fresh", ()))
        self.teachers = [common.teacher(self.task, teacher, targets) for teacher in job["teachers"]]
        start.towards_teacher(net, identity["init"], self.teachers)
        self.learner = make_learner(self.task, job, net, self.teachers, self.streams, self.home.signals)
        self.saved = self.home.checkpoints / job["key"] / "state.safetensors"
        self.about = {"key": job["key"], "code": json.dumps(self.code, sort_keys=True)}
        state = checkpoint.load(self.saved, device, self.about)
        if state is not None:
            self.learner.resume(state)
        self.resumed = state is not None
        self.team = common.team
        if self.team is not None:
            share(self.learner, self.team)
            for stream in self.streams.values():
                stream.share(self.team)
        self.status = "done"
        self.trained = 0.0  # seconds: in a gang, this one's share
        self.gang = 1  # the most that were in one process with it
        emit({"event": "start", "step": self.at, "steps": self.steps})
        self.setup = time.perf_counter() - began

    @property
    def at(self) -> int:
        return self.learner.at

    @property
    def steps(self) -> int:
        return self.learner.recipe["steps"]

    @property
    def done(self) -> bool:
        """Whether no further step will come."""
        return self.status == "diverged" or self.learner.done

    def update(self, made: dict[int, Batch]) -> None:
        """One step, on batches that were made for its like or that it makes for them."""
        self.learner.update(Tick(self.at, self.streams, made))
        if self.at % max(1, self.steps // REPORTS) == 0 or self.learner.done:
            if self.team is not None:
                agree(self.learner, self.team)
            self.report()

    def report(self) -> None:
        try:
            means = self.learner.report()
        except Diverged as error:
            self.status = "diverged"
            self.emit({"event": "diverged", "step": self.at, "message": str(error)})
            return
        self.emit({"event": "metric", "step": self.at, "steps": self.steps, **{f"loss/{name}": v for name, v in means.items()}})
        self.emit({"event": "shares", "step": self.at, **self.learner.tally.shares()})  # of each term in loss and gradient

    @property
    def speaks(self) -> bool:
        """Whether it saves and records: of several ranks, the first one does so for all."""
        return self.team is None or self.team.leads

    def save(self) -> None:
        if self.speaks:
            checkpoint.save(self.saved, self.learner.state(), self.about)

    def save_if_possible(self) -> None:
        """A full disk does not end a job that goes on: the last checkpoint is still there, and a later one may find room."""
        try:
            self.save()
        except StorageError as error:
            print(f"kdbench: no checkpoint at step {self.at}: {error}", file=sys.stderr)

    def finish(self) -> None:
        """Evaluate and record what was learned."""
        if not self.speaks:
            return
        recording.write(self)
        with contextlib.suppress(OSError):  # the result is there; what is left behind is swept later
            self.saved.unlink(missing_ok=True)
            self.saved.parent.rmdir()

    def timing(self) -> dict[str, Any]:
        """What its record says of time and memory, but for the evaluation's seconds."""
        return {
            "setup_seconds": round(self.setup, 3),
            "train_seconds": round(self.trained, 3),
            "resumed": self.resumed,
            **({"gang": self.gang} if self.gang > 1 else self.shares()),
            **({"ranks": self.team.count} if self.team is not None else {}),
            **(self.learner.source.timing() if self.learner.source is not None else {}),
            **footprint.taken(self.common.device, self.home.jobs / self.job["key"]),
        }

    def shares(self) -> dict[str, float]:
        return {**asked(self.learner.asking, self.trained, self.common.device), **waited(self.streams, self.trained)}


def asked(seconds: float, trained: float, device: torch.device) -> dict[str, float]:
    """The share of training in which a teacher was asked. Not on CUDA, where it would take a wait for the device to know."""
    return {"teacher_share": round(seconds / trained, 4)} if device.type == "cpu" and trained > 0 and seconds > 0 else {}


def waited(streams: Mapping[str, Stream], trained: float) -> dict[str, float]:
    """The share of training in which a batch was not there yet. Not of batches that a device makes: it does so on the side."""
    known = {id(stream): stream.waited for stream in streams.values() if stream.home.type == "cpu"}
    return {"data_share": round(sum(known.values()) / trained, 4)} if known and trained > 0 else {}
