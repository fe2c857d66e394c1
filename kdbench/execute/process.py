"""A process that runs one job or a gang, as the parent sees it: what it holds, who is not done yet, and what its end means."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.execute import failures
from kdbench.execute.base import JobSpec
from kdbench.execute.events import EventTail
from kdbench.execute.slots import Grant
from kdbench.execute.verdict import Verdict, judge, kernel_oom_kills


@dataclass
class Process:
    """`jobs` are those that have not ended."""

    jobs: dict[str, JobSpec]
    grant: Grant
    tails: dict[str, EventTail]
    pid: int | None = None  # None until the link has said that it exists
    began: float = field(default_factory=time.monotonic)
    timed_out: bool = False
    kill_at: float | None = None
    oom_kills: int = field(default_factory=kernel_oom_kills)

    def __post_init__(self) -> None:
        self.size = len(self.jobs)
        self._ours: set[str] = set()  # its jobs whose events are its own: another run may have been at one
        limits = [job.resources.timeout for job in self.jobs.values()]
        self.timeout = sum(limit for limit in limits if limit) if all(limits) else None  # of all its jobs together

    @property
    def gang(self) -> bool:
        return self.size > 1

    @property
    def seconds(self) -> float:
        """For each of its jobs."""
        return (time.monotonic() - self.began) / self.size

    def overdue(self, now: float) -> bool:
        """Whether it has had its time, and has not been told so."""
        if self.timeout is None or self.pid is None or self.timed_out or not self.jobs:
            return False
        return now - self.began > self.timeout

    def news(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What its jobs have said since the last call; nothing after a job's end."""
        for key, tail in self.tails.items():
            for record in tail.read():
                if self._is_own(key, record) and key in self.jobs:
                    yield key, record

    def _is_own(self, key: str, record: Mapping[str, Any]) -> bool:
        """Whether an event of one of its jobs is its own."""
        if record.get("event") == "start" and record.get("pid") == self.pid:
            self._ours.add(key)
        return key in self._ours

    def verdict(self, end: Mapping[str, Any], job_dir: Path, stopping: bool) -> Verdict:
        """What it means for a job that its process ended so, or that it said so itself as a member of a gang."""
        limit = self.timeout if self.timed_out else None
        seen = end.get("oom_kills", kernel_oom_kills() - self.oom_kills)  # by whoever ran it, if on another machine
        return judge(end, failures.read(job_dir), timeout=limit, stopping=stopping, oom_kills=seen)
