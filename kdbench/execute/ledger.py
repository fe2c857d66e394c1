"""How the jobs of a run stand: which wait, at which another run is, which have ended and how. Each change is told as an event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbench.execute.base import Event, EventKind, JobSpec, Outcome, Policy
from kdbench.execute.claims import WAITING, Elsewhere
from kdbench.execute.ready import ReadyQueue
from kdbench.execute.verdict import NOT_BEGUN, Verdict


class Ledger:
    """Every executor keeps one for each run. A job is taken from `queue` by whoever starts it, and ends in `settle`."""

    def __init__(self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy) -> None:
        self.queue = ReadyQueue(jobs)
        self.elsewhere = Elsewhere()
        self.stopping = False  # the user asked the run to stop: what is put back will not start
        self._jobs = {job.key: job for job in jobs}
        self._on_event = on_event
        self._policy = policy
        self._outcomes: dict[str, Outcome] = {}

    def begin(self, facts: Mapping[str, Any]) -> None:
        """`facts` tell what the run may occupy."""
        self.tell("begin", data={"jobs": len(self._jobs), **facts})
        for job in self._jobs.values():
            self.tell("queued", job)

    @property
    def complete(self) -> bool:
        return len(self._outcomes) == len(self._jobs)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """In the order in which the jobs were given; for when all have ended."""
        return {key: self._outcomes[key] for key in self._jobs}

    @property
    def limit_reached(self) -> bool:
        """Whether as many have failed as may."""
        return self._policy.limit_reached(self._outcomes.values())

    def look_elsewhere(self) -> None:
        """What another run was at, and is no more, can start here; if it is done there, its process finds that out."""
        for job in self.elsewhere.free():
            self.queue.put_back(job.key)

    def wait_for_other_run(self, job: JobSpec, folder: Path) -> None:
        """Another run is at a job: what comes of it there counts here."""
        if self.stopping:
            self.settle(job, NOT_BEGUN)
        else:
            self.elsewhere.add(job, folder)
            self.tell("retry", job, {"message": WAITING, "why": WAITING})

    def put_back(self, job: JobSpec) -> None:
        """Into the queue again, for one of which nobody was told that it has started."""
        if self.stopping:
            self.settle(job, NOT_BEGUN)
        else:
            self.queue.put_back(job.key)

    def again(self, job: JobSpec, why: str, message: str = "") -> None:
        """Another try; `message` is what ended this one, where `why` does not say it."""
        self.put_back(job)
        if not self.stopping:
            self.tell("retry", job, {"message": message or why, "why": why})

    def settle(self, job: JobSpec, verdict: Verdict, seconds: float = 0.0, log: Path | None = None) -> None:
        """A job has ended, and with it those that can never start now."""
        outcome = Outcome(
            job.key, verdict.state, verdict.failure, verdict.message, log, seconds, verdict.traceback, verdict is not NOT_BEGUN
        )
        self._outcomes[job.key] = outcome
        self.tell("finished", job, outcome=outcome)
        for lost, reason in self.queue.settle(job.key, verdict.state):
            self.settle(lost, Verdict("blocked", message=reason))
        if verdict.state == "failed" and self.limit_reached:
            why = f"not started: {self._policy.failure_limit} failed, the most that were allowed"
            self._settle_waiting(Verdict("blocked", message=why))

    def stop(self) -> None:
        """From now on nothing starts."""
        self.stopping = True
        self._settle_waiting(NOT_BEGUN)

    def _settle_waiting(self, verdict: Verdict) -> None:
        for job in (*self.elsewhere.drain(), *self.queue.drain()):
            self.settle(job, verdict)

    def tell(
        self, kind: EventKind, job: JobSpec | None = None, data: Mapping[str, Any] | None = None, outcome: Outcome | None = None
    ) -> None:
        self._on_event(Event(kind, time.time(), job, data or {}, outcome))
