"""Which jobs share a process: those of one stream and pool of teachers, as many as still leave work for every worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from kdbench.execute.base import JobSpec

MOST = 16  # learners of one process; a teacher that is asked for 16 costs each of them little more than one asked for 100


class Gangs:
    """Forms gangs as jobs become ready. What failed in one, or with its process, runs alone after that."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.alone: set[str] = set()
        self._sizes: dict[str, int] = {}

    def of(self, first: JobSpec, look: Callable[[], Sequence[JobSpec]]) -> list[JobSpec]:
        """The job that is next, and those that run in lockstep with it; `look` tells all that are ready, which may be many."""
        tag = self._tag(first)
        if not tag:
            return [first]
        ready = look()
        alike = [job for job in ready if self._tag(job) == tag]
        if tag not in self._sizes:  # once, so that what is left later is not cut ever smaller
            units = len({self._tag(job) or job.key for job in ready})
            self._sizes[tag] = min(MOST, ceil(len(alike) * min(units, self.workers) / self.workers))
        return [first, *(job for job in alike if job.key != first.key)][: self._sizes[tag]]

    def _tag(self, job: JobSpec) -> str:
        """Of a job that has several devices to itself, none."""
        return "" if job.key in self.alone or job.resources.gpus > 1 else job.gang
