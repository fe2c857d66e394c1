"""Which job comes next: dependencies, teachers first, then the chain expected to take longest. Pure data, no processes."""

from __future__ import annotations

import graphlib
import heapq
from collections import defaultdict
from collections.abc import Sequence

from kdbench.execute.base import JobSpec, State


def lengths(jobs: Sequence[JobSpec]) -> dict[str, float]:
    """How long each job is, in one unit: the seconds that are expected of it, or where none are, its steps at the pace of its
    group, or of all jobs with an expectation. Where nothing is expected of any job, a step is the unit."""
    seconds: dict[str, float] = defaultdict(float)
    steps: dict[str, int] = defaultdict(int)
    for job in jobs:
        if job.expected is not None and job.steps:
            for group in {job.group, ""}:
                seconds[group] += job.expected
                steps[group] += job.steps
    pace = {group: seconds[group] / steps[group] for group in steps}
    general = pace.get("", 1.0)
    return {job.key: job.steps * pace.get(job.group, general) if job.expected is None else job.expected for job in jobs}


class ReadyQueue:
    """Jobs that wait, in the order in which they should start."""

    def __init__(self, jobs: Sequence[JobSpec]) -> None:
        self._specs = {job.key: job for job in jobs}
        if len(self._specs) != len(jobs):
            twice = sorted({job.key for job in jobs if sum(other.key == job.key for other in jobs) > 1})
            raise ValueError(f"jobs given twice: {', '.join(twice)}")
        # A dependency outside this run was done before it.
        self._needs = {job.key: {dep for dep in job.deps if dep in self._specs} for job in jobs}
        self._dependents: dict[str, list[str]] = {key: [] for key in self._specs}
        for key, needs in self._needs.items():
            for dep in needs:
                self._dependents[dep].append(key)
        try:
            order = list(graphlib.TopologicalSorter(self._needs).static_order())
        except graphlib.CycleError as error:
            raise ValueError(f"jobs wait for each other: {' -> '.join(error.args[1])}") from None
        length = lengths(jobs)
        chain: dict[str, float] = {}
        for key in reversed(order):  # dependents before what they depend on
            chain[key] = length[key] + max((chain[d] for d in self._dependents[key]), default=0)
        place = {key: index for index, key in enumerate(self._specs)}
        self._rank = {key: (job.kind != "teacher", -chain[key], place[key]) for key, job in self._specs.items()}
        self._waiting = set(self._specs)
        self._ready = [(self._rank[key], key) for key, needs in self._needs.items() if not needs]
        heapq.heapify(self._ready)  # of what is taken or lost, entries stay until they come to the top

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self) -> JobSpec | None:
        """The job that should start next, or None if each waits for another."""
        while self._ready and self._ready[0][1] not in self._waiting:
            heapq.heappop(self._ready)
        return self._specs[self._ready[0][1]] if self._ready else None

    def ready(self) -> list[JobSpec]:
        """All that could start now, in the order in which they should."""
        return [self._specs[key] for _, key in sorted(set(self._ready)) if key in self._waiting]

    def take(self, key: str) -> None:
        self._waiting.remove(key)

    def put_back(self, key: str) -> None:
        self._waiting.add(key)
        heapq.heappush(self._ready, (self._rank[key], key))

    def settle(self, key: str, state: State) -> list[tuple[JobSpec, str]]:
        """Record how a job ended; returns the jobs that can now never start, each with its reason."""
        if state == "done":
            for dependent in self._dependents[key]:
                self._needs[dependent].discard(key)
                if not self._needs[dependent] and dependent in self._waiting:
                    heapq.heappush(self._ready, (self._rank[dependent], dependent))
            return []
        reason = f"needs {self._specs[key].title!r}, which {_ENDED[state]}"
        lost: list[tuple[JobSpec, str]] = []
        frontier = [key]
        while frontier:
            for dependent in self._dependents[frontier.pop()]:
                if dependent in self._waiting:
                    self._waiting.remove(dependent)
                    lost.append((self._specs[dependent], reason))
                    frontier.append(dependent)
        return lost

    def drain(self) -> list[JobSpec]:
        """Give up on all that wait."""
        left = [self._specs[key] for key in sorted(self._waiting, key=self._rank.__getitem__)]
        self._waiting.clear()
        return left


_ENDED = {
    "diverged": "diverged",
    "failed": "failed",
    "interrupted": "was interrupted",
    "blocked": "was never started",
}
