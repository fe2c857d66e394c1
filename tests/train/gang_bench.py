"""Jobs of a suite, run one by one or together, without processes."""

from __future__ import annotations

import json
from pathlib import Path

from kdbench.jobs.payload import payload
from kdbench.results.home import Home
from kdbench.results.store import ResultStore
from kdbench.train import job as training

COMPARED = ("status", "metrics", "outputs", "weights", "cost", "blocks")


class Place:
    """A home and a results folder, and jobs that run there."""

    def __init__(self, jobs, folder: Path):
        self.jobs, self.folder = jobs, folder
        self.home = Home(folder / "home")
        self.ends: dict[str, object] = {}
        self.events: dict[str, list] = {}

    def payload(self, job) -> dict:
        return json.loads(json.dumps(payload(job, self.jobs, self.home.path, self.folder / "results", 1e9)))

    def member(self, job) -> training.Member:
        events = self.events.setdefault(job.key, [])
        return training.Member(self.payload(job), events.append, lambda end: self.ends.__setitem__(job.key, end))

    def together(self, jobs, stop=lambda: False) -> list:
        training.together([self.member(job) for job in jobs], "cpu", stop)
        return [self.ends[job.key] for job in jobs]

    def alone(self, job) -> None:
        self.ends[job.key] = training.run(self.payload(job), self.folder, "cpu", lambda event: None, lambda: False)["status"]

    def has(self, job) -> bool:
        return any((self.folder / "results").rglob(f"{job.key}.json"))

    def record(self, job):
        return ResultStore(self.folder / "results", self.home).read(job.key)


def same(place, alone, jobs) -> None:
    for job in jobs:
        one, other = place.record(job), alone.record(job)
        for part in COMPARED:
            assert getattr(one, part) == getattr(other, part), (job.title, part)
