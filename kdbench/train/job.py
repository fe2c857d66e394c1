"""What a process does: one job, or a gang of jobs that share batches, views and teachers, in lockstep.

A learner's step depends on its own state and on what is a function of the step's number, so each one's result is what it would
have been alone, bit for bit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from kdbench.contract.batch import Batch
from kdbench.results import meanwhile
from kdbench.train import build, footprint
from kdbench.train.common import Common
from kdbench.train.frozen import TeacherChanged
from kdbench.train.ranks.team import Team
from kdbench.train.room import Room
from kdbench.train.run import Emit, Run

LATER = "later"  # there was no place for the job in this gang; it runs in another process
Stop = Callable[[], bool]

_prepared: set[str] = set()


@dataclass(frozen=True)
class Member:
    """A job of a gang, whom to tell how it goes, and how it ended: with a status, or with what went wrong."""

    job: Mapping[str, Any]
    emit: Emit
    end: Callable[[str | BaseException], None]


def prepare(job: Mapping[str, Any]) -> bool:
    """Make the task's data in the process that jobs fork from; True where something was made.

    Only built-in tasks: one from a plugin may hang or crash, and has to do so in a process of its own.
    """
    target, view = job["targets"]["task"], job["spec"]["view"]
    names = {name for name in (view["labelled"], view["transfer"], "val", "test") if name}
    made = False
    if target.startswith("kdbench."):
        task = build.make_task(job["spec"], job["targets"])
        for name in sorted(names):
            mark = f"{id(task)} {name}"
            made = made or mark not in _prepared
            _prepared.add(mark)
            task.data(name)
        _ = task.facts
    return made


def run(
    job: Mapping[str, Any], job_dir: Path, device: str, emit: Emit, stop: Stop, rank: tuple[int, int, str] | None = None
) -> dict[str, Any]:
    """One job: the entry point that executors call. One that is stopped leaves a checkpoint and goes on from there next time.

    `rank` is given to each of several processes that do one job together: its number, how many they are, and where they meet.
    """
    team = Team(*rank, torch.device(device)) if rank is not None else None
    ends: list[str | BaseException] = []
    together([Member(job, emit, ends.append)], device, stop, team)
    if isinstance(ends[0], BaseException):
        raise ends[0]
    return {"status": ends[0]}


def together(members: Sequence[Member], device: str, stop: Stop, team: Team | None = None) -> None:
    """Jobs of one stream and, where they have any, one pool of teachers. One that fails or diverges leaves; the others go on."""
    footprint.begin(torch.device(device))
    # Whether it is time to stop is asked before each step, and ranks must all stop before the same one.
    agreed = stop if team is None else lambda: team.any(stop())
    Gang(Common(torch.device(device), team), agreed).train(members)


class Gang:
    """The members at work, those that wait for room, and what all share."""

    def __init__(self, common: Common, stop: Stop):
        self.common, self.stop, self.room = common, stop, Room(common.device)
        self.waiting: deque[Member] = deque()
        self.runs: dict[Run, Member] = {}

    def train(self, members: Sequence[Member]) -> None:
        self.waiting.extend(members)
        try:
            self.gather()
            last = time.monotonic()
            while self.runs:
                every = min(run.job.get("checkpoint_seconds", 60.0) for run in self.runs)
                stopped = self.stop()
                if stopped or time.monotonic() - last > every:
                    for run in list(self.runs):
                        self.attempt(run, run.save if stopped else run.save_if_possible)
                    last = time.monotonic()
                if stopped:
                    return self.dismiss("interrupted")
                self.step()
        except TeacherChanged:
            self.dismiss(LATER)  # from that teacher the others cannot learn any more
        finally:
            self.common.rest()

    def gather(self) -> None:
        """Build the members one after the other, each with its first step, as long as there is room for another."""
        alone = len(self.waiting) == 1
        made: dict[int, Batch] = {}
        first: int | None = None
        while self.waiting and not self.stop() and (not self.runs or self.room.for_another()):
            member = self.waiting.popleft()
            if (status := meanwhile.made(member.job)) is not None:  # by another run
                member.end(status)
                continue
            try:
                run = Run(member.job, member.emit, self.common)
            except (Exception, SystemExit) as error:
                member.end(error)
                continue
            self.runs[run] = member
            if run.done:  # its checkpoint was of the last step
                self.finish(run)
            elif not alone:
                first = run.at if first is None else first
                self.advance([run], made if run.at == first else {})
                self.room.look()
        for run in self.runs:
            run.gang = len(self.runs)
        while self.waiting:
            self.waiting.popleft().end("interrupted" if self.stop() else LATER)

    def step(self) -> None:
        """One step of those that are the furthest behind: all of them, but where some go on from an older checkpoint."""
        at = min(run.at for run in self.runs)
        self.advance([run for run in self.runs if run.at == at], {})

    def advance(self, runs: Sequence[Run], made: dict[int, Batch]) -> None:
        began = time.perf_counter()
        for run in runs:
            if not self.attempt(run, partial(run.update, made)):
                made.clear()  # what it left half changed must not reach the others
        for run in runs:
            run.trained += (time.perf_counter() - began) / len(runs)
        for run in runs:
            if run in self.runs and run.done:
                self.finish(run)

    def finish(self, run: Run) -> None:
        if self.attempt(run, run.finish):
            self.runs.pop(run).end(run.status)

    def attempt(self, run: Run, act: Callable[[], object]) -> bool:
        """Whether a member did it; one that fails leaves."""
        try:
            act()
            if run.done or len(self.runs) > 1:
                self.common.frozen.check()
        except (Exception, SystemExit) as error:
            self.runs.pop(run).end(error)
            if isinstance(error, TeacherChanged):
                raise
            return False
        return True

    def dismiss(self, status: str) -> None:
        """Nobody goes on here."""
        for member in (*self.runs.values(), *self.waiting):
            member.end(status)
        self.runs.clear()
        self.waiting.clear()
