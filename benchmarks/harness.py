"""The harness's side of a comparison: jobs at work in this process, one step at a time, by the code that runs them anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.work import CPU
from kdbench.train.common import Common
from kdbench.train.job import Gang, Member
from kdbench.train.run import Run

WARM = 2  # steps before anything is timed: the first one measures the terms' gradients one by one


class Harness:
    """One job, or several as a gang."""

    def __init__(self, *jobs: Mapping[str, Any], warm: int = WARM):
        self.gang = Gang(Common(CPU), lambda: False)
        self.gang.waiting.extend(Member(job, lambda event: None, self.ended) for job in jobs)
        self.gang.gather()
        self.run(warm - self.runs[0].at)

    @property
    def runs(self) -> Sequence[Run]:
        return list(self.gang.runs)

    def ended(self, how: str | BaseException) -> None:
        raise RuntimeError("a job that was to be timed ended") from (how if isinstance(how, BaseException) else RuntimeError(how))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.gang.step()
