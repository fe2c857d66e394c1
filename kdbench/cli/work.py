"""Runs the jobs of a suite that have no result: what a plan asks for, by the executor and within the limits that were chosen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kdbench.cli.exits import Exit
from kdbench.cli.outcomes import interrupted, tell_ends
from kdbench.cli.session import Session
from kdbench.cli.several import several
from kdbench.cli.times import packed, shares, times, told

if TYPE_CHECKING:
    from kdbench.execute.base import Executor, JobSpec, Outcome, Policy
    from kdbench.jobs.job import Job
    from kdbench.jobs.plan import Plan, Planned
    from kdbench.results.past import Past

Say = Callable[[str], None]


class Where(StrEnum):
    """Who runs the jobs."""

    local = "local"
    ray = "ray"
    inline = "inline"


@dataclass(frozen=True)
class How:
    """What was chosen for the jobs of one command."""

    executor: Where
    workers: int | None
    device: str
    policy: Policy
    timeout: float | None
    checkpoint: float
    gang: bool
    pack: bool
    as_json: bool
    say: Say
    address: str | None = None  # of the cluster


@dataclass(frozen=True)
class Work:
    """What was planned, and how the jobs that ran ended."""

    planned: Plan
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def stopped(self) -> Exit | None:
        return interrupted(self.outcomes)

    @property
    def whole(self) -> bool:
        """Whether every job has a result now."""
        ends = [outcome.state in ("done", "diverged") for outcome in self.outcomes.values()]
        return all(ends) and not self.planned.in_state("blocked")

    @property
    def states(self) -> dict[str, str]:
        """What became of each job, by key."""
        known = {item.job.key: item.state for item in self.planned.jobs}
        return {**known, **{key: outcome.state for key, outcome in self.outcomes.items()}}


def work(session: Session, planned: Plan, how: How) -> Work:
    """Run what is planned to run, and tell how it ended."""
    waiting = planned.in_state("run")
    if not waiting and not planned.in_state("blocked"):
        return Work(planned)
    began = time.monotonic()
    outcomes = execute(session, waiting, how) if waiting else {}
    tell_ends(outcomes, planned, session, time.monotonic() - began, how.say)
    return Work(planned, outcomes)


def execute(session: Session, items: list[Planned], how: How) -> dict[str, Outcome]:
    """With progress for a person on stderr, or events for a program on stdout."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.execute.base import ExecutorError
    from kdbench.execute.progress import reporter

    try:
        runner = make_runner(session, how, [item.job for item in items])
        slots = runner.slots()
        several(session.suite.resources.gpus, (item.job for item in items), slots, how.executor is Where.inline)
        past = session.past(slots.gpus)
        specs = [spec(session, item, how, past) for item in items]
        if (expected := times(specs, slots, shares(session, [item.job for item in items]))).known:
            how.say(told(expected))
        if how.pack:
            how.say(packed(specs))
        with reporter("json", sys.stdout) if how.as_json else reporter() as on_event:
            return runner.run(specs, on_event, how.policy)
    except ExecutorError as error:
        raise KdbenchError(str(error)) from error


def make_runner(session: Session, how: How, jobs: list[Job]) -> Executor:
    from kdbench.cli.warm import modules

    preload = modules(job.targets for job in jobs)
    if how.executor is Where.ray:
        from kdbench.execute.cluster.executor import RayExecutor

        home, results = session.home.path, session.store.folder
        return RayExecutor(home, results, address=how.address, workers=how.workers, device=how.device, preload=preload)
    if how.executor is Where.local:
        from kdbench.execute.local import LocalExecutor

        return LocalExecutor(session.home.path, workers=how.workers, device=how.device, preload=preload, pack=how.pack)
    from kdbench.execute.inline import InlineExecutor
    from kdbench.execute.own_process import limit_threads

    limit_threads(1)  # as a job has in its own process: the number of threads changes the last digits of a result
    return InlineExecutor(session.home.path, device=how.device)


def spec(session: Session, item: Planned, how: How, past: Past) -> JobSpec:
    from kdbench.execute.base import JobSpec, Resources
    from kdbench.jobs.gang import gang_of
    from kdbench.jobs.payload import payload
    from kdbench.results.meanwhile import written

    job = item.job
    data = payload(job, session.jobs, session.home.path.absolute(), session.store.folder.absolute(), how.checkpoint)
    data["written"] = written(data) if item.has_result else None
    asked = session.suite.resources
    resources = Resources(gpu=asked.gpu, timeout=how.timeout, memory=past.memory(job), gpus=asked.gpus)
    if asked.gpus > 1:
        data["ranks"] = asked.gpus
    steps = job.spec["recipe"]["steps"]
    task, gang, seconds = job.labels["task"], gang_of(job) if how.gang else "", past.seconds(job)
    return JobSpec(job.key, job.title, data, job.after, job.kind, steps, resources, task, gang, seconds)
