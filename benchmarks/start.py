"""How long a job takes to its first step in a warm pool, beyond reading its data and building its nets. By the wall clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks import work
from benchmarks.measure import Effort, Found, Line, guard, interleave, mean_of, seconds
from benchmarks.overhead import warm
from kdbench.cli.warm import modules
from kdbench.execute.base import Event, JobSpec
from kdbench.execute.local import LocalExecutor
from kdbench.models import weights

STEPS = 20  # of a job, which then tells of each


def measure(folder: Path, effort: Effort) -> Found:
    made = work.make(folder, ["kd"], effort.small, batch=effort.batch, steps=STEPS, seeds=effort.rounds + 1)
    jobs = made.students("kd")
    ours = starts(made, jobs)
    warm(made.bare())  # so that what torch imports with its first optimiser is there, as it is in a pool
    bare = interleave({"bare": seconds(lambda: bare_start(made), time.monotonic)}, "bare", len(ours))
    beyond = [a - b for a, b in zip(ours, mean_of(bare, "bare"), strict=True)]
    note = f"of {sorted(ours)[len(ours) // 2]:.2f} s in all"
    return Found(
        [Line("a job's start in a warm pool, beyond its data and nets", "s", beyond, 0.3, guard(bare, "bare"), note=note)]
    )


def starts(made: work.Work, jobs: list[dict[str, Any]]) -> list[float]:
    """From the end of one job to the end of the next one's first step; the first job of the pool warms it."""
    ended, began = 0.0, {}

    def hear(event: Event) -> None:
        nonlocal ended
        if event.kind == "finished":
            ended = event.t
        elif event.kind == "progress" and event.data.get("event") == "metric" and event.job is not None and ended:
            began.setdefault(event.job.key, event.data["t"] - ended)

    preload = modules(job["targets"] for job in jobs)
    executor = LocalExecutor(made.session.home.path, workers=1, device="cpu", preload=preload)
    executor.run([JobSpec(job["key"], job["labels"]["cell"], job) for job in jobs], hear)
    return list(began.values())


def bare_start(made: work.Work) -> None:
    """Networks, the teacher's weights and one step, on data that are read already, as they are in the pool."""
    bare = made.bare()
    weights.load_into(bare.teacher, made.folder / "teacher.safetensors")
    bare.step()
