"""A run of jobs in processes, wherever these are: what starts when, who is told to stop, and what is heard of each."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbench.execute import failures
from kdbench.execute.base import DEFAULT_POLICY, Event, ExecutorError, FailureClass, JobSpec, Outcome, Policy, together
from kdbench.execute.ends import Ends
from kdbench.execute.events import EventTail
from kdbench.execute.folders import job_dir, leave_payload, make_job_dir
from kdbench.execute.gangs import Gangs
from kdbench.execute.interrupts import Interrupts
from kdbench.execute.ledger import Ledger
from kdbench.execute.process import Process
from kdbench.execute.protocol import Link, Order
from kdbench.execute.slots import Grant, Slots
from kdbench.execute.verdict import Verdict
from kdbench.results import company
from kdbench.results.files import StorageError

POLL = 0.2  # seconds between looks at the events of running jobs
MAX_SERVER_DEATHS = 3  # in a row, without a job that ended in between


class Dispatcher(ABC):
    """An executor that runs jobs in processes, wherever these are."""

    home: Path
    entry: str
    grace: float

    @abstractmethod
    def slots(self) -> Slots: ...

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
        self.ledger = Ledger(jobs, on_event, policy)
        self.slots = executor.slots()
        self.gangs = Gangs(len(self.slots.gpus) or self.slots.workers)
        self.ends = Ends(executor.home, self.ledger, self.slots, self.gangs, policy)
        self.running: dict[str, Process] = {}  # by the key of the process, that of its first job
        self.interrupts = Interrupts()
        self.obeyed = 0  # the level of interruption that has been acted on
        self.server_deaths = 0

    def to_the_end(self) -> dict[str, Outcome]:
        self.ledger.begin(self.slots.facts)
        with self.interrupts.caught():
            self.link = self.executor.new_link()
            try:
                while not self.ledger.complete:
                    self.obey_interrupts()
                    self.ledger.look_elsewhere()
                    self.launch()
                    for message in self.link.poll(POLL if self.running or self.ledger.elsewhere else 0.0):
                        self.hear(message)
                    self.watch()
                    self.ledger.tell("tick")
            finally:
                self.link.close()
        return self.ledger.outcomes

    # What comes in: the user's signals, the link's messages, the jobs' own events, the clock.

    def obey_interrupts(self) -> None:
        if self.interrupts.level == self.obeyed:
            return
        self.obeyed = self.interrupts.level
        kill = self.obeyed == 2
        at_work = sum(len(process.jobs) for process in self.running.values())
        self.ledger.tell("stopping", data={"running": at_work, "kill": kill})
        for key in self.running:
            self.link.signal(key, signal.SIGKILL if kill else signal.SIGTERM)
        self.ledger.stop()

    def hear(self, message: dict[str, Any]) -> None:
        if "lost" in message:
            self.mourn_server(message["lost"])
        elif "started" in message and (process := self.running.get(message["started"])):
            self.has_started(process, message)
        elif "exited" in message and (process := self.running.pop(message["exited"], None)):
            self.server_deaths = 0
            self.slots.give(process.grant)
            self.forward(process)
            self.ends.of_process(process, message)
        elif "gone" in message and (process := self.running.pop(message["gone"], None)):
            self.slots.give(process.grant)
            self.forward(process)
            self.ends.of_machine(process, message["why"], message.get("done", ()))

    def has_started(self, process: Process, message: Mapping[str, Any]) -> None:
        process.pid, process.began = message["pid"], time.monotonic()
        told = {"pid": process.pid, "device": process.grant.device, "gpu": process.grant.gpu, **message}
        del told["started"]
        if process.gang:
            told["gang"] = process.size
        for job in process.jobs.values():
            self.ledger.tell("started", job, told)

    def watch(self) -> None:
        now = time.monotonic()
        for key, process in self.running.items():
            self.forward(process)
            if process.overdue(now):
                process.timed_out, process.kill_at = True, now + self.executor.grace
                self.link.signal(key, signal.SIGUSR1)  # it writes into its log where it stands
                self.link.signal(key, signal.SIGTERM)
            if process.kill_at is not None and now > process.kill_at:
                process.kill_at = None
                self.link.signal(key, signal.SIGKILL)

    def forward(self, process: Process) -> None:
        """Tell what a process's jobs have said, once it was told that it has started; of a gang's member also that it ended."""
        if process.pid is None:
            return
        for key, record in process.news():
            self.ledger.tell("progress", process.jobs[key], record)
            if process.gang and record.get("event") == "end":
                self.ends.of_member(process, process.jobs.pop(key), str(record.get("status")))

    def mourn_server(self, status: int) -> None:
        """The process from which jobs start died, and its jobs with it. The others go on with a new one."""
        self.server_deaths += 1
        if self.server_deaths >= MAX_SERVER_DEATHS:
            raise ExecutorError(
                f"the process from which jobs start died {self.server_deaths} times in a row (status {status}); "
                + self.link.last_words()
            )
        self.ledger.tell("note", data={"message": f"the job server died (status {status}); starting another"})
        self.link.close()
        processes, self.running = list(self.running.values()), {}
        for process in processes:
            self.slots.give(process.grant)
            self.forward(process)  # a gang's member may have ended before
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # helpers of the job, whom the kernel does not end with it
            self.ends.of_server(process, f"the job server died (status {status}), and the job with it")
        self.link = self.executor.new_link()

    # What goes out: orders.

    def launch(self) -> None:
        while (first := self.ledger.queue.first()) is not None:
            seated = self.seat(first)
            if seated is None:
                return  # the first in line waits for its slot; letting others by could make it wait for ever
            self.start(*seated)

    def seat(self, first: JobSpec) -> tuple[list[JobSpec], Grant] | None:
        """The job that is next with those that go with it, and what they hold together; None where there is no room yet."""
        exclusive = self.ends.exclusive(first)
        grant = self.slots.take(first.resources, exclusive=exclusive)
        if grant is None or exclusive:
            return ([first], grant) if grant else None
        jobs = self.gangs.of(first, self.ledger.queue.ready)
        if len(jobs) > 1 and self.slots.packed:
            self.slots.give(grant)
            grant = self.slots.take(together([job.resources for job in jobs]))
        return (jobs, grant) if grant else None

    def start(self, jobs: Sequence[JobSpec], grant: Grant) -> None:
        """Order a process for jobs, whose folders say what they have to do."""
        home = self.executor.home
        folders = [job_dir(home, job.key) for job in jobs]
        tails = {job.key: EventTail(folder, from_end=True) for job, folder in zip(jobs, folders)}
        for job in jobs:
            self.ledger.queue.take(job.key)
        try:
            payloads = [leave_payload(make_job_dir(home, job.key), job.payload) for job in jobs]
            company.note(folders, self.beside(grant))
        except (StorageError, OSError) as error:  # there may be room again for the next
            self.slots.give(grant)
            for job, folder in zip(jobs, folders):
                failures.write(folder, failures.Failure(FailureClass.error, str(error)))
                self.ledger.settle(job, Verdict("failed", FailureClass.error, str(error)))
            return
        first = jobs[0]
        key = first.key
        while key in self.running:  # a gang that had no room for its first job still runs, under that job's name
            key += "+"
        self.running[key] = Process({job.key: job for job in jobs}, grant, tails)
        self.link.start(
            Order(
                key,
                self.executor.entry,
                [(str(payload), str(folder)) for payload, folder in zip(payloads, folders)],
                grant.device,
                min(first.resources.cpus, grant.cpus),  # what it computes must not depend on how much room it is given
                dict(grant.env),
                room=grant.cpus,
                share=sum(grant.shares),
                memory=max(job.resources.memory or 0 for job in jobs),
            )
        )

    def beside(self, grant: Grant) -> list[list[Path]]:
        """The folders of each process's jobs that are on a GPU of this grant now."""
        there = [process for process in self.running.values() if set(process.grant.gpus) & set(grant.gpus)]
        return [[job_dir(self.executor.home, key) for key in process.jobs] for process in there]
