"""A run of jobs to their ends, whoever runs them: what starts when, retries, timeouts, interrupts, and what each end means."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kdbench.execute import base, devices, failures
from kdbench.execute.base import DEFAULT_POLICY, Event, FailureClass, JobSpec, Outcome, Policy, together
from kdbench.execute.child import EXIT_CODES, LATER, VERDICTS, Order
from kdbench.execute.claims import WAITING, Elsewhere
from kdbench.execute.events import EventTail
from kdbench.execute.gangs import Gangs
from kdbench.execute.interrupts import Interrupts
from kdbench.execute.process import Process
from kdbench.execute.ready import ReadyQueue
from kdbench.execute.verdict import NOT_BEGUN, Verdict
from kdbench.results import company
from kdbench.results.files import StorageError

POLL = 0.2  # seconds between looks at the events of running jobs
MAX_SERVER_DEATHS = 3  # in a row, without a job that ended in between
MAX_MOVES = 3  # of a job from machines that died under it


class ExecutorError(Exception):
    """Jobs cannot be run at all here; the message says why."""


class Link(Protocol):
    """Where processes are started, each for one job or a gang. `poll` yields what became of them, as messages of

    {started: key, pid: …, perhaps more}, {exited: key, code | signal | error: …}, {gone: key, why: …} for one that ended by no
    fault of its own, perhaps with those of its jobs that are done, and {lost: status} after its own death.
    """

    def start(self, order: Order) -> None: ...
    def signal(self, key: str, signum: int) -> None: ...
    def poll(self, timeout: float) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...
    def last_words(self) -> str:
        """What tells a person why it died."""


class Dispatcher(ABC):
    """An executor that runs jobs in processes, wherever these are."""

    home: Path
    entry: str
    grace: float

    @abstractmethod
    def slots(self) -> devices.Slots: ...

    @abstractmethod
    def new_link(self) -> Link: ...

    def run(
        self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy = DEFAULT_POLICY
    ) -> dict[str, Outcome]:
        """Run jobs to their ends. Ctrl-C once (or SIGTERM) lets running ones checkpoint, twice ends them."""
        return Run(self, jobs, on_event, policy).to_the_end() if jobs else {}


class Run:
    """The state of one call of `run`."""

    def __init__(self, executor: Dispatcher, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy) -> None:
        self.executor = executor
        self.policy = policy
        self.on_event = on_event
        self.queue = ReadyQueue(jobs)
        self.slots = executor.slots()
        self.jobs = {job.key: job for job in jobs}
        self.gangs = Gangs(len(self.slots.gpus) or self.slots.workers)
        self.elsewhere = Elsewhere()
        self.running: dict[str, Process] = {}  # by the key of the process's first job
        self.outcomes: dict[str, Outcome] = {}
        self.oom_tries: dict[str, int] = {}
        self.moves: Counter[str] = Counter()
        self.interrupts = Interrupts()
        self.obeyed = 0  # the level of interruption that has been acted on
        self.server_deaths = 0

    def to_the_end(self) -> dict[str, Outcome]:
        self.tell("begin", data={"jobs": len(self.jobs), **self.slots.facts})
        for job in self.jobs.values():
            self.tell("queued", job)
        with self.interrupts.caught():
            self.link = self.executor.new_link()
            try:
                while len(self.outcomes) < len(self.jobs):
                    self.obey_interrupts()
                    for spec in self.elsewhere.free():
                        self.queue.put_back(spec.key)
                    self.launch()
                    for message in self.link.poll(POLL if self.running or self.elsewhere else 0.0):
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
        self.tell("stopping", data={"running": sum(len(job.specs) for job in self.running.values()), "kill": kill})
        for key in self.running:
            self.link.signal(key, signal.SIGKILL if kill else signal.SIGTERM)
        for spec in (*self.elsewhere.drain(), *self.queue.drain()):
            self.settle(spec, NOT_BEGUN)

    def hear(self, message: dict[str, Any]) -> None:
        if "lost" in message:
            self.mourn_server(message["lost"])
        elif "started" in message and (job := self.running.get(message["started"])):
            job.pid, job.began = message["pid"], time.monotonic()
            where = {"pid": job.pid, "device": job.grant.device, "gpu": job.grant.gpu} | message
            where = where | ({"gang": job.size} if job.gang else {})
            del where["started"]
            for spec in job.specs.values():
                self.tell("started", spec, where)
        elif "exited" in message and (job := self.running.pop(message["exited"], None)):
            self.server_deaths = 0
            self.slots.give(job.grant)
            self.forward(job)
            self.conclude(job, message)
        elif "gone" in message and (job := self.running.pop(message["gone"], None)):
            self.slots.give(job.grant)
            self.forward(job)
            for spec in list(job.specs.values()):
                self.move(job, spec, message)

    def watch(self) -> None:
        now = time.monotonic()
        for key, job in self.running.items():
            if job.pid is not None:  # that it has begun is told before what it says
                self.forward(job)
            limit = job.timeout if job.specs else None
            if limit is not None and job.pid is not None and not job.timed_out and now - job.began > limit:
                job.timed_out, job.kill_at = True, now + self.executor.grace
                self.link.signal(key, signal.SIGUSR1)  # it writes into its log where it stands
                self.link.signal(key, signal.SIGTERM)
            if job.kill_at is not None and now > job.kill_at:
                job.kill_at = None
                self.link.signal(key, signal.SIGKILL)

    def forward(self, job: Process) -> None:
        if job.pid is None:
            return
        for key, tail in job.tails.items():
            for record in tail.read():
                if not job.heard(key, record) or key not in job.specs:
                    continue
                self.tell("progress", job.specs[key], record)
                if job.gang and record.get("event") == "end":
                    self.part(job, key, str(record.get("status")))

    def part(self, job: Process, key: str, status: str) -> None:
        """A member of a gang has ended; the others go on."""
        spec = job.specs.pop(key)
        if status == LATER:
            self.again(spec, "no room in its gang")
        elif status == FailureClass.oom:
            self.again(spec, "out of memory in its gang", alone=True)
        elif status == FailureClass.interrupted and job.timed_out:
            self.again(spec, f"its gang took longer than its {job.timeout:g} s", alone=True)
        else:
            self.settle(
                spec, job.verdict({"code": EXIT_CODES.get(status, -1)}, self.directory(spec), self.obeyed > 0), job.seconds
            )

    def again(self, spec: JobSpec, why: str, alone: bool = False) -> None:
        """Back into the queue after something that is no fault of the job's; `alone`: no more in a gang."""
        if alone:
            self.gangs.alone.add(spec.key)
            why += "; again, by itself"
        if self.obeyed:
            self.settle(spec, NOT_BEGUN)
        else:
            self.queue.put_back(spec.key)
            self.tell("retry", spec, {"message": why, "why": why})

    def move(self, job: Process, spec: JobSpec, message: Mapping[str, Any]) -> None:
        """The machine died under a job: it runs elsewhere, from its checkpoint if it left one."""
        self.moves[spec.key] += 1
        if spec.key in message.get("done", ()):
            self.settle(spec, Verdict("done"), job.seconds)
        elif self.moves[spec.key] > MAX_MOVES:
            why = f"{message['why']}; this was the {self.moves[spec.key]}th time"
            self.settle(spec, Verdict("failed", FailureClass.killed, why, from_job=False), job.seconds)
        else:
            self.again(spec, message["why"])

    # What goes out: jobs to the server, outcomes and events to the caller.

    def launch(self) -> None:
        while (spec := self.queue.first()) is not None:
            found = self.seat(spec)
            if found is None:
                return  # the first in line waits for its slot; letting others by could make it wait for ever
            specs, grant = found
            tails = {each.key: EventTail(self.directory(each), from_end=True) for each in specs}
            beside = [job for job in self.running.values() if set(job.grant.gpus) & set(grant.gpus)]
            for each in specs:
                self.queue.take(each.key)
            try:
                places = [self.place(each) for each in specs]
                company.note(map(self.directory, specs), [map(self.directory, job.specs.values()) for job in beside])
            except (StorageError, OSError) as error:  # there may be room again for the next
                self.slots.give(grant)
                for each in specs:
                    self.settle(each, Verdict("failed", FailureClass.error, str(error), from_job=False))
                continue
            self.running[spec.key] = Process({each.key: each for each in specs}, grant, tails)
            self.link.start(
                Order(
                    spec.key,
                    self.executor.entry,
                    places,
                    grant.device,
                    min(spec.resources.cpus, grant.cpus),  # what it computes must not depend on how much room it is given
                    dict(grant.env),
                    room=grant.cpus,
                    share=sum(grant.shares),
                    memory=max(each.resources.memory or 0 for each in specs),
                )
            )

    def seat(self, spec: JobSpec) -> tuple[list[JobSpec], devices.Grant] | None:
        """The job that is next with those that go with it, and what they hold together; None where there is no room yet."""
        exclusive = spec.key in self.oom_tries
        grant = self.slots.take(spec.resources, exclusive=exclusive)
        if grant is None or exclusive:
            return ([spec], grant) if grant else None
        specs = self.gangs.of(spec, self.queue.ready)
        if len(specs) > 1 and self.slots.packed:
            self.slots.give(grant)
            grant = self.slots.take(together([each.resources for each in specs]))
        return (specs, grant) if grant else None

    def place(self, spec: JobSpec) -> tuple[str, str]:
        """Where a job's process finds what it has to do, and where it leaves what came of it."""
        directory = base.made(self.directory(spec))
        return str(base.leave_payload(directory, spec)), str(directory)

    def conclude(self, job: Process, end: dict[str, Any]) -> None:
        """A process has ended: what that means for those of its jobs that had not."""
        said = VERDICTS.get(end.get("code", -1))
        if said == "busy" or (job.gang and said == "done"):
            return self.leave(job)
        for spec in list(job.specs.values()):
            verdict = job.verdict(end, self.directory(spec), self.obeyed > 0)
            if job.gang and verdict.state != "interrupted":
                self.again(spec, f"its gang ended ({verdict.message})", alone=True)
            elif verdict.failure is FailureClass.oom and self.may_retry_alone(job, spec):
                self.oom_tries[spec.key] = self.oom_tries.get(spec.key, 0) + 1
                self.queue.put_back(spec.key)
                self.tell("retry", spec, {"message": verdict.message, "why": "out of memory; again, alone"})
            else:
                self.settle(spec, verdict, job.seconds)

    def leave(self, job: Process) -> None:
        """Another run is at these jobs: what comes of them there counts here."""
        for spec in job.specs.values():
            self.gangs.alone.add(spec.key)
            if self.obeyed:
                self.settle(spec, NOT_BEGUN)
            else:
                self.elsewhere.add(spec, self.directory(spec))
                self.tell("retry", spec, {"message": WAITING, "why": WAITING})

    def may_retry_alone(self, job: Process, spec: JobSpec) -> bool:
        """Out of memory beside others: it may fit with the device to itself. What it computes stays the same."""
        if self.obeyed or self.limit_reached() or self.slots.alone(job.grant):
            return False
        return self.oom_tries.get(spec.key, 0) < self.policy.oom_retries

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
            for left in (*self.elsewhere.drain(), *self.queue.drain()):
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

    def mourn_server(self, status: int) -> None:
        """Its jobs died with it. Those that had begun are lost; those that had not start again with a new server."""
        self.server_deaths += 1
        if self.server_deaths >= MAX_SERVER_DEATHS:
            raise ExecutorError(
                f"the process from which jobs start died {self.server_deaths} times in a row (status {status}); "
                + self.link.last_words()
            )
        self.tell("note", data={"message": f"the job server died (status {status}); starting another"})
        self.link.close()
        jobs, self.running = list(self.running.values()), {}
        for job in jobs:
            self.slots.give(job.grant)
            if job.pid is None:
                for key in job.specs:
                    self.queue.put_back(key)
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, signal.SIGKILL)  # helpers of the job, whom the kernel does not end with it
            why = f"the job server died (status {status}), and the job with it"
            for spec in job.specs.values():
                self.settle(spec, Verdict("failed", FailureClass.killed, why, from_job=False), job.seconds)
        if self.obeyed:
            self.obeyed = 0  # what was put back must be told that it will not start
        self.link = self.executor.new_link()
