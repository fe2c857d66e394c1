"""What a run's events add up to: who runs how far, how many are done, and how long it will still take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdbench.contract.numbers import is_number, is_whole
from kdbench.execute.base import Event, JobSpec
from kdbench.execute.events import NOT_METRICS
from kdbench.execute.forecast import wall
from kdbench.execute.slots import Slots


@dataclass
class Running:
    """A job at work, as its own events tell it."""

    spec: JobSpec
    since: float
    step: int = 0
    steps: int = 0
    gang: int = 1  # jobs that its process began with: each has a share of the seconds that pass
    metrics: dict[str, float] = field(default_factory=dict)
    resumed_at: int = 0  # from its `start` record: the steps that an earlier attempt has done
    first: tuple[float, int] | None = None  # time and step of the first sign of progress
    last: tuple[float, int] | None = None

    def note(self, record: Mapping[str, Any]) -> None:
        step, steps, t = record.get("step"), record.get("steps"), record.get("t")
        if is_whole(steps) and steps:
            self.steps = steps
        if is_whole(step) and is_number(t):
            self.step = step
            if record.get("event") == "start":
                self.resumed_at = step
            self.last = (float(t), step)
            self.first = self.first or self.last
        if record.get("event") != "shares":  # of each term in the loss: between 0 and 1, they would be read as scores
            self.metrics |= numbers(record)

    @property
    def far(self) -> str:
        if not self.steps:
            return str(self.step or "")
        return f"{self.step}/{self.steps}" + (" evaluates" if self.step >= self.steps else "")

    @property
    def watched(self) -> tuple[float, int]:
        """Seconds and steps between the first and the last sign of progress, as they passed."""
        if self.first is None or self.last is None or self.last[1] <= self.first[1]:
            return 0.0, 0
        return self.last[0] - self.first[0], self.last[1] - self.first[1]

    @property
    def seconds_per_step(self) -> float | None:
        seconds, steps = self.watched
        return seconds / steps if steps else None


class Tally:
    """Follows the events of one run. Holds no clock of its own, so that a test can set the time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.total = 0
        self.waiting: dict[str, JobSpec] = {}
        self.running: dict[str, Running] = {}
        self.counts: Counter[str] = Counter()
        self._facts: Mapping[str, Any] = {}  # what the run may occupy
        self._spent: defaultdict[str, float] = defaultdict(float)  # seconds and steps of finished work, by group
        self._stepped: defaultdict[str, int] = defaultdict(int)
        self._took = self._hoped = 0.0  # seconds of finished work that was expected to take so many, and how many
        self._told: tuple[float, float | None] | None = None  # when the time left was last worked out, and what it was

    def __call__(self, event: Event) -> None:
        job = event.job
        if event.kind == "begin":
            self.total, self._facts = event.data["jobs"], event.data
        if job is None:
            return
        if event.kind in ("queued", "retry"):
            self.running.pop(job.key, None)
            self.waiting[job.key] = job
        elif event.kind == "started":
            self.waiting.pop(job.key, None)
            self.running[job.key] = Running(job, event.t, steps=job.steps, gang=event.data.get("gang", 1))
        elif event.kind == "progress" and job.key in self.running:
            self.running[job.key].note(event.data)
        elif event.kind == "finished" and event.outcome is not None:
            self.waiting.pop(job.key, None)
            self.counts[event.outcome.counted] += 1
            ended = self.running.pop(job.key, None)
            if ended is not None and event.outcome.state == "done":
                self._learn(ended, event.outcome.seconds)

    def _learn(self, ended: Running, seconds: float) -> None:
        if (steps := ended.steps - ended.resumed_at) > 0:
            self._spent[ended.spec.group] += seconds
            self._stepped[ended.spec.group] += steps
        if ended.spec.expected is not None and not ended.resumed_at:
            self._took += seconds
            self._hoped += ended.spec.expected

    @property
    def settled(self) -> int:
        return self.counts.total()

    def eta(self) -> float | None:
        """Seconds until all is done, or None as long as some job can be neither expected nor measured.

        What waits takes as long as earlier results say, corrected by how this run has kept to them so far; jobs of which they
        say nothing go at the pace of their group in this run. A long list is played through only every few seconds.
        """
        now = self._clock()
        if self._told is None or now - self._told[0] >= len(self.waiting) // 1000:
            self._told = now, self._play()
        then, left = self._told
        return None if left is None else max(0.0, left - (now - then))

    def _play(self) -> float | None:
        drift = self._drift()
        left = {key: self._left(job, drift) for key, job in self.running.items()}
        left |= {key: self._whole(spec, drift) for key, spec in self.waiting.items()}
        known = {key: seconds for key, seconds in left.items() if seconds is not None}
        if len(known) < len(left):
            return None
        specs = [*(job.spec for job in self.running.values()), *self.waiting.values()]
        return wall(specs, known, Slots.of(self._facts), tuple(self.running))

    def _left(self, job: Running, drift: float) -> float | None:
        """Of a job that runs, at its own pace as soon as it has one."""
        pace = job.seconds_per_step
        if pace is None and job.spec.expected is not None:
            fresh = 1 - job.resumed_at / job.steps if job.steps else 1.0
            return max(0.0, job.gang * job.spec.expected * drift * fresh - self.elapsed(job))
        if pace is None and (share := self._pace(job.spec.group)) is not None:
            pace = job.gang * share
        return None if pace is None else max(0.0, (job.steps - job.step) * pace)

    def _whole(self, spec: JobSpec, drift: float) -> float | None:
        if spec.expected is not None:
            return spec.expected * drift
        pace = self._pace(spec.group)
        return None if pace is None else spec.steps * pace

    def elapsed(self, job: Running) -> float:
        return max(0.0, self._clock() - job.since)

    def _drift(self) -> float:
        """How many times as long as expected this run's work has taken: the machine may be busy, or jobs share a device."""
        took, hoped = self._took, self._hoped
        for job in self.running.values():
            seconds, steps = job.watched
            if steps and job.steps and job.spec.expected is not None:
                took, hoped = took + seconds / job.gang, hoped + job.spec.expected * steps / job.steps
        return took / hoped if hoped else 1.0

    def _pace(self, group: str) -> float | None:
        """Seconds a step of one job in one group, or failing that, over all groups; in a gang, its share of them."""
        seconds, steps = self._spent[group], self._stepped[group]
        for job in self.running.values():
            if job.spec.group == group:
                seconds, steps = seconds + job.watched[0] / job.gang, steps + job.watched[1]
        if steps:
            return seconds / steps
        paces = [pace / job.gang for job in self.running.values() if (pace := job.seconds_per_step) is not None]
        paces += [self._spent[name] / count for name, count in self._stepped.items() if count]
        return sum(paces) / len(paces) if paces else None


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a job's record: its numbers, and those one level down (`metrics: {...}`)."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= numbers(value)
        elif name not in NOT_METRICS and (isinstance(value, float) or is_whole(value)):
            found[name] = float(value)
    return found
