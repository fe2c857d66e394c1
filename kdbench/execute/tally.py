"""What a run's events add up to: who runs how far, how many are done, and how long it will still take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdbench.execute.base import Event, JobSpec

_NOT_METRICS = {"t", "event", "step", "steps", "pid", "device", "status", "epoch", "seed"}


@dataclass
class Running:
    """A job at work, as its own events tell it."""

    spec: JobSpec
    since: float
    step: int = 0
    steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    resumed_at: int = 0  # from its `start` record: the steps that an earlier attempt has done
    first: tuple[float, int] | None = None  # time and step of the first sign of progress
    last: tuple[float, int] | None = None

    def note(self, record: Mapping[str, Any]) -> None:
        self.steps = int(record.get("steps") or self.steps)
        if isinstance(step := record.get("step"), int) and "t" in record:
            self.step = step
            if record.get("event") == "start":
                self.resumed_at = step
            self.last = (float(record["t"]), step)
            self.first = self.first or self.last
        for name, value in numbers(record).items():
            self.metrics.pop(name, None)  # so that the newest stand last
            self.metrics[name] = value

    @property
    def seconds_per_step(self) -> float | None:
        if self.first is None or self.last is None or self.last[1] <= self.first[1]:
            return None
        return (self.last[0] - self.first[0]) / (self.last[1] - self.first[1])


class Tally:
    """Follows the events of one run. Holds no clock of its own, so that a test can set the time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.total = 0
        self.waiting: dict[str, JobSpec] = {}
        self.running: dict[str, Running] = {}
        self.counts: Counter[str] = Counter()
        self._spent: defaultdict[str, float] = defaultdict(float)  # seconds and steps of finished work, by group
        self._stepped: defaultdict[str, int] = defaultdict(int)

    def __call__(self, event: Event) -> None:
        job = event.job
        if event.kind == "begin":
            self.total = event.data["jobs"]
        if job is None:
            return
        if event.kind in ("queued", "retry"):
            self.running.pop(job.key, None)
            self.waiting[job.key] = job
        elif event.kind == "started":
            self.waiting.pop(job.key, None)
            self.running[job.key] = Running(job, event.t, steps=job.steps)
        elif event.kind == "progress" and job.key in self.running:
            self.running[job.key].note(event.data)
        elif event.kind == "finished" and event.outcome is not None:
            self.waiting.pop(job.key, None)
            self.counts[event.outcome.state] += 1
            ended = self.running.pop(job.key, None)
            if ended is not None and event.outcome.state == "done" and (steps := ended.steps - ended.resumed_at) > 0:
                self._spent[job.group] += event.outcome.seconds
                self._stepped[job.group] += steps

    @property
    def settled(self) -> int:
        return self.counts.total()

    def eta(self) -> float | None:
        """Seconds until all is done at the pace measured so far, or None before anything was measured.

        Each running job goes on at its own pace, each waiting one at that of its group; the sum is shared by as many
        as run now, but no job is done sooner than alone.
        """
        left: list[float] = []
        for job in self.running.values():
            pace = job.seconds_per_step or self._pace(job.spec.group)
            if pace is None:
                return None
            left.append(max(0.0, (job.steps - job.step) * pace))
        for spec in self.waiting.values():
            pace = self._pace(spec.group)
            if pace is None:
                return None
            left.append(spec.steps * pace)
        return max([sum(left) / max(1, len(self.running)), *left]) if left else 0.0

    def elapsed(self, job: Running) -> float:
        return max(0.0, self._clock() - job.since)

    def _pace(self, group: str) -> float | None:
        """Seconds a step in one group, or failing that, over all groups."""
        seconds, steps = self._spent[group], self._stepped[group]
        for job in self.running.values():
            if job.spec.group == group and job.first and job.last:
                seconds, steps = seconds + job.last[0] - job.first[0], steps + job.last[1] - job.first[1]
        if steps:
            return seconds / steps
        paces = [pace for job in self.running.values() if (pace := job.seconds_per_step) is not None]
        paces += [self._spent[name] / count for name, count in self._stepped.items() if count]
        return sum(paces) / len(paces) if paces else None


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a job's record: its numbers, and those one level down (`metrics: {...}`)."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= numbers(value)
        elif name not in _NOT_METRICS and isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
    return found
