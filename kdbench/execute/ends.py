"""What it means for jobs that their process ended, or that one of several did: each has its verdict, or gets another try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from kdbench.execute import failures
from kdbench.execute.base import FailureClass, JobSpec, Policy
from kdbench.execute.folders import LOG, job_dir
from kdbench.execute.gangs import Gangs
from kdbench.execute.ledger import Ledger
from kdbench.execute.process import Process
from kdbench.execute.protocol import EXIT_CODES, LATER, STATUSES
from kdbench.execute.slots import Slots
from kdbench.execute.verdict import Verdict

MAX_MOVES = 3  # of a job from machines that died under it


class Ends:
    """Counts the tries of each job of a run. A job that had bad luck in company is tried again without it."""

    def __init__(self, home: Path, ledger: Ledger, slots: Slots, gangs: Gangs, policy: Policy) -> None:
        self._home, self._ledger, self._slots, self._gangs, self._policy = home, ledger, slots, gangs, policy
        self._oom_tries: Counter[str] = Counter()
        self._moves: Counter[str] = Counter()

    def exclusive(self, job: JobSpec) -> bool:
        """Whether a job must have its device to itself, since it ran out of memory beside others."""
        return job.key in self._oom_tries

    def of_process(self, process: Process, end: Mapping[str, Any]) -> None:
        """A process has ended, and some of its jobs had not."""
        status = STATUSES.get(end.get("code", -1))
        if status == "busy" or (process.gang and status == "done"):  # another run is at what it did not do
            for job in process.jobs.values():
                self._gangs.alone.add(job.key)
                self._ledger.wait_for_other_run(job, job_dir(self._home, job.key))
            return
        for job in process.jobs.values():
            verdict = self._verdict(process, job, end)
            if process.gang and verdict.state != "interrupted":
                self._again_alone(job, f"its gang ended ({verdict.message})")
            elif verdict.failure is FailureClass.oom and self._may_retry_alone(process, job):
                self._oom_tries[job.key] += 1
                self._ledger.again(job, "out of memory; again, alone", verdict.message)
            else:
                self._settle(process, job, verdict)

    def of_member(self, process: Process, job: JobSpec, status: str) -> None:
        """A member of a gang has ended; the others go on."""
        if status == LATER:
            self._ledger.again(job, "no room in its gang")
        elif status == FailureClass.oom:
            self._again_alone(job, "out of memory in its gang")
        elif status == FailureClass.interrupted and process.timed_out:
            self._again_alone(job, f"its gang took longer than its {process.timeout:g} s")
        else:
            self._settle(process, job, self._verdict(process, job, {"code": EXIT_CODES.get(status, -1)}))

    def of_machine(self, process: Process, why: str, done: Container[str]) -> None:
        """The machine died under a process: its jobs run elsewhere, from their checkpoints if they left any."""
        for job in process.jobs.values():
            self._moves[job.key] += 1
            if job.key in done:
                self._settle(process, job, Verdict("done"))
            elif (moves := self._moves[job.key]) > MAX_MOVES:
                self._settle(process, job, _killed(f"{why}; this was the {moves}th time"))
            else:
                self._ledger.again(job, why)

    def of_server(self, process: Process, why: str) -> None:
        """The process from which jobs start died. Those that had begun are lost, the others start again."""
        for job in process.jobs.values():
            if process.pid is None:
                self._ledger.put_back(job)
            else:
                self._settle(process, job, _killed(why))

    def _again_alone(self, job: JobSpec, why: str) -> None:
        self._gangs.alone.add(job.key)
        self._ledger.again(job, f"{why}; again, by itself")

    def _may_retry_alone(self, process: Process, job: JobSpec) -> bool:
        """Out of memory beside others: it may fit with the device to itself. What it computes stays the same."""
        if self._ledger.stopping or self._ledger.limit_reached or self._slots.alone(process.grant):
            return False
        return self._oom_tries[job.key] < self._policy.oom_retries

    def _verdict(self, process: Process, job: JobSpec, end: Mapping[str, Any]) -> Verdict:
        return process.verdict(end, job_dir(self._home, job.key), self._ledger.stopping)

    def _settle(self, process: Process, job: JobSpec, verdict: Verdict) -> None:
        folder = job_dir(self._home, job.key)
        if verdict.failure is not None and not verdict.from_job:
            failures.write(folder, failures.Failure(verdict.failure, verdict.message))
        log = folder / LOG
        self._ledger.settle(job, verdict, process.seconds, log if log.exists() else None)


def _killed(why: str) -> Verdict:
    return Verdict("failed", FailureClass.killed, why, from_job=False)
