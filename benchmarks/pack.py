"""Two jobs of one thread each beside one job of two threads: the same cores, the throughput of both. By the wall clock."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import work
from benchmarks.measure import Effort, Found, Line, guard, interleave, mean_of, ratios
from kdbench.cli.warm import modules
from kdbench.execute.base import Event, JobSpec, Resources
from kdbench.execute.local import LocalExecutor

STEPS = 20  # of a job, which then tells of each


def measure(folder: Path, effort: Effort) -> Found:
    if (os.cpu_count() or 1) < 2:
        return Found([])
    made = work.make(folder, ["kd"], effort.pair, batch=effort.batch, steps=STEPS, seeds=2)
    jobs = made.students("kd")
    executor = LocalExecutor(made.session.home.path, workers=2, device="cpu", preload=modules(job["targets"] for job in jobs))
    parts = {"packed": lambda: throughput(executor, jobs, 1), "wide": lambda: throughput(executor, jobs[:1], 2)}
    found = interleave(parts, "wide", effort.rounds)
    gained = ratios(found["packed"], mean_of(found, "wide"))
    return Found(
        [Line("2 jobs × 1 thread / 1 job × 2 threads", "× throughput", gained, 1.10, guard(found, "wide"), at_least=True)]
    )


def throughput(executor: LocalExecutor, jobs: Sequence[dict[str, Any]], cpus: int) -> float:
    """Steps a second of all jobs together, while each of them trains."""
    told: dict[str, list[float]] = {job["key"]: [] for job in jobs}

    def hear(event: Event) -> None:
        if event.kind == "progress" and event.data.get("event") == "metric" and event.job is not None:
            told[event.job.key].append(event.data["t"])

    specs = [JobSpec(job["key"], job["labels"]["cell"], job, resources=Resources(cpus=cpus)) for job in jobs]
    ends = executor.run(specs, hear)
    if any(end.state != "done" for end in ends.values()):
        raise RuntimeError("\n".join(end.message for end in ends.values()))
    return sum(1 / statistics.median(b - a for a, b in zip(times, times[1:])) for times in told.values())
