"""The executor for this machine: a process a job, as many at once as the slots allow, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.execute import base, devices, failures
from kdbench.execute.base import DEFAULT_ENTRY, DEFAULT_POLICY, Event, FailureClass, JobSpec, Outcome, Policy
from kdbench.execute.child import Order
from kdbench.execute.events import EventTail
from kdbench.execute.interrupts import Interrupts
from kdbench.execute.link import ServerLink
from kdbench.execute.ready import ReadyQueue
from kdbench.execute.verdict import Verdict, judge, kernel_oom_kills
from kdbench.results import company

POLL = 0.2  # seconds between looks at the events of running jobs
MAX_SERVER_DEATHS = 3  # in a row, without a job that ended in between


class ExecutorError(Exception):
    """Jobs cannot be run at all on this machine; the message says why."""


class LocalExecutor:
    """Runs jobs in processes forked from a warm server (or spawned, where forking is unsafe)."""

    def __init__(
        self,
        home: Path,
        *,
        workers: int | None = None,
        device: str = "auto",
        entry: str = DEFAULT_ENTRY,
        preload: Sequence[str] = ("torch", "kdbench.train.job"),
        start: str | None = None,
        grace: float = 5.0,
        pack: bool = False,
    ) -> None:
        """`pack`: several jobs to a GPU by the memory that jobs like them were measured to hold, instead of by stated shares."""
        self.home = Path(home).absolute()
        self.gpus = devices.resolve(device)
        self.memory = devices.free_memory(self.gpus) if pack else ()
        self.workers = devices.default_workers() if workers is None else workers
        self.entry = entry
        self.preload = tuple(preload)
        self.start = start or os.environ.get("KDBENCH_START") or ("fork" if sys.platform == "linux" else "spawn")
        if self.start not in ("fork", "spawn"):
            raise ExecutorError(f"KDBENCH_START must be fork or spawn, not {self.start!r}")
        self.grace = grace

    def slots(self) -> devices.Slots:
        return devices.Slots(self.workers, self.gpus, self.memory)

    def run(
        self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy = DEFAULT_POLICY
    ) -> dict[str, Outcome]:
        """Run jobs to their ends. Ctrl-C once (or SIGTERM) lets running ones checkpoint, twice ends them."""
        if not jobs:
            return {}
        return _Run(self, jobs, on_event, policy).to_the_end()


@dataclass
class _Running:
    spec: JobSpec
    grant: devices.Grant
    tail: EventTail
    pid: int | None = None  # None until the server has said that it exists
    began: float = field(default_factory=time.monotonic)
    timed_out: bool = False
    kill_at: float | None = None
    oom_kills: int = field(default_factory=kernel_oom_kills)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class _Run:
    """The state of one call of `run`."""

    def __init__(
        self, executor: LocalExecutor, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy
    ) -> None:
        self.executor = executor
        self.policy = policy
        self.on_event = on_event
        self.queue = ReadyQueue(jobs)
        self.slots = executor.slots()
        self.jobs = {job.key: job for job in jobs}
        self.running: dict[str, _Running] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.oom_tries: dict[str, int] = {}
        self.interrupts = Interrupts()
        self.obeyed = 0  # the level of interruption that has been acted on
        self.server_deaths = 0

    def to_the_end(self) -> dict[str, Outcome]:
        self.tell("begin", data={"jobs": len(self.jobs), **self.slots.facts})
        for job in self.jobs.values():
            self.tell("queued", job)
        with self.interrupts.caught():
            self.link = self.new_link()
            try:
                while len(self.outcomes) < len(self.jobs):
                    self.obey_interrupts()
                    self.launch()
                    for message in self.link.poll(POLL if self.running else 0.0):
                        self.hear(message)
                    self.watch()
                    self.tell("tick")
            finally:
                self.link.close()
        return {key: self.outcomes[key] for key in self.jobs}

    # What comes in: the user's signals, the server's messages, the jobs' own events, the clock.

    def obey_interrupts(self) -> None:
        if self.interrupts.level == self.obeyed:
            return
        self.obeyed = self.interrupts.level
        kill = self.obeyed == 2
        self.tell("stopping", data={"running": len(self.running), "kill": kill})
        for key in self.running:
            self.link.signal(key, signal.SIGKILL if kill else signal.SIGTERM)
        for spec in self.queue.drain():
            self.settle(spec, Verdict("interrupted", FailureClass.interrupted, "interrupted before it started"))

    def hear(self, message: dict[str, Any]) -> None:
        if "lost" in message:
            self.mourn_server(message["lost"])
        elif "started" in message and (job := self.running.get(message["started"])):
            job.pid, job.began = message["pid"], time.monotonic()
            self.tell("started", job.spec, {"pid": job.pid, "device": job.grant.device, "gpu": job.grant.gpu})
        elif "exited" in message and (job := self.running.pop(message["exited"], None)):
            self.server_deaths = 0
            self.slots.give(job.grant)
            self.forward(job)
            self.conclude(job, message)

    def watch(self) -> None:
        now = time.monotonic()
        for job in self.running.values():
            self.forward(job)
            limit = job.spec.resources.timeout
            if limit is not None and job.pid is not None and not job.timed_out and now - job.began > limit:
                job.timed_out, job.kill_at = True, now + self.executor.grace
                self.link.signal(job.spec.key, signal.SIGUSR1)  # it writes into its log where it stands
                self.link.signal(job.spec.key, signal.SIGTERM)
            if job.kill_at is not None and now > job.kill_at:
                job.kill_at = None
                self.link.signal(job.spec.key, signal.SIGKILL)

    def forward(self, job: _Running) -> None:
        for record in job.tail.read():
            self.tell("progress", job.spec, record)

    # What goes out: jobs to the server, outcomes and events to the caller.

    def launch(self) -> None:
        while (spec := self.queue.first()) is not None:
            grant = self.slots.take(spec.resources, exclusive=spec.key in self.oom_tries)
            if grant is None:
                return  # the first in line waits for its slot; letting others by could make it wait for ever
            self.queue.take(spec.key)
            directory = self.directory(spec)
            directory.mkdir(parents=True, exist_ok=True)
            beside = [other.spec for other in self.running.values() if other.grant.gpu == grant.gpu is not None]
            company.note(directory, map(self.directory, beside))
            payload = directory / "payload.json"
            scratch = directory / f"payload.{os.getpid()}.tmp"
            scratch.write_text(json.dumps(spec.payload, sort_keys=True), encoding="utf-8")
            os.replace(scratch, payload)
            self.running[spec.key] = _Running(spec, grant, EventTail(directory, from_end=True))
            where = (str(payload), str(directory), grant.device, grant.cpus, dict(grant.env))
            self.link.start(Order(spec.key, self.executor.entry, *where))

    def conclude(self, job: _Running, end: dict[str, Any]) -> None:
        verdict = judge(
            end,
            failures.read(self.directory(job.spec)),
            timeout=job.spec.resources.timeout if job.timed_out else None,
            stopping=self.obeyed > 0,
            oom_kills=kernel_oom_kills() - job.oom_kills,
        )
        if verdict.failure is FailureClass.oom and self.may_retry_alone(job):
            self.oom_tries[job.spec.key] = self.oom_tries.get(job.spec.key, 0) + 1
            self.queue.put_back(job.spec.key)
            self.tell("retry", job.spec, {"message": verdict.message, "why": "out of memory; again, alone"})
            return
        self.settle(job.spec, verdict, job.seconds)

    def may_retry_alone(self, job: _Running) -> bool:
        """Out of memory beside others: it may fit with the device to itself. What it computes stays the same."""
        if self.obeyed or self.limit_reached() or self.slots.alone(job.grant):
            return False
        return self.oom_tries.get(job.spec.key, 0) < self.policy.oom_retries

    def settle(self, spec: JobSpec, verdict: Verdict, seconds: float = 0.0) -> None:
        if verdict.failure is not None and not verdict.from_job:
            failures.write(self.directory(spec), failures.Failure(verdict.failure, verdict.message))
        log = base.log_path(self.executor.home, spec.key)
        outcome = Outcome(
            spec.key,
            verdict.state,
            verdict.failure,
            verdict.message,
            log if seconds and log.exists() else None,
            seconds,
            verdict.traceback,
        )
        self.outcomes[spec.key] = outcome
        self.tell("finished", spec, outcome=outcome)
        for lost, reason in self.queue.settle(spec.key, verdict.state):
            self.settle(lost, Verdict("blocked", message=reason))
        if verdict.state == "failed" and self.limit_reached():
            for left in self.queue.drain():
                why = f"not started: {self.policy.failure_limit} failed, the most that were allowed"
                self.settle(left, Verdict("blocked", message=why))

    def limit_reached(self) -> bool:
        return self.policy.limit_reached(self.outcomes.values())

    def tell(
        self,
        kind: base.EventKind,
        job: JobSpec | None = None,
        data: dict[str, Any] | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.on_event(Event(kind, time.time(), job, data or {}, outcome))

    def directory(self, spec: JobSpec) -> Path:
        return base.job_dir(self.executor.home, spec.key)

    # The server, and its death.

    def new_link(self) -> ServerLink:
        return ServerLink(self.executor.home, self.executor.preload, self.executor.start)

    def mourn_server(self, status: int) -> None:
        """Its jobs died with it. Those that had begun are lost; those that had not start again with a new server."""
        self.server_deaths += 1
        if self.server_deaths >= MAX_SERVER_DEATHS:
            raise ExecutorError(
                f"the process from which jobs start died {self.server_deaths} times in a row (status {status}); "
                f"{self.link.log} ends:\n{self.link.last_words()}"
            )
        self.tell("note", data={"message": f"the job server died (status {status}); starting another"})
        self.link.close()
        jobs, self.running = list(self.running.values()), {}
        for job in jobs:
            self.slots.give(job.grant)
            if job.pid is None:
                self.queue.put_back(job.spec.key)
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, signal.SIGKILL)  # helpers of the job, whom the kernel does not end with it
            why = f"the job server died (status {status}), and the job with it"
            self.settle(job.spec, Verdict("failed", FailureClass.killed, why, from_job=False), job.seconds)
        if self.obeyed:
            self.obeyed = 0  # what was put back must be told that it will not start
        self.link = self.new_link()
